"""Boxes of a detector, in pure torch: overlap, offsets to regress, and suppression of doubles.

Boxes are [x0, y0, x1, y1] in pixels along the edges of pixels, as in training/transfer/instances.py."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

LARGEST_STEP = math.log(1000 / 16)
"""Largest logarithm of a factor by which an offset may grow a box (Detectron's, so that exp stays finite)."""


def box_areas(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Areas [pixels²]; 0 where a side would be negative."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def box_iou(a: Float[Tensor, "n 4"], b: Float[Tensor, "m 4"]) -> Float[Tensor, "n m"]:
    """Intersection over union of each box of `a` with each of `b`, in [0, 1]; 0 for boxes without area."""
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    common = (high - low).clamp_min(0).prod(-1)
    union = box_areas(a)[:, None] + box_areas(b)[None] - common
    return torch.where(union > 0, common / union.clamp_min(1e-12), torch.zeros_like(union))


def offsets_of(
    boxes: Float[Tensor, "n 4"], targets: Float[Tensor, "n 4"], weights: tuple[float, float, float, float]
) -> Float[Tensor, "n 4"]:
    """What a detector regresses to get from a box to its target (R-CNN, Girshick et al., arXiv:1311.2524):
    shift of the centre in widths and heights, logarithms of the factors of width and height, each times its
    weight."""
    size, wanted = (x[:, 2:] - x[:, :2] for x in (boxes, targets))
    centre, aim = ((x[:, :2] + x[:, 2:]) / 2 for x in (boxes, targets))
    found = torch.cat([(aim - centre) / size, (wanted / size).log()], dim=1)
    return found * found.new_tensor(weights)


def moved(
    boxes: Float[Tensor, "n 4"], offsets: Float[Tensor, "n 4"], weights: tuple[float, float, float, float]
) -> Float[Tensor, "n 4"]:
    """Boxes after offsets were applied: the inverse of `offsets_of`."""
    steps = offsets / offsets.new_tensor(weights)
    size = boxes[:, 2:] - boxes[:, :2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + steps[:, :2] * size
    half = size * steps[:, 2:].clamp_max(LARGEST_STEP).exp() / 2
    return torch.cat([centre - half, centre + half], dim=1)


def clipped(boxes: Float[Tensor, "*n 4"], image: int) -> Float[Tensor, "*n 4"]:
    """Boxes within a square image of `image` pixels a side."""
    return boxes.clamp(0, image)


def suppress(
    boxes: Float[Tensor, "n 4"],
    scores: Float[Tensor, " n"],
    threshold: float,
    classes: Int[Tensor, " n"] | None = None,
) -> Int[Tensor, " kept"]:
    """Non-maximum suppression: indices of the boxes that no better one overlaps by more than `threshold`, the
    best first. `classes`: only boxes of one class suppress each other.

    A box is kept if none that is kept before it overlaps it too much. That has one solution, which is reached
    by applying it until nothing changes, in as many rounds as the longest chain of boxes that suppress each
    other: a few products of matrices and no loop over boxes."""
    order = scores.argsort(descending=True, stable=True)
    close = box_iou(boxes[order], boxes[order]) > threshold
    if classes is not None:
        close &= classes[order][:, None] == classes[order][None]
    before = close.tril(-1)
    kept: Bool[Tensor, " n"] = torch.ones_like(order, dtype=torch.bool)
    while True:
        again = ~(before & kept[None]).any(1)
        if torch.equal(again, kept):
            return order[kept]
        kept = again
