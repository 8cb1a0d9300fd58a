"""A model that was tuned to segmentation, as a network that turns RGB into a map of classes.

tst derive STORE --network segmenter --weights FOLDER         # of a finished `tst transfer`
"""

from typing import ClassVar

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from engine.networks.network import Output
from training.transfer.build import LoadedModel
from training.transfer.labellers.labeller import LabellerConfig
from training.transfer.task import LabelTable, TaskConfig
from training.transfer.tasks.segmentation.labels import class_table

_MOST_CLASSES = 255  # of uint8, with 0 for none


class SegmenterConfig(LabellerConfig):
    """A segmenter that was tuned on labels of transfer houses. Where a pixel's likeliest class has a
    probability below `confidence`, there is none."""

    name: ClassVar[str] = "segmenter"
    task: ClassVar[str] = "segmentation"

    def classes_of(self, label_table: LabelTable, own: TaskConfig) -> tuple[str, ...]:
        return tuple(class_table(label_table)[0])

    def output(self, size: int, classes: tuple[str, ...], own: TaskConfig) -> Output:
        if len(classes) > _MOST_CLASSES:
            raise ValueError(f"{len(classes)} classes: a map of them has room for {_MOST_CLASSES}")
        return Output("labels", (size, size), "uint8", classes)

    def module(self, loaded: LoadedModel) -> nn.Module:
        return _ClassMap(loaded.model, self.confidence)


class _ClassMap(nn.Module):
    """Frames as stored to classes from 1, 0 where the class is less sure than `confidence`."""

    def __init__(self, model: nn.Module, confidence: float):
        super().__init__()
        self.model, self.confidence = model, confidence

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> UInt8[Tensor, "b h w"]:
        sure, guess = self.model({"rgb": rgb}).float().softmax(1).max(1)
        return torch.where(sure >= self.confidence, guess + 1, 0).byte()
