"""Boxes of a detector, in pure torch: overlap, offsets to regress, and suppression of doubles.

Boxes are [x0, y0, x1, y1] in pixels along the edges of pixels, as in training/transfer/objects/instances.py.
Frames of a batch have equally many, so that shapes depend on no value: those that are not there have a score
of -inf or a weight of 0."""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

Weights = tuple[float, float, float, float]
"""Factors of the offsets, so that these are about as large as the logits beside them."""
LARGEST_STEP = math.log(1000 / 16)
"""Largest logarithm of a factor by which an offset may grow a box (Detectron's, so that exp stays finite)."""
LEAST_SIDE = 1e-2
"""Sides [pixels] below which a box counts as this large in offsets, so that they stay finite."""


def box_areas(boxes: Float[Tensor, "*n 4"]) -> Float[Tensor, "*n"]:
    """Areas [pixels²]; 0 where a side would be negative."""
    return (boxes[..., 2:] - boxes[..., :2]).clamp_min(0).prod(-1)


def box_iou(a: Float[Tensor, "*b n 4"], b: Float[Tensor, "*b m 4"]) -> Float[Tensor, "*b n m"]:
    """Intersection over union of each box of `a` with each of `b`, in [0, 1]; 0 for boxes without area."""
    a, b = a[..., :, None, :], b[..., None, :, :]
    width = torch.minimum(a[..., 2], b[..., 2]) - torch.maximum(a[..., 0], b[..., 0])
    height = torch.minimum(a[..., 3], b[..., 3]) - torch.maximum(a[..., 1], b[..., 1])
    common = width.clamp_min(0) * height.clamp_min(0)
    return common / (box_areas(a) + box_areas(b) - common).clamp_min(1e-12)


def offsets_of(
    boxes: Float[Tensor, "*n 4"], targets: Float[Tensor, "*n 4"], weights: Weights
) -> Float[Tensor, "*n 4"]:
    """What a detector regresses to get from a box to its target (R-CNN, Girshick et al., arXiv:1311.2524):
    shift of the centre in widths and heights, logarithms of the factors of width and height, each times its
    weight."""
    size, wanted = ((x[..., 2:] - x[..., :2]).clamp_min(LEAST_SIDE) for x in (boxes, targets))
    centre, aim = ((x[..., :2] + x[..., 2:]) / 2 for x in (boxes, targets))
    found = torch.cat([(aim - centre) / size, (wanted / size).log()], dim=-1)
    return found * found.new_tensor(weights)


def moved(
    boxes: Float[Tensor, "*n 4"], offsets: Float[Tensor, "*n 4"], weights: Weights
) -> Float[Tensor, "*n 4"]:
    """Boxes after offsets were applied: the inverse of `offsets_of`."""
    steps = offsets / offsets.new_tensor(weights)
    size = boxes[..., 2:] - boxes[..., :2]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 + steps[..., :2] * size
    half = size * steps[..., 2:].clamp_max(LARGEST_STEP).exp() / 2
    return torch.cat([centre - half, centre + half], dim=-1)


def clipped(boxes: Float[Tensor, "*n 4"], image: int) -> Float[Tensor, "*n 4"]:
    """Boxes within a square image of `image` pixels a side."""
    return boxes.clamp(0, image)


def taken(values: Float[Tensor, "b n *c"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k *c"]:
    """Of each frame the entries at `index`."""
    return values[torch.arange(len(index), device=index.device)[:, None], index]


def suppress(
    boxes: Float[Tensor, "b n 4"],
    scores: Float[Tensor, "b n"],
    threshold: float,
    classes: Int[Tensor, "b n"] | None = None,
) -> Bool[Tensor, "b n"]:
    """Non-maximum suppression: which boxes of each frame no better one overlaps by more than `threshold`. Of
    equally good ones the first is better. `classes`: only boxes of one class suppress each other. A box with
    a score of -inf is not there.

    A box is kept if none that is kept before it overlaps it too much. That has one solution, which is reached
    by applying it until nothing changes, in as many rounds as the longest chain of boxes that suppress each
    other: a few products of matrices and no loop over boxes."""
    order = scores.argsort(dim=1, descending=True, stable=True)
    best_first = taken(boxes, order)
    close = box_iou(best_first, best_first) > threshold
    if classes is not None:
        kinds = classes.gather(1, order)
        close &= kinds[:, :, None] == kinds[:, None]
    better = close.tril(-1)
    kept = present = scores.gather(1, order) > -torch.inf
    while True:
        again = present & ~(better & kept[:, None]).any(2)
        if not (again != kept).any():
            return torch.zeros_like(kept).scatter(1, order, again)
        kept = again
