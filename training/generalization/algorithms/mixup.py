"""Mixup between modalities (Xu et al., 2020, arXiv:1912.01805; Yan et al., 2020, arXiv:2001.00677)."""

from collections.abc import Collection
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from training.generalization.algorithm import Batch, Draws, Losses, Setting
from training.generalization.algorithms.erm import Erm
from training.generalization.faults import Fault
from training.generalization.hyperparameters import COMMON, Hyper, Hyperparameter, power
from training.generalization.networks import Network


class Mixup(Erm):
    """Modalities in a circle of random order, each mixed with the next in a share from Beta(α, α), the loss
    in the same share. `mixes`: the logits, as ModalBed does, or the inputs, as DomainBed does."""

    title = "Mixup"
    hyperparameters = (*COMMON, Hyperparameter("mixup_alpha", 0.2, power(10, -1, 1)))

    def __init__(
        self,
        setting: Setting,
        hyper: Hyper,
        faults: Collection[Fault] = (),
        featurizer: Network | None = None,
        mixes: Literal["logits", "inputs"] = "logits",
    ):
        super().__init__(setting, hyper, faults, featurizer)
        self.mixes = mixes

    def draw(self, items: int, rng: np.random.Generator) -> Draws:
        modalities, alpha = self.setting.modalities, self.hyper["mixup_alpha"]
        return {
            "order": torch.from_numpy(rng.permutation(modalities)),
            "share": torch.from_numpy(rng.beta(alpha, alpha, modalities)),
        }

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        first = draws["order"].to(batch.labels.device)
        second = first.roll(-1)
        share = draws["share"].to(batch.features)[:, None]

        def mixed(x: Float[Tensor, "m n d"]) -> Float[Tensor, "m n d"]:
            return share[..., None] * x[first] + (1 - share[..., None]) * x[second]

        if self.mixes == "inputs":
            logits = self.logits(mixed(batch.features).flatten(0, 1))
        else:
            apart = self.logits(batch.rows).unflatten(0, batch.labels.shape)
            logits = mixed(apart).flatten(0, 1)
        ours, theirs = (
            F.cross_entropy(logits, batch.labels[order].flatten(), reduction="none").view_as(batch.labels)
            for order in (first, second)
        )
        return {"loss": (share * ours + (1 - share) * theirs).mean()}
