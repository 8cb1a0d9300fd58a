"""EQRM, empirical quantile risk minimization (Eastwood et al., NeurIPS 2022, arXiv:2207.09944)."""

import torch
from jaxtyping import Float
from torch import Tensor

from training.generalization.algorithm import Batch, Draws, Losses
from training.generalization.algorithms.erm import Erm, risks
from training.generalization.hyperparameters import COMMON, Hyperparameter, power, uniform

BISECTIONS = 32


class Eqrm(Erm):
    """After a burn-in of ERM, the α-quantile of the modalities' risks is minimised, of a distribution that is
    a sum of normals around them. With one modality, where the public code stops, it is that one's risk."""

    title = "EQRM"
    hyperparameters = (
        *COMMON,
        Hyperparameter("eqrm_quantile", 0.75, uniform(0.5, 0.99)),
        Hyperparameter("eqrm_burnin_iters", 2500, power(10, 2.5, 3.5)),
        Hyperparameter("eqrm_lr", 1e-6, power(10, -7, -5)),
    )
    knows = ("restart",)

    def before_step(self) -> None:
        burn_in = self.hyper["eqrm_burnin_iters"]
        over = self.steps == burn_in if "restart" in self.faults else self.steps - 1 < burn_in <= self.steps
        if over:
            self.restart(self.hyper["eqrm_lr"])

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        each = risks(self.logits(batch.rows), batch)
        if self.steps < self.hyper["eqrm_burnin_iters"] or len(each) == 1:
            return {"loss": each.mean()}
        return {"loss": quantile(each, self.hyper["eqrm_quantile"])}


def quantile(values: Float[Tensor, " m"], share: float) -> Float[Tensor, ""]:
    """The value below which `share` of a kernel density lies, found by bisection; gradients go through its
    first bounds. Of at least two values."""
    ordered = values.sort().values
    bandwidth = 1.06 * values.std() * len(values) ** -0.2
    level = values.new_tensor(share)
    beyond = bandwidth * 2**0.5 * torch.erfinv(2 * level - 1)
    low, high = ordered[0] + beyond, ordered[-1] + beyond
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        below = 0.5 * (1 + torch.erf((middle - ordered) / (bandwidth * 2**0.5)))
        above = below.mean() > level
        low, high = torch.where(above, low, middle), torch.where(above, middle, high)
    return 0.5 * (low + high)
