"""Labels of detection: which pixel is of which object, and of which class that is.

They are maps, so that windows and mirrors of the image apply to them; boxes and classes are read off what is
left (training/transfer/objects/instances.py), as they are in evaluation, where nothing is cut."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor

from training.transfer.objects.instances import Instances, instances_of, object_classes
from training.transfer.task import Arrays, LabelReader, LabelTable

CLASSES = "classes"
"""Label array: class of every pixel, uint8 [b, h, w], NONE where it is of no object."""
INSTANCES = "instances"
"""Label array: object of every pixel, uint16 [b, h, w], 0 for none."""
NONE = 255
_ROUND = 8  # targets are padded to a multiple, so that few shapes occur


class ObjectReader(LabelReader):
    """`semantic` and `instance` of a store to CLASSES and INSTANCES. Classes are the groups of the label
    table, without walls, floors and ceilings."""

    reads = ("semantic", "instance")

    def __init__(self, label_table: LabelTable):
        table = object_classes(label_table)[1]
        self.table = np.where(table < 0, NONE, table).astype(np.uint8)

    def __call__(self, arrays: Arrays) -> Arrays:
        return {CLASSES: self.table[arrays["semantic"]], INSTANCES: arrays["instance"]}


def objects_of(labels: Arrays, classes: int, least_area: int) -> Iterator[Instances]:
    """The objects of each frame that show at least so many pixels."""
    own = np.where(np.arange(256) < classes, np.arange(256), -1)
    for kinds, instances in zip(labels[CLASSES], labels[INSTANCES], strict=True):
        yield instances_of(kinds, instances, own, least_area)


class TrueObjects(NamedTuple):
    """The objects of the frames of a batch, padded to equally many."""

    boxes: Float[Tensor, "b m 4"]
    """[pixels]."""
    classes: Int64[Tensor, "b m"]
    present: Bool[Tensor, "b m"]
    """False for padding."""
    pixels: Int[Tensor, "b h w"]
    """Number of the object that a pixel is of, from 1; 0 for none."""


def padded(labels: Arrays, classes: int, least_area: int) -> dict[str, Any]:
    """The fields of `TrueObjects`, on the CPU."""
    found = list(objects_of(labels, classes, least_area))
    most = max([1, *map(len, found)])
    shape = (len(found), -(-most // _ROUND) * _ROUND)
    boxes = np.tile(np.array([0, 0, 1, 1], dtype=np.float32), (*shape, 1))
    kinds, present = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
    pixels = np.zeros(labels[INSTANCES].shape, dtype=np.int16)
    for i, objects in enumerate(found):
        n = len(objects)
        boxes[i, :n], kinds[i, :n], present[i, :n] = objects.boxes, objects.classes, True
        numbers = np.zeros(1 << 16, dtype=np.int16)
        numbers[objects.ids] = np.arange(1, n + 1)
        pixels[i] = numbers[labels[INSTANCES][i]]
    fields = (boxes, kinds, present, pixels)
    return {name: torch.from_numpy(values) for name, values in zip(TrueObjects._fields, fields, strict=True)}
