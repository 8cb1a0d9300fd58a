"""Boxes that a study's models found beside the true ones, from the folders of evaluations that are still
there."""

import html
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from studies.report.analysis.rows import Table
from studies.report.figures import figures
from studies.report.figures.pictures import class_key, classes_of, evaluations_with, some_points
from studies.report.page import heading, image
from training.transfer.tasks.detection.evaluator import DETECTIONS, LEAST_SHOWN

_SIDE = 1.9  # of a frame on the page [inches]
Arrays = Mapping[str, Shaped[np.ndarray, "..."]]


def detections(out: Path, data: Table) -> str:
    """HTML: objects that some points found, beside the true ones, of the first repeat and evaluated set with
    any."""
    there = evaluations_with(out, data, DETECTIONS)
    if there is None:
        return ""
    repeat, name, folders = there
    chosen = some_points(data, list(folders))
    found = {p.label: figures.read_npz(folders[p] / DETECTIONS) for p in chosen}
    first = next(iter(found.values()))
    # Points that were evaluated on other frames are left out.
    same = {n: f for n, f in found.items() if np.array_equal(f["rgb"], first["rgb"])}
    note = (
        f"Evaluated in {html.escape(name)}, repeat {repeat}. Found: what has a score of {LEAST_SHOWN} or "
        "more, the surer the more opaque. "
    )
    return (
        heading("Objects found beside the true ones")
        + f'<p class="note">{note}{class_key(classes_of(data, chosen, repeat, name))}</p>'
        + image(_drawn(same), alt="objects found beside the true ones")
    )


def _drawn(found: Mapping[str, Arrays]) -> bytes:
    """PNG with columns image, what each point found, truth; a row a frame."""
    first = next(iter(found.values()))
    rgb = first["rgb"]
    across = 2 + len(found)
    figure, axes = plt.subplots(len(rgb), across, figsize=(_SIDE * across, _SIDE * len(rgb)), squeeze=False)
    for c, title in enumerate(["image", *found, "truth"]):
        axes[0, c].set_title(title.replace(", ", "\n"), fontsize=8)
    for r, frame in enumerate(rgb):
        for axis in axes[r]:
            axis.imshow(frame, interpolation="nearest")
            axis.axis("off")
        for axis, arrays in zip(axes[r, 1:-1], found.values(), strict=True):
            own = arrays["found_frame"] == r
            _draw(axis, arrays, "found", own, 0.25 + 0.75 * arrays["found_score"][own])
        own = first["true_frame"] == r
        _draw(axes[r, -1], first, "true", own, np.ones(own.sum()))
    figure.subplots_adjust(wspace=0.03, hspace=0.03)
    return figures.figure_png(figure)


def _draw(
    axis: Axes, arrays: Arrays, kind: str, own: Shaped[np.ndarray, " k"], opacity: Float[np.ndarray, " n"]
) -> None:
    """Boxes, and masks where there are any, over the picture of a frame."""
    colors = figures.class_colors(arrays[f"{kind}_class"][own] + 1) / 255
    if f"{kind}_mask" in arrays:
        for mask, color in zip(arrays[f"{kind}_mask"][own], colors, strict=True):
            layer = np.zeros((*mask.shape, 4))
            layer[mask] = (*color, 0.45)
            axis.imshow(layer, interpolation="nearest")
    for (x0, y0, x1, y1), color, alpha in zip(arrays[f"{kind}_box"][own], colors, opacity, strict=True):
        # Edges of pixels are half a pixel before their middles, which is where a picture has them.
        corner, size = (x0 - 0.5, y0 - 0.5), (x1 - x0, y1 - y0)
        axis.add_patch(Rectangle(corner, *size, fill=False, color=tuple(color), lw=1.4, alpha=float(alpha)))
