"""The losses of DINOv2 (Oquab et al., arXiv:2304.07193) and the head they are taken behind.

A head gives logits: the cosines of a feature with prototypes. The teacher's logits become target
distributions in one of two ways that prevent collapse: `EmaCentering` (DINO, Caron et al., arXiv:2104.14294)
or `SinkhornKnopp` (SwAV, Caron et al., arXiv:2006.09882). The student predicts these targets."""

from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

EPS = 1e-8


class DinoHead(nn.Module):
    """MLP of three layers, then cosines with `prototypes`: features and weights of the last layer have length
    1 (weight normalisation with its gain fixed to 1, as DINO has it for stability)."""

    def __init__(self, dim: int, hidden: int, bottleneck: int, prototypes: int):
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(dim, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, bottleneck),
        )
        self.prototypes = nn.Linear(bottleneck, prototypes, bias=False)

    def forward(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        """Cosines of n features with k prototypes, in fp32."""
        x = F.normalize(self.mlp(x).float(), dim=-1)
        # A temperature of 0.04 would make of bfloat16's rounding a tenth of a nat.
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x, F.normalize(self.prototypes.weight, dim=-1))


class EmaCentering(nn.Module):
    """Targets softmax((logits - centre) / temperature); the centre is an exponential moving average of the
    logits of all workers.

    The centre moves only in `update`, called once a step, so that calling the loss twice gives the same."""

    def __init__(self, prototypes: int, momentum: float):
        super().__init__()
        self.momentum = momentum
        self.centre: Tensor
        self.total: Tensor
        self.count: Tensor
        self.register_buffer("centre", torch.zeros(prototypes))
        self.register_buffer("total", torch.zeros(prototypes), persistent=False)
        self.register_buffer("count", torch.zeros(()), persistent=False)

    def forward(self, logits: Float[Tensor, "n k"], temperature: Float[Tensor, ""]) -> Float[Tensor, "n k"]:
        """Target distributions, one a row; in training the logits count for the next centre."""
        if self.training:
            # Since the last `update`; what is there is the sum of all workers already.
            self.total += _of_all_workers(logits.sum(0))
            self.count += _of_all_workers(torch.full_like(self.count, len(logits)))
        return ((logits - self.centre) / temperature).softmax(-1)

    @torch.no_grad()
    def update(self) -> None:
        """Moves the centre towards the mean of the logits since the last update."""
        self.centre.lerp_(self.total / self.count.clamp_min(1.0), 1 - self.momentum)
        self.total.zero_()
        self.count.zero_()


class SinkhornKnopp(nn.Module):
    """exp(logits / temperature), scaled three times so that all prototypes get the same weight and every row
    sums to 1 (Sinkhorn-Knopp), over the rows of all workers. Needs no memory."""

    ROUNDS = 3

    def forward(self, logits: Float[Tensor, "n k"], temperature: Float[Tensor, ""]) -> Float[Tensor, "n k"]:
        """Target distributions, one a row."""
        # Cosines: at the lowest temperature that a config takes, exp stays within fp32.
        weight = (logits / temperature).exp()
        for _ in range(self.ROUNDS):
            weight = weight / _of_all_workers(weight.sum(0))
            weight = weight / weight.sum(-1, keepdim=True)
        return weight

    def update(self) -> None:
        """Nothing: there is no state to move."""
        pass


def cross_entropy(
    truth: Float[Tensor, "*#n k"], logits: Float[Tensor, "*n k"], temperature: float
) -> Float[Tensor, "*n"]:
    """-sum truth · log softmax(logits / temperature) [nat]."""
    return -(truth * (logits / temperature).log_softmax(-1)).sum(-1)


def dino_loss(
    truth: Float[Tensor, "2 b k"],
    whole: Float[Tensor, "2 b k"],
    part: Float[Tensor, "v b k"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Mean cross-entropy [nat] over all pairs of a global crop, `truth` of the teacher, with another crop of
    its frame, logits of the student: the other global one in `whole`, or a local one in `part`."""
    pairs = cross_entropy(truth.flip(0), whole, temperature).mean(1).sum()
    pairs = pairs + cross_entropy(truth.sum(0), part, temperature).mean(1).sum()
    return pairs / (2 + 2 * len(part))


def koleo_loss(x: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
    """-mean log distance of each feature, scaled to length 1, to its nearest neighbour: spreads them out
    (Sablayrolles et al., arXiv:1806.03198). The mean is over the features of this worker, at least two; the
    neighbours are of all workers."""
    x = F.normalize(x.float(), dim=-1, eps=EPS)
    every, first = _rows_of_all_workers(x)
    with torch.no_grad(), torch.autocast(x.device.type, enabled=False):
        nearest = (x @ every.T).diagonal_scatter(x.new_full((len(x),), -2.0), first).argmax(1)
    return -(F.pairwise_distance(x, every[nearest], eps=EPS) + EPS).log().mean()


def _several() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def _of_all_workers(total: Shaped[Tensor, "*s"]) -> Shaped[Tensor, "*s"]:
    """Sum over the workers of a run; as it is where there is one."""
    if _several():
        dist.all_reduce(total)
    return total


class _Summed(torch.autograd.Function):
    """Sum over workers, of whose losses each may depend on all of it: so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, x: Shaped[Tensor, "*s"]) -> Shaped[Tensor, "*s"]:
        return _of_all_workers(x.clone())

    @staticmethod
    def backward(ctx: Any, *grads: Shaped[Tensor, "*s"]) -> Shaped[Tensor, "*s"]:
        return _of_all_workers(grads[0].contiguous().clone())


def _rows_of_all_workers(x: Float[Tensor, "n d"]) -> tuple[Float[Tensor, "m d"], int]:
    """The rows of all workers, of which there may be unequal numbers, and where those of this one begin."""
    if not _several():
        return x, 0
    sizes = torch.zeros(dist.get_world_size(), dtype=torch.int64, device=x.device)
    sizes[dist.get_rank()] = len(x)
    ends = _of_all_workers(sizes).cumsum(0).tolist()
    first = ends[dist.get_rank()] - len(x)
    return _Summed.apply(F.pad(x, (0, 0, first, ends[-1] - first - len(x)))), first
