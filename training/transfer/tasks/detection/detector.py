"""The whole head of detection: pyramid, proposals, cascade and masks, from the features of the encoder."""

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int64
from pydantic import Field, field_validator
from torch import Tensor, nn

from scenes.config import Config
from training.transfer.task import FeatureShape, Targets, TaskHead
from training.transfer.tasks.detection.boxes import suppress, taken
from training.transfer.tasks.detection.cascade import CascadeConfig, CascadeHead, StageOutput, cascade_loss
from training.transfer.tasks.detection.labels import TrueObjects
from training.transfer.tasks.detection.masks import MaskConfig, MaskHead, MaskOutput, mask_loss
from training.transfer.tasks.detection.proposals import (
    ProposalConfig,
    ProposalNetwork,
    Proposals,
    proposal_loss,
)
from training.transfer.tasks.detection.pyramid import SimplePyramid, draw_weights


class DetectorConfig(Config):
    """A detector. The defaults are for frames of 64 pixels on two cores."""

    width: int = Field(default=64, ge=8)
    """Channels of the pyramid."""
    scales: tuple[float, ...] = Field(default=(2.0, 1.0, 0.5), min_length=1)
    """Resolutions of the pyramid's levels, in patches of the encoder: powers of two, finest first."""
    proposals: ProposalConfig = ProposalConfig()
    """The region proposal network."""
    cascade: CascadeConfig = CascadeConfig()
    """The stages that classify and move its proposals."""
    masks: MaskConfig | None = None
    """The mask head; none: boxes alone."""
    least_score: float = Field(default=0.05, ge=0, lt=1)
    """Least probability of a class for which a box is found."""
    candidates: int = Field(default=300, ge=1)
    """Pairs of box and class of a frame, the likeliest, that go into suppression."""
    overlap: float = Field(default=0.5, gt=0, lt=1)
    """Overlap above which the likelier of two boxes of a class suppresses the other."""
    detections: int = Field(default=100, ge=1)
    """Most boxes that are found in a frame."""

    @field_validator("scales")
    @classmethod
    def _powers_of_two(cls, scales: tuple[float, ...]) -> tuple[float, ...]:
        powers = all(s > 0 and math.log2(s).is_integer() for s in scales)
        if not powers or list(scales) != sorted(set(scales), reverse=True):
            raise ValueError(f"{list(scales)}: powers of two, falling, such as 4, 2, 1, 0.5")
        return scales


class Training(NamedTuple):
    """What the losses are of."""

    proposals: Proposals
    stages: list[StageOutput]
    counts: Float[Tensor, "b n"]
    """How often each box of the stages counts."""
    masks: MaskOutput | None


class Detections(NamedTuple):
    """What was found in the frames of a batch, the likeliest first, padded to equally many."""

    boxes: Float[Tensor, "b n 4"]
    scores: Float[Tensor, "b n"]
    """Probabilities; -inf for padding."""
    classes: Int64[Tensor, "b n"]
    masks: Float[Tensor, "b n s s"] | None
    """Probability that a cell of the box is of the object."""
    image: int
    """Side of a frame [pixels]."""


class DetectorHead(TaskHead):
    """Features to `Training` where targets are given, else to `Detections`."""

    def __init__(self, config: DetectorConfig, shape: FeatureShape, classes: int):
        super().__init__()
        self.config, self.image = config, shape.image
        self.pyramid = SimplePyramid(shape, config.width, config.scales)
        self.proposals = ProposalNetwork(config.proposals, self.pyramid, config.width, shape.image)
        self.cascade = CascadeHead(config.cascade, config.width, classes, shape.image)
        self.masks = MaskHead(config.masks, config.width, classes) if config.masks is not None else None

    def forward(
        self, features: Float[Tensor, "b n d"], targets: Targets | None = None
    ) -> Training | Detections:
        maps = self.pyramid(features)
        proposals = self.proposals(maps)
        if targets is None:
            return self._detect(maps, proposals)
        true, strides = TrueObjects(**targets), self.pyramid.strides
        boxes, counts = self.cascade.sample(proposals, true)
        stages, _ = self.cascade(maps, strides, boxes, true)
        masks = None
        if self.masks is not None:
            masks = self.masks.of_objects(maps, strides, stages[0], counts, true)
        return Training(proposals, stages, counts, masks)

    @torch.no_grad()
    def _detect(self, maps: list[Float[Tensor, "b c _h _w"]], proposals: Proposals) -> Detections:
        config, strides = self.config, self.pyramid.strides
        stages, boxes = self.cascade(maps, strides, proposals.boxes, None)
        shares = torch.stack([stage.logits.softmax(2) for stage in stages]).mean(0)
        shares = shares[..., :-1].masked_fill((proposals.scores == -torch.inf)[..., None], 0)
        kinds = shares.shape[2]
        scores, index = shares.flatten(1).topk(min(config.candidates, shares[0].numel()), dim=1)
        boxes, classes = taken(boxes, index // kinds), index % kinds
        scores = scores.masked_fill(scores <= config.least_score, -torch.inf)
        kept = suppress(boxes, scores, config.overlap, classes)
        scores, index = scores.masked_fill(~kept, -torch.inf).topk(
            min(config.detections, scores.shape[1]), dim=1
        )
        boxes, classes = taken(boxes, index), classes.gather(1, index)
        masks = None
        if self.masks is not None:
            masks = self.masks(maps, strides, boxes, classes).sigmoid()
        return Detections(boxes, scores, classes, masks, self.image)

    def initialise(self, generator: torch.Generator) -> None:
        """He's normal weights, and small ones in the layers that say classes and offsets (Detectron2's)."""
        draw_weights(self, generator)
        last = {"logits": 0.01, "offsets": 0.001, "classes": 0.01}
        for name, layer in self.named_modules():
            if isinstance(layer, nn.Linear | nn.Conv2d) and name.rpartition(".")[2] in last:
                nn.init.normal_(layer.weight, std=last[name.rpartition(".")[2]], generator=generator)


class DetectorLoss(nn.Module):
    """The sum of the losses of proposals, stages and masks."""

    def __init__(self, config: DetectorConfig):
        super().__init__()
        self.config = config

    def forward(self, output: Training, targets: Targets) -> Float[Tensor, ""]:
        """Of a batch."""
        true = TrueObjects(**targets)
        loss = proposal_loss(output.proposals, true, self.config.proposals)
        loss = loss + cascade_loss(output.stages, output.counts, true, self.config.cascade)
        return loss if output.masks is None else loss + mask_loss(output.masks, true)
