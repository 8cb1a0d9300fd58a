"""Sections of a study's page that its stages fill: losses, tables, houses, frames.

The class of a stage says what it shows (`Stage.drawings`). Curves and tables come from rows; pictures come
from stage folders, and those whose folders are gone are left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from studies.report.analysis.rows import Point, Table
from studies.report.figures import figures
from studies.report.page import folded, heading, image, paragraph, table
from studies.run.drawing import Curve, Drawing, Picture, StageRecord, TableLine
from studies.run.stages.registry import KINDS

_PICTURES = 4  # of a section; more are not drawn
_LINES = 8  # of a table; a longer table is folded
Drawings = Mapping[str, list[Drawing]]
Lines = dict[str, tuple[float, figures.Curve]]


def stage_drawings(out: Path, data: Table) -> Drawings:
    """Drawings of all distinct stages of the rows, by key; kinds in the order of the registry. `out`: folder
    of the run."""
    stages = {key: stage for row in data.rows for key, stage in row["stages"].items()}
    sets = frozenset(name.partition("/")[0] for row in data.rows for name in row["evaluations"])
    return {
        key: list(kind.drawings(StageRecord(stage["label"], stage["metrics"], out / stage["folder"], sets)))
        for name, kind in KINDS.items()
        for key, stage in stages.items()
        if stage["kind"] == name
    }


def stage_sections(data: Table, drawings: Drawings, *, with_curves: bool) -> Iterator[str]:
    """HTML of the sections with loss curves, or of those without."""
    every = [drawing for of in drawings.values() for drawing in of]
    panels = loss_panels(data, drawings)
    for name in dict.fromkeys(drawing.section for drawing in every):
        own = [drawing for drawing in every if drawing.section == name]
        losses = {title: of for (section, title), of in panels.items() if section == name}
        if bool(losses) == with_curves:
            yield _section(name, own, losses, varied=data.report.x is not None)


def loss_panels(data: Table, drawings: Drawings) -> dict[tuple[str, str], dict[str, Lines]]:
    """Loss curves by (section, title), then by panel (arm, and the curve's own panel if any), then by stage:
    shade in 0..1 and points."""
    found: dict[tuple[str, str], dict[tuple[str, str], Lines]] = {}
    for point in data.points:
        for row in data.of(point):
            for key in row["stages"]:
                for curve in drawings.get(key, ()):
                    if isinstance(curve, Curve):
                        panels = found.setdefault((curve.section, curve.title), {})
                        lines = panels.setdefault((curve.panel, point.arm), {})
                        lines[key] = (_shade(data, point), curve.points)
    return {
        title: {
            f"{arm}, {panel}" if panel else arm: panels[panel, arm]
            for panel, arm in sorted(panels, key=lambda place: place[0])
        }
        for title, panels in found.items()
    }


def _section(name: str, own: Iterable[Drawing], losses: dict[str, dict[str, Lines]], *, varied: bool) -> str:
    """HTML of one section; `varied`: the shade of a curve is its level of the axis."""
    parts = []
    if losses and varied:
        parts.append(
            paragraph("Lines are darker at the first level of the axis and lighter at the last.", "note")
        )
    for title, panels in losses.items():
        picture = figures.loss_curves({panel: list(lines.values()) for panel, lines in panels.items()})
        parts += [heading(f"{title}, a line a run", 3), image(picture, alt=title)]
    tables: dict[tuple[str, tuple[str, ...]], list[tuple[str, ...]]] = {}
    pictures: dict[str, Picture] = {}
    for drawing in own:
        if isinstance(drawing, TableLine):
            tables.setdefault((drawing.title, drawing.columns), []).append(drawing.cells)
        elif isinstance(drawing, Picture):
            pictures.setdefault(drawing.example, drawing)
    for (title, columns), lines in tables.items():
        parts.append(heading(title, 3) if title else "")
        drawn = table(columns, lines)
        parts.append(drawn if len(lines) <= _LINES else folded(f"all {len(lines)} {columns[0]}s", drawn))
    parts += [_picture(picture) for picture in list(pictures.values())[:_PICTURES]]
    more = f", the first {_PICTURES} of {len(pictures)}" if len(pictures) > _PICTURES else ""
    return "".join((heading(f"{name}{more}"), *parts))


def _picture(picture: Picture) -> str:
    drawn = picture.draw()
    data = figures.jpeg(drawn) if picture.width is None else figures.png(drawn)
    title = heading(picture.title, 3) if picture.title else ""
    return title + image(data, picture.width, picture.title or picture.example)


def _shade(data: Table, point: Point) -> float:
    level = point.level(data.report.x)
    if level is None or data.report.x is None:
        return 0.4
    levels = data.axes[data.report.x]
    return levels.index(level) / max(1, len(levels) - 1)
