"""The figures of a report, each as PNG bytes, each from rows and the stage folders that rows name."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")  # no display is needed, ever

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from engine.show import palette


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def loss_curves(curves: dict[str, list[list[tuple[int, float]]]]) -> bytes:
    """One panel a method, since their losses are different quantities; one line a seed.

    `curves` maps a method to its seeds' lists of (step, loss).
    """
    figure, axes = plt.subplots(1, len(curves), figsize=(4.2 * len(curves), 2.8), squeeze=False)
    for axis, (method, seeds) in zip(axes[0], curves.items(), strict=True):
        for points in seeds:
            steps, losses = np.asarray(points).T
            axis.plot(steps, losses, lw=1.1)
        axis.set_title(method, fontsize=10)
        axis.set_xlabel("step")
        axis.set_ylabel("loss")
        axis.grid(alpha=0.3)
    return _figure_png(figure)


def method_bars(values: Mapping[str, Sequence[float]], label: str) -> bytes:
    """Mean of each method with a dot a seed and one standard deviation as the bar's whisker."""
    figure, axis = plt.subplots(figsize=(1.6 + 1.3 * len(values), 3.0))
    for i, (_method, seeds) in enumerate(values.items()):
        array = np.asarray(seeds, dtype=float)
        spread = array.std(ddof=1) if len(array) > 1 else 0.0
        axis.bar(i, array.mean(), yerr=spread, capsize=5, color=f"C{i}", alpha=0.55, width=0.6)
        axis.plot(np.full(len(array), i) + np.linspace(-0.12, 0.12, len(array)), array, "k.", ms=5)
    axis.set_xticks(range(len(values)), list(values))
    axis.set_ylabel(label)
    axis.grid(axis="y", alpha=0.3)
    return _figure_png(figure)


def class_colors(ids: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] colours of class indices; 0 is black."""
    return palette()[ids]


def predictions(rgb: np.ndarray, truth: np.ndarray, methods: dict[str, np.ndarray], scale: int = 2) -> bytes:
    """Columns: image, each method's prediction, truth; a row a frame.

    `rgb` uint8 [n, h, w, 3]; `truth` and each prediction are class indices [n, h, w], 0 = void.
    """
    columns = {"image": rgb} | {m: class_colors(p) for m, p in methods.items()}
    columns["truth"] = class_colors(truth)
    figure, axes = plt.subplots(
        len(rgb), len(columns), figsize=(scale * 0.85 * len(columns), scale * 0.85 * len(rgb)), squeeze=False
    )
    for c, (title, images) in enumerate(columns.items()):
        axes[0, c].set_title(title, fontsize=10)
        for r in range(len(rgb)):
            axes[r, c].imshow(images[r], interpolation="nearest")
            axes[r, c].axis("off")
    figure.subplots_adjust(wspace=0.03, hspace=0.03)
    return _figure_png(figure)


def _figure_png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def read_npz(path: Path) -> dict[str, np.ndarray]:
    with np.load(path) as data:
        return dict(data)
