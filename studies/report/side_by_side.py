"""Two run folders point by point: differences in configuration and in metrics.

Points that both have (same arm, same levels) are compared, b minus a, over the repeats with equal seeds.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from studies.report.analysis.claims import SEED, Claim, at_point, better, columns
from studies.report.analysis.rows import Point, Row, Table
from studies.report.analysis.statistics import Summary, difference, holm
from studies.report.differing import differing
from studies.run.rows import read_rows


@dataclass(frozen=True)
class Side:
    """One point and metric in both runs."""

    point: Point
    metric: str
    a: Summary
    b: Summary
    claim: Claim | None
    """b against a; None where no repeat had the same seeds in both."""


@dataclass(frozen=True)
class Comparison:
    """The comparison of two runs of a study."""

    names: tuple[str, str]
    tables: tuple[Table, Table]
    settings: dict[str, list[tuple[str, str, list[str]]]]
    """Field of the configuration -> (a's value, b's value, runs where it is so)."""
    runs: int
    """Runs (points and repeats) that both have."""
    seconds: tuple[float, float]
    """Time of these runs in a and in b [s], shared stages counted in each run."""
    sides: list[Side]

    @property
    def only(self) -> tuple[list[Point], list[Point]]:
        """Points that one of the two has, and the other has not."""
        a, b = (t.points for t in self.tables)
        return [p for p in a if p not in b], [p for p in b if p not in a]


def compare(a: Path, b: Path) -> Comparison:
    """Rows under `a` and `b`, point by point.

    Raises ValueError when one has no rows, or the two have no point in common.
    """
    tables = (_table(a), _table(b))
    common = [p for p in tables[0].points if p in tables[1].points]
    if not common:
        raise ValueError(
            f"{a} and {b} have no point in common, so there is nothing to compare: {a} has "
            f"{'; '.join(p.label for p in tables[0].points)}, {b} has "
            f"{'; '.join(p.label for p in tables[1].points)}"
        )
    settings: dict[str, dict[tuple[str, str], list[str]]] = {}
    pairs: list[tuple[Row, Row]] = []
    for point in common:
        for repeat in tables[0].repeats():
            ours, theirs = (t.row(point, repeat) for t in tables)
            if ours is None or theirs is None:
                continue
            pairs.append((ours, theirs))
            for name, values in differing(ours["config"], theirs["config"]).items():
                pair = (_value(values[0]), _value(values[1]))
                settings.setdefault(name, {}).setdefault(pair, []).append(f"{point.label}, repeat {repeat}")
    return Comparison(
        names=_names(a, b),
        tables=tables,
        settings={
            name: [(x, y, where) for (x, y), where in of.items()] for name, of in sorted(settings.items())
        },
        runs=len(pairs),
        seconds=(
            sum(row["cost"]["seconds_total"] for row, _ in pairs),
            sum(row["cost"]["seconds_total"] for _, row in pairs),
        ),
        sides=_sides(tables, common),
    )


def _table(folder: Path) -> Table:
    rows = read_rows(folder)
    if not rows:
        raise ValueError(f"{folder}: no rows yet; run the study again (tst study run): it goes on")
    return Table(rows)


def _sides(tables: tuple[Table, Table], common: list[Point]) -> list[Side]:
    metrics = list(dict.fromkeys([*columns(tables[0]), *columns(tables[1])]))
    found: list[tuple[Point, str, Summary, Summary, Summary | None]] = []
    for metric in metrics:
        for point in common:
            a, b = (at_point(t, point, metric) for t in tables)
            if a is None or b is None:
                continue
            same = [r for r in tables[0].repeats() if _same_seeds(tables, point, r)]
            values = [{r: v for r, v in t.values(point, metric).items() if r in same} for t in tables]
            houses = [t.houses(point, metric) for t in tables]
            summary = difference(values[1], values[0], houses[1], houses[0], np.random.default_rng(SEED))
            found.append((point, metric, a, b, summary))
    stand = iter(holm([s.p_value for *_, s in found if s is not None]))
    return [
        Side(
            point,
            metric,
            a,
            b,
            None
            if summary is None
            else Claim(
                f"b at {point.label}",
                "a",
                metric,
                summary,
                better(_lower(tables), metric, summary),
                next(stand),
            ),
        )
        for point, metric, a, b, summary in found
    ]


def _same_seeds(tables: tuple[Table, Table], point: Point, repeat: int) -> bool:
    ours, theirs = (t.row(point, repeat) for t in tables)
    return ours is not None and theirs is not None and ours["seeds"] == theirs["seeds"]


def _lower(tables: tuple[Table, Table]) -> tuple[str, ...]:
    return (*tables[0].report.lower, *tables[1].report.lower)


def _names(a: Path, b: Path) -> tuple[str, str]:
    """Names of the folders, with as much of the path as tells them apart."""
    ours, theirs = a.absolute().parts, b.absolute().parts
    for n in range(1, max(len(ours), len(theirs)) + 1):
        if ours[-n:] != theirs[-n:]:
            return "/".join(ours[-n:]), "/".join(theirs[-n:])
    return str(a), str(b)


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
