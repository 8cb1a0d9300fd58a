"""CondCAD, contrastive adversarial bottleneck given the class (Ruan et al., ICLR 2022, arXiv:2201.00057)."""

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from training.generalization.algorithm import Batch, Draws, Losses
from training.generalization.algorithms.erm import Erm
from training.generalization.hyperparameters import COMMON, Hyperparameter, one_of

BASE_TEMPERATURE = 0.07
"""Of the supervised contrastive loss that the bottleneck is made of (Khosla et al., 2020)."""


class CondCad(Erm):
    """Among items of one class, features of other modalities should be no less alike than those of the same:
    the probability of drawing another modality's item, likelier where features are alike, is maximised."""

    title = "CondCAD"
    hyperparameters = (
        *COMMON,
        Hyperparameter("lmbda", 1e-1, one_of(1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2)),
        Hyperparameter("temperature", 0.1, one_of(0.05, 0.1)),
    )

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        features = self.encode(batch.rows)
        bottleneck = bottleneck_loss(features, batch.targets, batch.sources, self.hyper["temperature"])
        risk = F.cross_entropy(self.classifier(features), batch.targets)
        total = risk + self.hyper["lmbda"] * bottleneck
        return {"loss": total, "clf_loss": risk, "bn_loss": bottleneck}


def bottleneck_loss(
    features: Float[Tensor, "n d"],
    labels: Int64[Tensor, " n"],
    sources: Int64[Tensor, " n"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Mean over the items that have one of their class in another modality; 0 where none has."""
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    alike: Bool[Tensor, "n n"] = (labels[:, None] == labels) & ~itself
    elsewhere = alike & (sources[:, None] != sources)
    counted = elsewhere.any(1)
    logits = features @ features.T / temperature
    logits = logits - logits.detach().amax(1, keepdim=True)
    # Rows that do not count hold whatever is finite, so that their gradient is 0 and not undefined.
    among, other = (
        logits.masked_fill(~kept & counted[:, None], -torch.inf).logsumexp(1) for kept in (alike, elsewhere)
    )
    total = torch.where(counted, among - other, 0.0).sum()
    return temperature / BASE_TEMPERATURE * total / counted.sum().clamp_min(1)
