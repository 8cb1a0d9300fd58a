"""Labels of semantic segmentation: the class of every pixel, and how rare each class is.

Classes are the groups of a store's label table; pixels of the group "void" count nowhere."""

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from training.transfer.task import Arrays, LabelledData, LabelReader, LabelTable
from training.transfer.tasks.segmentation.metrics import VOID

CLASS_MAP = "labels"
"""The label array: the class of every pixel, uint8 [b, h, w], VOID where there is none."""


def class_table(label_table: LabelTable) -> tuple[list[str], UInt8[np.ndarray, "256"]]:
    """Names of the classes (groups of the label table in order of appearance) and the map from label id to
    class.

    Void, and ids that are in no table, map to VOID."""
    names = [g for g in dict.fromkeys(row["group"] for row in label_table) if g != "void"]
    table = np.full(256, VOID, dtype=np.uint8)
    for row in label_table:
        if row["group"] != "void":
            table[row["id"]] = names.index(row["group"])
    return names, table


class ClassMapReader(LabelReader):
    """`semantic` of a store to CLASS_MAP."""

    reads = ("semantic",)

    def __init__(self, label_table: LabelTable):
        self.table = class_table(label_table)[1]

    def __call__(self, arrays: Arrays) -> Arrays:
        return {CLASS_MAP: self.table[arrays["semantic"]]}


def class_weights(data: LabelledData, classes: int, balance: float) -> Float[Tensor, " k"]:
    """Weight of each class: frequency^-balance, scaled so that the mean pixel weighs 1.

    A class that no frame shows weighs as much as one with a single pixel; it has none to weigh."""
    counts = np.zeros(256, dtype=np.int64)
    for labels in data.labels(512):
        counts += np.bincount(labels[CLASS_MAP].ravel(), minlength=256)
    share = np.maximum(counts[:classes], 1) / max(1, counts[:classes].sum())
    weight = share**-balance
    return torch.from_numpy(weight / (share * weight).sum()).float()
