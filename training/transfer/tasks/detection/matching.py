"""Which object a box is to find, and how much each box counts in a loss.

A detector learns from a sample of its boxes, of which at most a share is of objects. Here every box counts by
the number of times that it is expected in such a sample: the mean over all samples, so that nothing is drawn,
and a step is a function of weights and images alone."""

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from training.transfer.tasks.detection.boxes import box_iou, taken
from training.transfer.tasks.detection.labels import TrueObjects


class Match(NamedTuple):
    """For each box the object that it overlaps most."""

    iou: Float[Tensor, "b n"]
    """-1 where a frame has no object."""
    objects: Int64[Tensor, "b n"]
    """Index of the object."""
    boxes: Float[Tensor, "b n 4"]
    """Of the object."""
    is_best: Bool[Tensor, "b n"]
    """Whether no box overlaps some object of the frame more."""


def match(boxes: Float[Tensor, "b n 4"], true: TrueObjects) -> Match:
    """Match boxes with the objects of their frames."""
    overlap = box_iou(boxes, true.boxes).masked_fill(~true.present[:, None], -1)
    iou, index = overlap.max(2)
    best = overlap.amax(1, keepdim=True)
    return Match(iou, index, taken(true.boxes, index), ((overlap == best) & (best > 0)).any(2))


def expected_counts(
    positive: Bool[Tensor, "b n"], negative: Bool[Tensor, "b n"], sample: int, share: float
) -> Float[Tensor, "b n"]:
    """How often each box of a frame is expected in a sample without replacement, of at most `sample` boxes
    and at most `share` of them positive; negatives fill it up."""
    of_positive, of_negative = (which.sum(1, keepdim=True).float() for which in (positive, negative))
    drawn = of_positive.clamp_max(int(sample * share))
    rest = torch.minimum(sample - drawn, of_negative)
    return positive * drawn / of_positive.clamp_min(1) + negative * rest / of_negative.clamp_min(1)
