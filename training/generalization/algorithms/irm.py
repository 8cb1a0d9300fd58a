"""IRM, invariant risk minimization (Arjovsky et al., 2019, arXiv:1907.02893)."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from training.generalization.algorithm import Batch, Draws, Losses
from training.generalization.algorithms.erm import Erm, risks
from training.generalization.hyperparameters import COMMON, Hyperparameter, power, whole_power


class Irm(Erm):
    """A classifier that is optimal for every modality at once: the slope of each modality's risk by a common
    factor of its logits is penalised, its square estimated from two halves of the batch."""

    title = "IRM"
    hyperparameters = (
        *COMMON,
        Hyperparameter("irm_lambda", 1e2, power(10, -1, 5)),
        Hyperparameter("irm_penalty_anneal_iters", 500, whole_power(10, 0, 4)),
    )

    def before_step(self) -> None:
        if self.steps == self.hyper["irm_penalty_anneal_iters"]:
            self.restart(self.hyper["lr"])

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        logits = self.logits(batch.rows)
        nll = risks(logits, batch).mean()
        parts = zip(logits.unflatten(0, batch.labels.shape), batch.labels, strict=True)
        penalty = torch.stack([_slope(x[::2], y[::2]) * _slope(x[1::2], y[1::2]) for x, y in parts]).mean()
        annealed = self.steps >= self.hyper["irm_penalty_anneal_iters"]
        weight = self.hyper["irm_lambda"] if annealed else 1.0
        return {"loss": nll + weight * penalty, "nll": nll, "penalty": penalty}


def _slope(logits: Float[Tensor, "n c"], labels: Int64[Tensor, " n"]) -> Float[Tensor, ""]:
    """Derivative of the cross-entropy of s·logits by s, at s = 1."""
    expected = (logits.softmax(1) * logits).sum(1)
    return (expected - logits.gather(1, labels[:, None])[:, 0]).mean()
