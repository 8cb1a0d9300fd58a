"""Figures of a report beside its main figure, as PNG bytes: loss curves and predictions."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("agg")  # no display is needed, ever

import numpy as np
from jaxtyping import Integer, Shaped, UInt8
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from engine.store.pictures import palette

# Okabe and Ito's, without their yellow and black: told apart by colour-blind eyes and on paper.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#7F3C8D", "#6B6B6B")


def png(image: Image.Image) -> bytes:
    """An image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def jpeg(image: Image.Image) -> bytes:
    """An image as JPEG: for photographs, a third of the bytes of PNG."""
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, format="JPEG", quality=85)
    return buffer.getvalue()


Curve = Sequence[tuple[int, float]]


def loss_curves(curves: Mapping[str, Sequence[tuple[float, Curve]]]) -> bytes:
    """One panel each, since losses of different objectives are different quantities; a line a stage.

    `curves` maps a panel's title to (shade in 0..1, list of (step, loss)) of each of its stages.
    """
    across = min(3, len(curves))
    down = -(-len(curves) // across)
    figure, axes = plt.subplots(down, across, figsize=(3.9 * across, 2.7 * down), squeeze=False)
    shades = matplotlib.colormaps["viridis"]
    for axis, (title, stages) in zip(axes.flat, curves.items(), strict=False):
        for shade, points in stages:
            steps, losses = np.asarray(points, dtype=float).T
            axis.plot(steps, losses, lw=1.0, color=shades(0.85 * shade))
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step")
        axis.set_ylabel("loss")
        axis.grid(alpha=0.3)
    for axis in axes.flat[len(curves) :]:
        axis.axis("off")
    figure.tight_layout()
    return figure_png(figure)


def class_colors(ids: Integer[np.ndarray, "*i"]) -> UInt8[np.ndarray, "*i 3"]:
    """sRGB colours of class indices; 0 is black."""
    return palette()[ids]


def predictions(
    rgb: UInt8[np.ndarray, "n h w 3"],
    truth: Integer[np.ndarray, "n h w"],
    named: Mapping[str, Integer[np.ndarray, "n h w"]],
    scale: int = 2,
) -> bytes:
    """PNG with columns image, each named prediction, truth; a row a frame.

    `rgb` is sRGB; `truth` and each prediction are class indices, 0 = void.
    """
    columns = {"image": rgb} | {m: class_colors(p) for m, p in named.items()}
    columns["truth"] = class_colors(truth)
    figure, axes = plt.subplots(
        len(rgb), len(columns), figsize=(scale * 0.85 * len(columns), scale * 0.85 * len(rgb)), squeeze=False
    )
    for c, (title, images) in enumerate(columns.items()):
        axes[0, c].set_title(title.replace(", ", "\n"), fontsize=8)
        for r in range(len(rgb)):
            axes[r, c].imshow(images[r], interpolation="nearest")
            axes[r, c].axis("off")
    figure.subplots_adjust(wspace=0.03, hspace=0.03)
    return figure_png(figure)


def figure_png(figure: Figure) -> bytes:
    """A figure as PNG; it is closed."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def read_npz(path: Path) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All arrays of an npz file, by name."""
    with np.load(path) as data:
        return dict(data)
