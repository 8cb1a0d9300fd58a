"""ERM++ (Teterwak et al., WACV 2025, arXiv:2304.01973): the classifier first, and averaged weights."""

import copy
from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.generalization.algorithm import Pass, Setting
from training.generalization.algorithms.erm import Erm
from training.generalization.faults import Fault
from training.generalization.hyperparameters import COMMON, Hyper, Hyperparameter, one_of, power
from training.generalization.networks import Network


class ErmPlusPlus(Erm):
    """Up to step `linear_steps`, counted from 0, the classifier alone is trained, then all. Predictions are
    by the mean of all weights from the step before `averages_from`, counted from 1; earlier, by the last."""

    title = "ERM++"
    hyperparameters = (
        *COMMON,
        Hyperparameter("linear_lr", 5e-5, power(10, -5, -3.5)),
        Hyperparameter("linear_steps", 500, one_of(500)),
    )

    def __init__(
        self,
        setting: Setting,
        hyper: Hyper,
        faults: Collection[Fault] = (),
        featurizer: Network | None = None,
        averages_from: int = 600,
    ):
        super().__init__(setting, hyper, faults, featurizer)
        self.averages_from = averages_from
        networks = nn.ModuleList([self.featurizer, self.classifier])
        self.averaged = copy.deepcopy(networks).requires_grad_(False)

    def optimise(self) -> None:
        super().optimise()
        parameters = self.classifier.parameters()
        self.adam("classifier", parameters, self.hyper["linear_lr"], self.hyper["weight_decay"])

    def passes(self) -> Sequence[Pass]:
        group = "network" if self.steps > self.hyper["linear_steps"] else "classifier"
        return [Pass("all", {group: "loss"})]

    @torch.no_grad()
    def after_step(self) -> None:
        before = max(0, self.steps + 2 - self.averages_from)  # how many weights the mean has in it
        for mean, last in zip(self.averaged.parameters(), self.groups["network"], strict=True):
            mean.copy_((mean * before + last) / (1 + before))

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        featurizer, classifier = self.averaged
        return classifier(featurizer(features))
