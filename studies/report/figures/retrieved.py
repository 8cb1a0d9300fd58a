"""Retrieved pairs of a study's models, from the folders of evaluations that are still there."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from studies.report.analysis.rows import Table
from studies.report.figures import figures
from studies.report.figures.pictures import evaluations_with, some_points
from studies.report.page import heading, image, paragraph
from training.retrieval.retrieve import PICTURES

_GAP = 4  # pixels


def retrieved(out: Path, data: Table) -> str:
    """HTML: queries with the candidates that a model puts first and with the right one, of the first repeat
    and evaluated set with any, a picture for each point and direction."""
    found = evaluations_with(out, data, PICTURES)
    if found is None:
        return ""
    repeat, name, folders = found
    note = (
        f"Evaluated in {name}, repeat {repeat}. A row a query: the query, the right candidate, then those "
        "that the model puts first; the right one is framed where it is among them."
    )
    chosen = some_points(data, list(folders))
    sheets = [_of_model(p.label, figures.read_npz(folders[p] / PICTURES)) for p in chosen]
    return heading("Retrieved pairs") + paragraph(note, "note") + "".join(sheets)


def _of_model(label: str, arrays: dict[str, np.ndarray]) -> str:
    parts = []
    for direction in dict.fromkeys(name.partition("/")[0] for name in arrays):
        query, right, found, rank = (
            arrays[f"{direction}/{name}"] for name in ("query", "right", "found", "rank")
        )
        ranks = ", ".join(f"{value:g}" for value in rank)
        title = f"{label}, {direction.replace('_', ' ')}: ranks {ranks}"
        parts += [
            heading(title, 3),
            image(figures.png(Image.fromarray(_sheet(query, right, found))), alt=title),
        ]
    return "".join(parts)


def _sheet(
    query: UInt8[np.ndarray, "n h w 3"],
    right: UInt8[np.ndarray, "n h w 3"],
    found: UInt8[np.ndarray, "n k h w 3"],
) -> UInt8[np.ndarray, "height width 3"]:
    """A row a query."""
    columns = 2 + found.shape[1]
    tile_side = query.shape[1]
    side = tile_side + _GAP
    sheet = np.full((len(query) * side, columns * side, 3), 255, dtype=np.uint8)
    for r in range(len(query)):
        tiles = [query[r], right[r], *found[r]]
        for c, tile in enumerate(tiles):
            top, left = r * side, c * side
            if c > 1 and np.array_equal(tile, right[r]):
                sheet[top : top + side, left : left + side] = (0, 158, 115)
            low, start = top + _GAP // 2, left + _GAP // 2
            sheet[low : low + tile_side, start : start + tile_side] = tile
    return sheet
