"""The mask head (He et al., Mask R-CNN, arXiv:1703.06870): which pixels of a box are its object's."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int, Int64
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.transfer.tasks.detection.boxes import taken
from training.transfer.tasks.detection.cascade import StageOutput
from training.transfer.tasks.detection.labels import TrueObjects
from training.transfer.tasks.detection.pyramid import mixing
from training.transfer.tasks.detection.roi_align import points_in, roi_align

_SAMPLES = 2  # points along a side of a mask's cell that say how much of it is the object's


class MaskConfig(Config):
    """A mask head."""

    roi: int = Field(default=7, ge=2)
    """Cells along a side of the features of a box; its mask has twice as many."""
    convolutions: int = Field(default=2, ge=1)
    """3×3 convolutions on them, with norms, as wide as the pyramid."""
    sample: int = Field(default=16, ge=1)
    """Boxes of a frame, of those that overlap an object by half, that the loss is of."""


class MaskOutput(NamedTuple):
    """Masks of boxes that training has chosen."""

    logits: Float[Tensor, "b n s s"]
    """Of the class of each box's object."""
    boxes: Float[Tensor, "b n 4"]
    objects: Int64[Tensor, "b n"]
    """Index of the object that each overlaps."""
    chosen: Bool[Tensor, "b n"]
    """False where a frame has fewer."""


class MaskHead(nn.Module):
    """Features of boxes to a mask for each class."""

    def __init__(self, config: MaskConfig, channels: int, classes: int):
        super().__init__()
        self.config = config
        larger = nn.ConvTranspose2d(channels, channels, 2, stride=2)
        self.mix = nn.Sequential(*mixing(channels, config.convolutions), larger, nn.ReLU())
        self.classes = nn.Conv2d(channels, classes, 1)

    def forward(
        self,
        maps: Sequence[Float[Tensor, "b c _h _w"]],
        strides: Sequence[float],
        boxes: Float[Tensor, "b n 4"],
        classes: Int64[Tensor, "b n"],
    ) -> Float[Tensor, "b n s s"]:
        """Logits of the masks of boxes, each of its class."""
        features = roi_align(maps, strides, boxes, self.config.roi)
        every = self.classes(self.mix(features.flatten(0, 1))).float().unflatten(0, boxes.shape[:2])
        own = classes[:, :, None, None, None].expand(-1, -1, 1, *every.shape[3:])
        return every.gather(2, own)[:, :, 0]

    def of_objects(
        self,
        maps: Sequence[Float[Tensor, "b c _h _w"]],
        strides: Sequence[float],
        stage: StageOutput,
        counts: Float[Tensor, "b n"],
        true: TrueObjects,
    ) -> MaskOutput:
        """Masks of the first `sample` boxes of the first stage that overlap an object by half."""
        assert stage.match is not None, "masks are learned of boxes that were matched"
        found = (stage.match.iou >= 0.5) & (counts > 0)
        places = found.shape[1]
        rank = found * torch.arange(places, 0, -1, device=found.device)
        chosen, index = rank.topk(min(self.config.sample, places), dim=1)
        boxes, objects = taken(stage.boxes, index), stage.match.objects.gather(1, index)
        logits = self(maps, strides, boxes, true.classes.gather(1, objects))
        return MaskOutput(logits, boxes, objects, chosen > 0)


def mask_loss(found: MaskOutput, true: TrueObjects) -> Float[Tensor, ""]:
    """Binary cross-entropy [nat] of every cell of the chosen masks, their mean; 0 where none is."""
    wanted = true_masks(found.boxes, found.objects, true.pixels, found.logits.shape[3])
    each = F.binary_cross_entropy_with_logits(found.logits, wanted, reduction="none").mean((2, 3))
    return (each * found.chosen).sum() / found.chosen.sum().clamp_min(1)


def true_masks(
    boxes: Float[Tensor, "b n 4"],
    objects: Int64[Tensor, "b n"],
    pixels: Int[Tensor, "b h w"],
    size: int,
) -> Float[Tensor, "b n s s"]:
    """Which of `size`² cells of each box are its object's, by at least half: 0 or 1. `pixels`: see
    `TrueObjects`."""
    height, width = pixels.shape[1:]
    x, y = (points_in(boxes[..., i], boxes[..., i + 2], size * _SAMPLES) for i in (0, 1))
    column, row = x.floor().long().clamp(0, width - 1), y.floor().long().clamp(0, height - 1)
    flat = (row[..., :, None] * width + column[..., None, :]).flatten(1)
    own = pixels.flatten(1).gather(1, flat).view(*row.shape, column.shape[2]) == objects[..., None, None] + 1
    cells = own.float().unflatten(3, (size, _SAMPLES)).unflatten(2, (size, _SAMPLES)).mean((3, 5))
    return (cells >= 0.5).float()


def pasted(
    masks: Float[Tensor, "n s s"], boxes: Float[Tensor, "n 4"], image: int
) -> Bool[np.ndarray, "n h w"]:
    """Masks of boxes [probability] as pixels of a square image of `image` pixels a side, from a half on."""
    middles = torch.arange(image) + 0.5
    size = (boxes[:, 2:] - boxes[:, :2]).clamp_min(1e-6)
    x, y = (2 * (middles - boxes[:, i, None]) / size[:, i, None] - 1 for i in (0, 1))
    grid = torch.stack(torch.broadcast_tensors(x[:, None, :], y[:, :, None]), dim=-1)
    inside = ((x.abs() <= 1)[:, None, :] & (y.abs() <= 1)[:, :, None]).numpy()
    found = F.grid_sample(masks[:, None], grid, padding_mode="border", align_corners=False)
    return (found[:, 0] >= 0.5).numpy() & inside
