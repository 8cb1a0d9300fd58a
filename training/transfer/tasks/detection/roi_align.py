"""RoIAlign (He et al., Mask R-CNN, arXiv:1703.06870) in pure torch: features of boxes, sampled at points that
are not rounded to the grid, each box's in the level of a pyramid that fits its size.

Interpolation between columns does not depend on the row, so a box's features are two products of matrices,
which are fast on any device and add up in the same order each time."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from training.transfer.tasks.detection.boxes import box_areas

CANONICAL = 28
"""Side of a box, in features of a level, from which on the next level takes it: 112 pixels at a stride of 4,
as in FPN's eq. 1 (Lin et al., arXiv:1612.03144)."""


def points_in(
    low: Float[Tensor, "b n"], high: Float[Tensor, "b n"], count: int
) -> Float[Tensor, "b n count"]:
    """So many points evenly spaced between two ends, at the middles of as many parts."""
    across = (torch.arange(count, device=low.device) + 0.5) / count
    return low[..., None] + (high - low)[..., None] * across


def roi_align(
    levels: Sequence[Float[Tensor, "b c _h _w"]],
    strides: Sequence[float],
    boxes: Float[Tensor, "b n 4"],
    size: int,
    samples: int = 2,
) -> Float[Tensor, "b n c size size"]:
    """Features of the boxes of each image on a grid of `size` by `size` cells.

    `levels`, from fine to coarse, and `strides`: side of what a feature of each stands for [pixels]. A cell
    is the mean of `samples`² points, evenly spaced, each interpolated bilinearly between the centres of
    features (aligned, as in Detectron2); a point more than one feature outside of them counts 0."""
    side = box_areas(boxes).sqrt() / strides[0]
    of_level = (side.clamp_min(1e-6) / CANONICAL).log2().floor().long().add(1).clamp(0, len(levels) - 1)
    total = boxes.new_zeros(())
    with torch.autocast(boxes.device.type, enabled=False):
        for number, (features, stride) in enumerate(zip(levels, strides, strict=True)):
            scaled = boxes / stride - 0.5
            here = (of_level == number)[..., None, None]
            height, width = features.shape[2:]
            x = _interpolation(scaled[..., 0], scaled[..., 2], size, samples, width) * here
            y = _interpolation(scaled[..., 1], scaled[..., 3], size, samples, height)
            # [b, nj, w] @ [b, w, hc], then [i, h] @ [h, c] for each box and column: nothing is copied.
            lines = features.float().permute(0, 3, 2, 1).flatten(2)
            columns = (x.flatten(1, 2) @ lines).unflatten(1, x.shape[1:3]).unflatten(3, (height, -1))
            total = total + y[:, :, None] @ columns
    return total.permute(0, 1, 4, 3, 2)


def _interpolation(
    low: Float[Tensor, "b n"], high: Float[Tensor, "b n"], size: int, samples: int, features: int
) -> Float[Tensor, "b n size features"]:
    """How much each of a line of features counts in each cell between two ends, which are in features."""
    points = points_in(low, high, size * samples)
    near = points.clamp(0, features - 1)[..., None] - torch.arange(features, device=low.device)
    weights = (1 - near.abs()).clamp_min(0) * ((points >= -1) & (points <= features))[..., None]
    return weights.unflatten(2, (size, samples)).mean(3)
