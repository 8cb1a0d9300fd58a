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
    there = evaluations_with(out, data, "predictions.npz")
    if there is None:
        return ""
    repeat, name, folders = there
    chosen = some_points(data, list(folders))
    found = {p.label: figures.read_npz(folders[p] / "predictions.npz") for p in chosen}
    first = next(iter(found.values()))
    # Points that were evaluated on other frames are left out.
    same = {n: f["prediction"] for n, f in found.items() if np.array_equal(f["rgb"], first["rgb"])}
    picture = figures.predictions(first["rgb"], first["truth"], same)
    return (
        heading("Predictions beside truth")
        + f'<p class="note">Evaluated in {html.escape(name)}, repeat {repeat}. '
        + f"{class_key(classes_of(data, chosen, repeat, name))}</p>"
        + image(picture, alt="predictions beside truth")
    )


def evaluations_with(out: Path, data: Table, file: str) -> tuple[int, str, dict[Point, Path]] | None:
    """Of the first repeat and evaluation that left such a file anywhere, that of the report's first metric
    before others: repeat, name, and the folder of each point that did."""
    place = data.report.metrics[0].rpartition("/")[0]
    for repeat in data.repeats():
        rows = {p: row["evaluations"] for p in data.points if (row := data.row(p, repeat)) is not None}
        names = dict.fromkeys(name for of in rows.values() for name in of)
        for name in sorted(names, key=lambda name: name != place):
            folders = {p: out / of[name] for p, of in rows.items() if name in of}
            found = {p: folder for p, folder in folders.items() if (folder / file).exists()}
            if found:
                return repeat, name, found
    return None


def classes_of(data: Table, points: list[Point], repeat: int, name: str) -> list[str]:
    """The classes that an evaluation tells apart, by the row of one of these points."""
    rows = (data.row(point, repeat) for point in points)
    return next((c for row in rows if row and (c := row["metrics"].get(f"{name}/classes"))), [])


def some_points(data: Table, points: list[Point]) -> list[Point]:
    """Arms without x, and the first and last level of the others, at most `_COLUMNS`."""
    ends = []
    for line in data.series.values():
        here = [p for p in line if p in points]
        ends += here if len(here) < 3 else [here[0], here[-1]]
    return ends[:_COLUMNS]


def class_key(classes: list[str]) -> str:
    """HTML: the colour of each class."""
    colors = figures.class_colors(np.arange(1, len(classes) + 1))
    return " ".join(
        f'<span class="together"><span class="key" style="background:rgb{tuple(int(v) for v in color)}">'
        f"</span>{html.escape(name)}</span>"
        for color, name in zip(colors, classes, strict=True)
    )
