"""The region proposal network (Ren et al., Faster R-CNN, arXiv:1506.01497) on the levels of a pyramid (Lin et
al., arXiv:1612.03144): where there may be an object, of whatever class."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.transfer.tasks.detection.boxes import Weights, clipped, moved, offsets_of, suppress, taken
from training.transfer.tasks.detection.labels import TrueObjects
from training.transfer.tasks.detection.matching import expected_counts, match
from training.transfer.tasks.detection.pyramid import SimplePyramid, mixing

_PLAIN: Weights = (1.0, 1.0, 1.0, 1.0)
_LEAST_SIDE = 1.0  # of a proposal [pixels]


class ProposalConfig(Config):
    """A region proposal network."""

    anchor: float = Field(default=3.0, gt=0)
    """Side of a level's anchors, in its strides."""
    ratios: tuple[float, ...] = Field(default=(0.5, 1.0, 2.0), min_length=1)
    """Height to width of the anchors of each place."""
    depth: int = Field(default=1, ge=1)
    """3×3 convolutions before the outputs."""
    before: int = Field(default=100, ge=1)
    """Proposals of a level, best first, that go into suppression."""
    kept: int = Field(default=48, ge=1)
    """Proposals of a frame after it."""
    overlap: float = Field(default=0.7, gt=0, lt=1)
    """Overlap above which the better of two proposals suppresses the other."""
    positive: float = Field(default=0.7, gt=0, lt=1)
    """Overlap with an object from which an anchor is to find it; the best anchor of an object always is."""
    negative: float = Field(default=0.3, gt=0, lt=1)
    """Overlap below which an anchor is to find nothing; between the two it is not asked."""
    sample: int = Field(default=128, ge=1)
    """Anchors of a frame that the loss is of, at most half of them positive (as expected counts)."""


class Proposals(NamedTuple):
    """What the network says of all anchors, and the best of it."""

    logits: Float[Tensor, "b a"]
    """Of being an object."""
    offsets: Float[Tensor, "b a 4"]
    boxes: Float[Tensor, "b n 4"]
    """The best proposals, without gradient."""
    scores: Float[Tensor, "b n"]
    """Their logits; -inf where a frame has fewer."""
    anchors: Float[Tensor, "a 4"]


class ProposalNetwork(nn.Module):
    """Proposals of a pyramid's maps."""

    def __init__(self, config: ProposalConfig, pyramid: SimplePyramid, width: int, image: int):
        super().__init__()
        self.config, self.image = config, image
        self.mix = nn.Sequential(*mixing(width, config.depth))
        self.logits = nn.Conv2d(width, len(config.ratios), 1)
        self.offsets = nn.Conv2d(width, 4 * len(config.ratios), 1)
        of_level = [
            anchors(side, stride, config.anchor * stride, config.ratios)
            for side, stride in zip(pyramid.sides, pyramid.strides, strict=True)
        ]
        self.counts = [len(boxes) for boxes in of_level]
        self.anchors: Tensor
        self.register_buffer("anchors", torch.cat(of_level), persistent=False)

    def forward(self, maps: Sequence[Float[Tensor, "b c _h _w"]]) -> Proposals:
        """Logits and offsets of all anchors, and the best boxes of each frame."""
        logits, offsets = [], []
        for features in maps:
            mixed = self.mix(features)
            logits.append(self.logits(mixed).permute(0, 2, 3, 1).flatten(1).float())
            offsets.append(self.offsets(mixed).permute(0, 2, 3, 1).flatten(1).unflatten(1, (-1, 4)).float())
        every, moves = torch.cat(logits, 1), torch.cat(offsets, 1)
        return Proposals(every, moves, *self._best(every.detach(), moves.detach()), self.anchors)

    @torch.no_grad()
    def _best(
        self, logits: Float[Tensor, "b a"], offsets: Float[Tensor, "b a 4"]
    ) -> tuple[Float[Tensor, "b n 4"], Float[Tensor, "b n"]]:
        boxes, scores, levels = [], [], []
        first = 0
        for number, count in enumerate(self.counts):
            here = slice(first, first + count)
            score, index = logits[:, here].topk(min(self.config.before, count), dim=1)
            moves = taken(offsets[:, here], index)
            boxes.append(clipped(moved(self.anchors[here][index], moves, _PLAIN), self.image))
            scores.append(score)
            levels.append(torch.full_like(index, number))
            first += count
        every, score, level = (torch.cat(parts, 1) for parts in (boxes, scores, levels))
        small = (every[..., 2:] - every[..., :2]).amin(2) < _LEAST_SIDE
        score = score.masked_fill(small, -torch.inf)
        kept = suppress(every, score, self.config.overlap, level)
        score, index = score.masked_fill(~kept, -torch.inf).topk(min(self.config.kept, score.shape[1]), dim=1)
        return taken(every, index), score


def proposal_loss(found: Proposals, true: TrueObjects, config: ProposalConfig) -> Float[Tensor, ""]:
    """Binary cross-entropy [nat] of the logits and L1 of the offsets, means over the sample."""
    with torch.no_grad():
        matched = match(found.anchors.expand(len(found.logits), -1, -1), true)
        positive = (matched.iou >= config.positive) | matched.is_best
        counts = expected_counts(positive, ~positive & (matched.iou < config.negative), config.sample, 0.5)
        wanted = offsets_of(found.anchors.expand_as(matched.boxes), matched.boxes, _PLAIN)
    objectness = F.binary_cross_entropy_with_logits(found.logits, positive.float(), reduction="none")
    away = F.l1_loss(found.offsets, wanted, reduction="none").sum(2) * positive
    return ((objectness + away) * counts).sum() / counts.sum().clamp_min(1)


def anchors(side: int, stride: float, size: float, ratios: tuple[float, ...]) -> Float[Tensor, "n 4"]:
    """Boxes of `size`² pixels around the middles of `side`² squares of `stride` pixels, row by row, one of
    each ratio of height to width at a place."""
    middles = (torch.arange(side) + 0.5) * stride
    y, x = torch.meshgrid(middles, middles, indexing="ij")
    ratio = torch.tensor(ratios)
    half = torch.stack([ratio**-0.5, ratio**0.5], dim=1) * size / 2
    centres = torch.stack([x, y], dim=-1)[:, :, None]
    return torch.cat([centres - half, centres + half], dim=-1).reshape(-1, 4)
