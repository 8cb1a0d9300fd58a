"""Two tables of statistics side by side, as Markdown: what `tst houses stats` prints."""

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any

from scenes.generate.statistics.statistics import COMMON, HOUSE_COUNTS, QUANTILES, Row, compare

NAMES = {
    "doors_per_house": "doors a house",
    "windows_per_house": "windows a house",
    "top_level_objects_per_house": "furniture and wall objects a house",
    "child_objects_per_house": "small objects a house",
    "house_floor_area_m2": "floor area of a house [m²]",
    "wall_height_m": "ceiling height [m]",
    "point_lights_per_house": "lamps a house",
}
OFF = " **!**"  # marks what is outside its tolerance


def side_by_side(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> str:
    """ProcTHOR's value and ours, of each row of `compare`; the first line counts what is out of tolerance."""
    rows = compare(ours, theirs)
    off = sum(row.near is False for row in rows)
    compared = sum(row.near is not None for row in rows)
    lines = [
        f"{compared - off} of {compared} numbers are within their tolerance (a quantile 15 %, a presence "
        f"0.10); those that are not are marked{OFF}. {theirs['houses']} houses of ProcTHOR's, "
        f"{ours['houses']} of ours; each cell: theirs / ours.",
        "",
    ]
    groups = {name: list(members) for name, members in groupby(rows, key=lambda row: row.group)}
    quantiles = [n.removesuffix("_q") for n in HOUSE_COUNTS] + [n for n in groups if n.endswith("_area_m2")]
    lines += _table(
        "", [f"{q} %" for q in QUANTILES], [(_name(n), groups.pop(n)) for n in dict.fromkeys(quantiles)]
    )
    for name in [n for n in groups if n.endswith(", share")]:
        members = groups.pop(name)
        lines += _table("", [row.name for row in members], [(name, members)])
    for name in [n for n in groups if n.endswith(" has")]:
        kind = name.removesuffix(" has")
        numbers = {row.name: row for row in groups.pop(f"{kind} mean number")}
        present = groups.pop(name)[:COMMON]
        pairs = [("share of rooms with it", present), ("mean number", [numbers[row.name] for row in present])]
        lines += _table(kind, [row.name for row in present], pairs)
    name = "small objects on a receptacle, mean"
    lines += _table("", [row.name for row in groups[name]], [("small objects on it, mean", groups.pop(name))])
    for name, members in groups.items():
        lines += _table(name.removeprefix("share on "), [row.name for row in members], [("share", members)])
    return "\n".join(lines)


def _name(quantity: str) -> str:
    return NAMES.get(quantity, quantity.replace("_area_m2", ", area [m²]"))


def _table(corner: str, columns: list[str], rows: list[tuple[str, list[Row]]]) -> Iterator[str]:
    """Wide tables are turned: what has many columns is easier read as lines."""
    if len(columns) > 6:
        heads, cells = [name for name, _ in rows], [[_cell(row) for row in members] for _, members in rows]
        rows_of = [(column, [cell[i] for cell in cells]) for i, column in enumerate(columns)]
    else:
        heads, rows_of = columns, [(name, [_cell(row) for row in members]) for name, members in rows]
    yield f"| {corner} | {' | '.join(heads)} |"
    yield f"|---{'|---' * len(heads)}|"
    for name, cells in rows_of:
        yield f"| {name} | {' | '.join(cells)} |"
    yield ""


def _cell(row: Row) -> str:
    return f"{row.theirs:.3g} / {row.ours:.3g}{OFF if row.near is False else ''}"
