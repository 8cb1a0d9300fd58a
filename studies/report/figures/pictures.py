"""What a study's page shows of the work itself: losses, predictions, houses, frames.

Losses come from rows. The rest comes from stage folders, and a section whose folders are gone is left out.
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from engine.store.show import contact_sheet
from engine.store.store import Store
from scenes.house.schema import House
from scenes.plan import draw_plan
from studies.report.analysis.rows import Point, Table
from studies.report.figures import figures
from studies.report.page import folded, heading, image, paragraph, table

_COLUMNS = 6  # predictions side by side
_PLANS = 4
_STORES = 8  # more are folded away
_ROLES = ("pretrain", "transfer", "eval")


def learning(data: Table) -> str:
    """Losses of pre-training and transfer, and how well tokenizers reconstruct."""
    parts = []
    for kind, title in (("pretrain", "Pre-training loss"), ("transfer", "Transfer loss")):
        if curves := loss_panels(data, kind):
            picture = figures.loss_curves(curves)
            parts += [heading(f"{title}, a line a run", 3), image(picture, alt=title)]
    rows = [
        [
            stage["label"],
            f"{stage['metrics']['reconstruction_error']:.3g} {stage['metrics'].get('error_unit', '')}",
            _number(stage["metrics"].get("usage")),
            _number(stage["metrics"].get("perplexity")),
        ]
        for _, stage in stages(data, "tokenizer")
        if "reconstruction_error" in stage["metrics"]
    ]
    if rows:
        parts.append(heading("Tokenizers, trained on pre-training frames alone", 3))
        parts.append(table(["", "reconstruction error", "share of codes used", "perplexity"], rows))
    if not parts:
        return ""
    note = "Lines are darker at the first level of the axis and lighter at the last." if data.report.x else ""
    return heading("Learning") + (paragraph(note, "note") if note else "") + "".join(parts)


def loss_panels(data: Table, kind: str) -> dict[str, list[tuple[float, figures.Curve]]]:
    """Shade and loss curve of each stage of a kind, by panel: an arm each, and of transfer a protocol each,
    for the losses of a frozen encoder's head and of a tuned model are different quantities."""
    found: dict[str, dict[str, tuple[float, figures.Curve]]] = {}
    for point in data.points:
        for row in data.of(point):
            for key, stage in row["stages"].items():
                curve = stage["metrics"].get("curve", [])
                if stage["kind"] == kind and len(curve) > 0:
                    protocol = re.match(r"transfer \((\w+)\)", stage["label"])
                    panel = f"{point.arm}, {protocol[1]}" if protocol else point.arm
                    found.setdefault(panel, {})[key] = (_shade(data, point), curve)
    by_protocol = sorted(found, key=lambda panel: panel.rpartition(", ")[2] if kind == "transfer" else "")
    return {panel: list(found[panel].values()) for panel in by_protocol}


def predictions(out: Path, data: Table) -> str:
    """Columns of some points, at the first repeat that has them, beside the truth of the first judged set."""
    place = data.report.metrics[0].rpartition("/")[0]
    for repeat in data.repeats():
        rows = {p: row for p in data.points if (row := data.row(p, repeat)) is not None}
        found: dict[str, dict[str, np.ndarray]] = {}
        classes: list[str] = []
        judged = next((n for row in rows.values() for n in row["evaluations"] if n == place), None)
        judged = judged or next((n for row in rows.values() for n in row["evaluations"]), None)
        with_pictures = {
            p: path
            for p, row in rows.items()
            if (folder := row["evaluations"].get(judged)) is not None
            and (path := out / folder / "predictions.npz").exists()
        }
        for point in _some(data, list(with_pictures)):
            found[point.label] = figures.read_npz(with_pictures[point])
            classes = rows[point]["metrics"].get(f"{judged}/classes", classes)
        if not found:
            continue
        first = next(iter(found.values()))
        # Other houses, other frames: only what was judged on the same ones can stand in one row.
        same = {n: f["prediction"] for n, f in found.items() if np.array_equal(f["rgb"], first["rgb"])}
        picture = figures.predictions(first["rgb"], first["truth"], same)
        return (
            heading("Predictions beside truth")
            + f'<p class="note">Judged set {html.escape(str(judged))}, repeat {repeat}. {_key(classes)}</p>'
            + image(picture, alt="predictions beside truth")
        )
    return ""


def test_space(out: Path, data: Table) -> str:
    """Plans of the houses that models are judged in, some."""
    judged = {name.partition("/")[0] for row in data.rows for name in row["evaluations"]}
    plans = []
    for folder, stage in stages(data, "houses"):
        if judged & set(stage["label"].partition(":")[0].split()):
            plans += sorted((out / folder / "houses").glob("*.json"))
    if not plans:
        return ""
    drawn = [image(figures.png(draw_plan(House.load(file), 700)), 480, file.stem) for file in plans[:_PLANS]]
    more = f", the first {_PLANS} of {len(plans)}" if len(plans) > _PLANS else ""
    return heading(f"The houses it is judged in{more}") + "".join(drawn)


def frames(out: Path, data: Table) -> str:
    """A contact sheet of each role, from the first store that has it, and what all stores hold."""
    parts, rows = [], []
    shown: set[str] = set()
    for folder, stage in stages(data, "store"):
        count, size = stage["metrics"].get("frames"), stage["metrics"].get("bytes")
        rows.append(
            [
                stage["label"],
                "" if count is None else f"{count:,}",
                "" if size is None else f"{size / 1e6:,.1f}",
            ]
        )
        if len(shown) == len(_ROLES) or not (out / folder / "store").is_dir():
            continue
        store = Store.open(out / folder / "store")
        for role in _ROLES:
            if role not in shown and any(run.role == role for run in store.runs):
                shown.add(role)
                sheet = figures.jpeg(contact_sheet(store, 8, role=role))
                parts += [heading(f"{role}: {stage['label']}", 3), image(sheet, alt=f"frames for {role}")]
    if not rows:
        return ""
    note = "Frames for pre-training carry no labels." if parts else ""
    return (
        heading("What the body sensed")
        + (paragraph(note, "note") if note else "")
        + (table(["store", "frames", "MB"], rows) if len(rows) <= _STORES else _stores(rows))
        + "".join(parts)
    )


def _stores(rows: list[list[str]]) -> str:
    return folded(f"all {len(rows)} stores", table(["store", "frames", "MB"], rows))


def stages(data: Table, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(folder, stage) of every distinct stage of a kind that the rows rest on."""
    seen = {key: s for row in data.rows for key, s in row["stages"].items() if s["kind"] == kind}
    for stage in seen.values():
        yield stage["folder"], stage


def _some(data: Table, points: list[Point]) -> list[Point]:
    """Arms without x, and the first and last level of the others; no more than fit side by side."""
    ends = []
    for line in data.series.values():
        here = [p for p in line if p in points]
        ends += here if len(here) < 3 else [here[0], here[-1]]
    return ends[:_COLUMNS]


def _shade(data: Table, point: Point) -> float:
    level = point.level(data.report.x)
    if level is None or data.report.x is None:
        return 0.4
    levels = data.axes[data.report.x]
    return levels.index(level) / max(1, len(levels) - 1)


def _key(classes: list[str]) -> str:
    colors = figures.class_colors(np.arange(1, len(classes) + 1))
    return "".join(
        f'<span class="key" style="background:rgb{tuple(int(v) for v in color)}"></span>{html.escape(name)}'
        for color, name in zip(colors, classes, strict=True)
    )


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"
