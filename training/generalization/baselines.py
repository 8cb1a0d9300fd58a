"""What needs no algorithm: the commonest class, the nearest class mean, the nearest frames."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from training.generalization.trial import Items

NEIGHBOURS = 10
"""Of `zero-shot`."""


def majority(items: Items, unseen: int) -> Int64[Tensor, " t"]:
    """The class that most training items have."""
    commonest = torch.bincount(items.labels[items.trains], minlength=items.classes).argmax()
    return commonest.expand(int(items.tests.sum()))


def nearest_mean(items: Items, unseen: int) -> Int64[Tensor, " t"]:
    """The class whose mean, over the training items in all training modalities, is nearest by cosine."""
    known, labels = _known(items, unseen, items.trains, centred=False)
    sums = known.new_zeros(items.classes, known.shape[1]).index_add_(0, labels, known)
    alike = F.normalize(_asked(items, unseen, centred=False), dim=1) @ F.normalize(sums, dim=1).T
    return alike.masked_fill(sums.norm(dim=1) == 0, -torch.inf).argmax(1)


def zero_shot(items: Items, unseen: int) -> Int64[Tensor, " t"]:
    """The class of most of the nearest training items in any training modality, by cosine, weighted by it.
    Each modality's mean over the training items is taken off first, which needs no label: a shared encoder
    tells modalities apart before it tells rooms apart."""
    known, labels = _known(items, unseen, items.trains, centred=True)
    alike, nearest = (_asked(items, unseen, centred=True) @ known.T).topk(min(NEIGHBOURS, len(known)), dim=1)
    votes = alike.new_zeros(len(alike), items.classes).scatter_add_(1, labels[nearest], alike)
    return votes.argmax(1)


Baseline = Callable[[Items, int], Int64[Tensor, " t"]]
BASELINES: dict[str, Baseline] = {
    "majority": majority,
    "nearest-mean": nearest_mean,
    "zero-shot": zero_shot,
}
"""Classes of the test items in the unseen modality, of which no label is seen."""


def _known(
    items: Items, unseen: int, part: Bool[Tensor, " n"], centred: bool
) -> tuple[Float[Tensor, "k d"], Int64[Tensor, " k"]]:
    """Features of length 1 of items in all training modalities, and their labels."""
    seen = [m.joint for number, m in enumerate(items.modalities) if number != unseen]
    rows = [_unit(features, items, centred)[part] for features in seen]
    return torch.cat(rows), items.labels[part].repeat(len(seen))


def _asked(items: Items, unseen: int, centred: bool) -> Float[Tensor, "t d"]:
    modality = items.modalities[unseen]
    features = modality.joint if modality.own is None else modality.own
    return _unit(features, items, centred)[items.tests]


def _unit(features: Float[Tensor, "n d"], items: Items, centred: bool) -> Float[Tensor, "n d"]:
    return F.normalize(features - features[items.trains].mean(0) if centred else features, dim=1)
