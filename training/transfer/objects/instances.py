"""Objects in a frame: boxes and masks of instances, out of the maps `instance` and `semantic` of a store.

Boxes are [x0, y0, x1, y1] in pixels from the upper left corner, along the edges of pixels: an object of one
pixel has a box of 1 by 1. What is seen of an object counts: its area is that of its visible pixels, its box
is around these, and `cut` says that it reaches the border of the frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8, UInt16
from scipy import ndimage

from training.transfer.task import LabelTable

STUFF = ("void", "wall", "floor", "ceiling")
"""Groups of a label table that are no objects."""


@dataclass(frozen=True)
class Instances:
    """The objects of one frame."""

    boxes: Float32[np.ndarray, "n 4"]
    classes: Int64[np.ndarray, " n"]
    """Index into the classes that were asked for."""
    ids: Int64[np.ndarray, " n"]
    """The value of each in the map `instance`."""
    areas: Int64[np.ndarray, " n"]
    """Visible pixels."""
    cut: Bool[np.ndarray, " n"]
    """Whether it reaches the border of the frame."""

    def __len__(self) -> int:
        return len(self.ids)

    def masks(self, instance: UInt16[np.ndarray, "h w"]) -> Bool[np.ndarray, "n h w"]:
        """The visible pixels of each, from the map that these objects were found in."""
        return instance[None] == self.ids[:, None, None]


def object_classes(
    label_table: LabelTable, stuff: Sequence[str] = STUFF, *, fine: bool = False
) -> tuple[list[str], Int64[np.ndarray, "256"]]:
    """Names of the classes of objects, in order of appearance, and the map from label id to class, -1 for
    what is no object. Classes are groups of the label table, or with `fine` its names."""
    key = "name" if fine else "group"
    rows = [row for row in label_table if row["group"] not in stuff]
    names = list(dict.fromkeys(row[key] for row in rows))
    table = np.full(256, -1)
    for row in rows:
        table[row["id"]] = names.index(row[key])
    return names, table


def instances_of(
    semantic: UInt8[np.ndarray, "h w"],
    instance: UInt16[np.ndarray, "h w"],
    table: Int64[np.ndarray, "256"],
    least_area: int = 1,
) -> Instances:
    """The objects of a frame with at least so many visible pixels, in order of their ids. The class of an
    object is that of most of its pixels; `table`: see `object_classes`."""
    present = np.bincount(instance.ravel(), minlength=1) > 0
    values, compact = np.flatnonzero(present), (np.cumsum(present) - 1)[instance]
    of_pixel = table[semantic]
    kinds = int(table.max()) + 2  # the first is for what is no object
    pairs = compact.ravel() * kinds + of_pixel.ravel() + 1
    counts = np.bincount(pairs, minlength=len(values) * kinds).reshape(len(values), kinds)
    classes, areas = counts.argmax(1) - 1, counts.sum(1)
    kept = np.flatnonzero((values > 0) & (classes >= 0) & (areas >= least_area))
    found = ndimage.find_objects(compact + 1)
    edges = [(s[1].start, s[0].start, s[1].stop, s[0].stop) for s in (found[i] for i in kept)]
    boxes = np.array(edges, dtype=np.float32).reshape(-1, 4)
    height, width = instance.shape
    cut = (boxes[:, :2] == 0).any(1) | (boxes[:, 2] == width) | (boxes[:, 3] == height)
    return Instances(boxes, classes[kept], values[kept], areas[kept], cut)
