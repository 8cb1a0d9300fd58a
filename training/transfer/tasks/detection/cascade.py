"""The stages of Cascade R-CNN (Cai and Vasconcelos, arXiv:1712.00726): each classifies boxes and moves them,
and the next, which asks for more overlap, begins with what came out."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.transfer.tasks.detection.boxes import Weights, clipped, moved, offsets_of
from training.transfer.tasks.detection.labels import TrueObjects
from training.transfer.tasks.detection.matching import Match, expected_counts, match
from training.transfer.tasks.detection.proposals import Proposals
from training.transfer.tasks.detection.pyramid import mixing
from training.transfer.tasks.detection.roi_align import roi_align


class CascadeConfig(Config):
    """The stages."""

    overlaps: tuple[float, ...] = Field(default=(0.5, 0.6, 0.7), min_length=1)
    """Overlap with an object from which a box of each stage is to find it."""
    roi: int = Field(default=5, ge=1)
    """Cells along a side of the features of a box."""
    convolutions: int = Field(default=0, ge=0)
    """3×3 convolutions on them, with norms, as wide as the pyramid."""
    layers: int = Field(default=2, ge=1)
    """Linear layers after these."""
    width: int = Field(default=128, ge=8)
    """Width of the linear layers."""
    sample: int = Field(default=32, ge=1)
    """Boxes of a frame that the loss is of (as expected counts)."""
    positive_share: float = Field(default=0.25, gt=0, le=1)
    """Share of the sample that is of objects, at most."""


class StageOutput(NamedTuple):
    """What a stage says of its boxes."""

    logits: Float[Tensor, "b n k"]
    """Of the classes; the last is for no object."""
    offsets: Float[Tensor, "b n 4"]
    boxes: Float[Tensor, "b n 4"]
    """Where the stage began, without gradient."""
    match: Match | None
    """With the true objects, where these are given."""


class BoxHead(nn.Module):
    """One stage: features of boxes to classes, and to offsets that are of no class."""

    def __init__(self, config: CascadeConfig, channels: int, classes: int):
        super().__init__()
        inputs = [channels * config.roi**2] + [config.width] * (config.layers - 1)
        linear = [layer for width in inputs for layer in (nn.Linear(width, config.width), nn.ReLU())]
        self.mix = nn.Sequential(*mixing(channels, config.convolutions), nn.Flatten(), *linear)
        self.classes = nn.Linear(config.width, classes + 1)
        self.offsets = nn.Linear(config.width, 4)

    def forward(
        self, features: Float[Tensor, "b n c size size"]
    ) -> tuple[Float[Tensor, "b n k"], Float[Tensor, "b n 4"]]:
        """Logits and offsets."""
        mixed = self.mix(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        return self.classes(mixed).float(), self.offsets(mixed).float()


class CascadeHead(nn.Module):
    """All stages."""

    def __init__(self, config: CascadeConfig, channels: int, classes: int, image: int):
        super().__init__()
        self.config, self.image = config, image
        self.stages = nn.ModuleList(BoxHead(config, channels, classes) for _ in config.overlaps)

    def forward(
        self,
        maps: Sequence[Float[Tensor, "b c _h _w"]],
        strides: Sequence[float],
        boxes: Float[Tensor, "b n 4"],
        true: TrueObjects | None,
    ) -> tuple[list[StageOutput], Float[Tensor, "b n 4"]]:
        """The outputs of the stages, and the boxes after the last."""
        found = []
        for number, stage in enumerate(self.stages):
            features = roi_align(maps, strides, boxes, self.config.roi)
            # So that the encoder learns from all stages together as much as from one (Detectron2).
            features = _with_scaled_gradient(features, 1 / len(self.stages))
            logits, offsets = stage(features)
            with torch.no_grad():
                matched = match(boxes, true) if true is not None else None
            found.append(StageOutput(logits, offsets, boxes, matched))
            boxes = clipped(moved(boxes, offsets.detach(), box_weights(number)), self.image)
        return found, boxes

    def sample(
        self, proposals: Proposals, true: TrueObjects
    ) -> tuple[Float[Tensor, "b n 4"], Float[Tensor, "b n"]]:
        """Boxes to train on, proposals and the true ones, and how often each counts."""
        boxes = torch.cat([true.boxes, proposals.boxes], dim=1)
        there = torch.cat([true.present, proposals.scores > -torch.inf], dim=1)
        with torch.no_grad():
            positive = there & (match(boxes, true).iou >= self.config.overlaps[0])
            counts = expected_counts(
                positive, there & ~positive, self.config.sample, self.config.positive_share
            )
        return boxes, counts


def cascade_loss(
    stages: list[StageOutput], counts: Float[Tensor, "b n"], true: TrueObjects, config: CascadeConfig
) -> Float[Tensor, ""]:
    """Cross-entropy [nat] of the classes and L1 of the offsets, means over the sample; their sum over the
    stages."""
    total = counts.new_zeros(())
    for number, (stage, overlap) in enumerate(zip(stages, config.overlaps, strict=True)):
        assert stage.match is not None, "a loss is of boxes that were matched"
        positive = stage.match.iou >= overlap
        nothing = stage.logits.shape[2] - 1
        wanted = torch.where(positive, true.classes.gather(1, stage.match.objects), nothing)
        of_class = F.cross_entropy(stage.logits.flatten(0, 1), wanted.flatten(), reduction="none")
        aim = offsets_of(stage.boxes, stage.match.boxes, box_weights(number))
        away = F.l1_loss(stage.offsets, aim, reduction="none").sum(2) * positive
        total = total + ((of_class.view_as(counts) + away) * counts).sum()
    return total / counts.sum().clamp_min(1)


def box_weights(stage: int) -> Weights:
    """Factors of a stage's offsets, which are smaller the later it is (Detectron2's)."""
    factor = float(stage + 1)
    return (10 * factor, 10 * factor, 5 * factor, 5 * factor)


def _with_scaled_gradient(x: Float[Tensor, "*n"], scale: float) -> Float[Tensor, "*n"]:
    return x * scale + x.detach() * (1 - scale)
