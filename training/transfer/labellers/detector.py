"""A model that was tuned to detection, as a network that turns RGB into boxes of objects.

tst derive STORE --network detector --weights FOLDER         # of a finished `tst transfer`
"""

from typing import Any, ClassVar

import torch
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn

from engine.networks.network import BOX_COLUMNS, Output
from training.transfer.build import LoadedModel
from training.transfer.labellers.labeller import LabellerConfig
from training.transfer.objects.instances import object_classes
from training.transfer.task import LabelTable, TaskConfig
from training.transfer.tasks.detection.detector import Detections, DetectorHead


class DetectorNetworkConfig(LabellerConfig):
    """A detector that was tuned on labels of transfer houses. Boxes whose class has a probability below
    `confidence`, or below the model's own `head.least_score`, are left out; an untrained one keeps all."""

    name: ClassVar[str] = "detector"
    task: ClassVar[str] = "detection"

    most: int = Field(default=32, ge=1)
    """Boxes of a frame, at most."""

    @property
    def settings(self) -> dict[str, Any]:
        return super().settings | {"most": self.most}

    def classes_of(self, label_table: LabelTable, own: TaskConfig) -> tuple[str, ...]:
        return tuple(object_classes(label_table)[0])

    def output(self, size: int, classes: tuple[str, ...], own: TaskConfig) -> Output:
        return Output("boxes", (self.most, len(BOX_COLUMNS)), "float32", classes)

    def module(self, loaded: LoadedModel) -> nn.Module:
        head, least = loaded.model.head, self.confidence
        assert isinstance(head, DetectorHead)
        if self.weights == "untrained":  # all its probabilities are about as small
            head.config, least = head.config.model_copy(update={"least_score": 0.0}), 0.0
        return _Boxes(loaded.model, self.most, least)


class _Boxes(nn.Module):
    """Frames as stored to rows of `BOX_COLUMNS`, 0 where there is none that is as sure as `confidence`."""

    def __init__(self, model: nn.Module, most: int, confidence: float):
        super().__init__()
        self.model, self.most, self.confidence = model, most, confidence

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b most 6"]:
        found: Detections = self.model({"rgb": rgb})
        there = (found.scores > -torch.inf) & (found.scores >= self.confidence)
        corners = (found.boxes.float() / found.image).clamp(0, 1)
        columns = [corners, found.classes[..., None] + 1, found.scores.float()[..., None]]
        rows = torch.where(there[..., None], torch.cat(columns, -1), 0)[:, : self.most]
        return nn.functional.pad(rows, (0, 0, 0, self.most - rows.shape[1]))
