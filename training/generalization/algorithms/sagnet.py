"""SagNet, style-agnostic networks (Nam et al., CVPR 2021, arXiv:1910.11645, algorithm 1)."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from training.generalization.algorithm import Algorithm, Batch, Draws, Losses, Pass
from training.generalization.hyperparameters import COMMON, Hyperparameter, power

PASSES = ("content", "style", "adversary")


class SagNet(Algorithm):
    """The style of features is their mean and variance. One classifier learns from features with the styles
    of others, one from features with the contents of others, which the features learn to leave undecided."""

    title = "SagNet"
    hyperparameters = (*COMMON, Hyperparameter("sag_w_adv", 0.1, power(10, -2, 1)))

    def build(self) -> None:
        outputs, classes = self.featurizer.outputs, self.setting.classes
        self.content, self.style = nn.Linear(outputs, classes), nn.Linear(outputs, classes)

    def optimise(self) -> None:
        for group in ("featurizer", "content", "style"):
            parameters = self.get_submodule(group).parameters()
            self.adam(group, parameters, self.hyper["lr"], self.hyper["weight_decay"])

    def passes(self) -> Sequence[Pass]:
        return [
            Pass("content", {"featurizer": "loss_c", "content": "loss_c"}),
            Pass("style", {"style": "loss_s"}),
            Pass("adversary", {"featurizer": "loss_adv"}),
        ]

    def draw(self, items: int, rng: np.random.Generator) -> Draws:
        rows = self.setting.modalities * items
        return {
            "share": torch.from_numpy(rng.random((len(PASSES), rows, 1))),
            "swap": torch.from_numpy(np.stack([rng.permutation(rows) for _ in PASSES])),
        }

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        number, features = PASSES.index(name), self.featurizer(batch.rows)
        share = draws["share"][number].to(features)
        swap = draws["swap"][number].to(batch.labels.device)
        if name == "content":
            logits = self.content(randomised(features, share, swap, "style"))
            return {"loss_c": F.cross_entropy(logits, batch.targets)}
        logits = self.style(randomised(features, share, swap, "content"))
        if name == "style":
            return {"loss_s": F.cross_entropy(logits, batch.targets)}
        return {"loss_adv": -self.hyper["sag_w_adv"] * logits.log_softmax(1).mean()}

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return self.content(self.featurizer(features))


def randomised(
    x: Float[Tensor, "n d"],
    share: Float[Tensor, "n 1"],
    swap: Int64[Tensor, " n"],
    what: Literal["style", "content"],
) -> Float[Tensor, "n d"]:
    """Features with a style between their own (`share` of it) and that of `swap`, or with the content of
    `swap`, through which no gradient goes."""
    epsilon = 1e-5
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True)
    content = (x - mean) / (variance + epsilon).sqrt()
    if what == "style":
        mean = share * mean + (1 - share) * mean[swap]
        variance = share * variance + (1 - share) * variance[swap]
    else:
        content = content[swap].detach()
    return content * (variance + epsilon).sqrt() + mean
