"""Predictions of a study's models beside the truth, from the folders of evaluations that are still there."""

import html
from pathlib import Path

import numpy as np

from studies.report.analysis.rows import Point, Table
from studies.report.figures import figures
from studies.report.page import heading, image

_COLUMNS = 6  # predictions side by side


def predictions(out: Path, data: Table) -> str:
    """HTML: predictions of some points beside the truth, of the first repeat and evaluated set with any."""
    place = data.report.metrics[0].rpartition("/")[0]
    for repeat in data.repeats():
        rows = {p: row for p in data.points if (row := data.row(p, repeat)) is not None}
        found: dict[str, dict[str, np.ndarray]] = {}
        classes: list[str] = []
        evaluated = next((n for row in rows.values() for n in row["evaluations"] if n == place), None)
        evaluated = evaluated or next((n for row in rows.values() for n in row["evaluations"]), None)
        with_pictures = {
            p: path
            for p, row in rows.items()
            if (folder := row["evaluations"].get(evaluated)) is not None
            and (path := out / folder / "predictions.npz").exists()
        }
        for point in some_points(data, list(with_pictures)):
            found[point.label] = figures.read_npz(with_pictures[point])
            classes = rows[point]["metrics"].get(f"{evaluated}/classes", classes)
        if not found:
            continue
        first = next(iter(found.values()))
        # Points that were evaluated on other frames are left out.
        same = {n: f["prediction"] for n, f in found.items() if np.array_equal(f["rgb"], first["rgb"])}
        picture = figures.predictions(first["rgb"], first["truth"], same)
        where = html.escape(str(evaluated))
        return (
            heading("Predictions beside truth")
            + f'<p class="note">Evaluated in {where}, repeat {repeat}. {_key(classes)}</p>'
            + image(picture, alt="predictions beside truth")
        )
    return ""


def some_points(data: Table, points: list[Point]) -> list[Point]:
    """Arms without x, and the first and last level of the others, at most `_COLUMNS`."""
    ends = []
    for line in data.series.values():
        here = [p for p in line if p in points]
        ends += here if len(here) < 3 else [here[0], here[-1]]
    return ends[:_COLUMNS]


def _key(classes: list[str]) -> str:
    colors = figures.class_colors(np.arange(1, len(classes) + 1))
    return "".join(
        f'<span class="key" style="background:rgb{tuple(int(v) for v in color)}"></span>{html.escape(name)}'
        for color, name in zip(colors, classes, strict=True)
    )
