"""Retrieved pairs of a study's models, from the folders of evaluations that are still there."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from matplotlib import pyplot as plt

from studies.report.analysis.rows import Table
from studies.report.figures import figures
from studies.report.figures.pictures import evaluations_with, some_points
from studies.report.page import heading, image, paragraph
from training.retrieval.retrieve import PICTURES

_SIDE = 1.15  # of a tile on the page [inches]
_RIGHT = "#D55E00"
_BOX = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.8}


def retrieved(out: Path, data: Table) -> str:
    """HTML: queries with the candidates that a model puts first and with the right one, of the first repeat
    and evaluated set with any, a picture for each point and direction."""
    found = evaluations_with(out, data, PICTURES)
    if found is None:
        return ""
    repeat, name, folders = found
    note = (
        f"Evaluated in {name}, repeat {repeat}, by tokens. A row a query: the query, the right candidate and "
        "its rank, then those that the model puts first; the right one is framed where it is among them."
    )
    parts = [heading("Retrieved pairs"), paragraph(note, "note")]
    for point in some_points(data, list(folders)):
        arrays = figures.read_npz(folders[point] / PICTURES)
        for direction in dict.fromkeys(name.partition("/")[0] for name in arrays):
            own = {k.rpartition("/")[2]: v for k, v in arrays.items() if k.startswith(f"{direction}/")}
            title = f"{point.label}, {direction.replace('_', ' ')}"
            parts += [heading(title, 3), image(_sheet(own), alt=title)]
    return "".join(parts)


def _sheet(arrays: Mapping[str, Shaped[np.ndarray, "n ..."]]) -> bytes:
    """PNG with columns query, right candidate, and those put first; a row a query."""
    found = arrays["found"]
    rows, first = found.shape[:2]
    figure, axes = plt.subplots(rows, 2 + first, figsize=(_SIDE * (2 + first), _SIDE * rows), squeeze=False)
    titles = ["query", "right, its rank", *(str(k + 1) for k in range(first))]
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8)
    for r in range(rows):
        for axis, tile in zip(axes[r], [arrays["query"][r], arrays["right"][r], *found[r]], strict=True):
            axis.imshow(tile)
            axis.set_xticks([])
            axis.set_yticks([])
            axis.spines[:].set_visible(False)
        rank = f"{arrays['rank'][r]:g}"
        axes[r, 1].text(0.05, 0.95, rank, transform=axes[r, 1].transAxes, va="top", bbox=_BOX, fontsize=8)
        for k in np.flatnonzero(arrays["found_right"][r]):
            axes[r, 2 + k].spines[:].set(visible=True, color=_RIGHT, linewidth=4)
    figure.subplots_adjust(wspace=0.08, hspace=0.08)
    return figures.figure_png(figure)
