"""OGM, on-the-fly gradient modulation (Peng et al., CVPR 2022, arXiv:2203.15332)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64
from torch import Tensor, nn

from training.generalization.algorithm import Batch, Draws, Losses
from training.generalization.algorithms.concat import MOMENTUM, MULTIMODAL, Concat
from training.generalization.hyperparameters import Hyperparameter, uniform


class Ogm(Concat):
    """Every modality has a layer of its own; the layer of one that does better than the others learns less.
    The rule is the authors' for two modalities; with more, a score is held against the mean of the others."""

    title = "OGM"
    hyperparameters = (*MULTIMODAL, MOMENTUM, Hyperparameter("alpha", 0.1, uniform(0.1, 0.3)))
    knows = ("rows", "modulation")

    def build(self) -> None:
        super().build()
        outputs = self.featurizer.outputs
        self.own = nn.ModuleList(nn.Linear(outputs, outputs) for _ in range(self.setting.modalities))

    def optimise(self) -> None:
        trained: Iterable[nn.Parameter] = self.parameters()
        if "modulation" in self.faults:
            trained = [*self.featurizer.parameters(), *self.classifier.parameters()]
        self.sgd("network", trained, self.hyper["lr"], self.hyper["wc"], self.hyper["momentum"])

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        parts, labels = self.parts(batch), batch.labels[0]
        shares = self._shares(parts, labels)
        own = [_modulated(layer, x, s) for layer, x, s in zip(self.own, parts, shares, strict=True)]
        return {"loss": F.cross_entropy(self.together(own), labels)}

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        encoded = self.featurizer(features)
        return self.together([layer(encoded) for layer in self.own])

    @torch.no_grad()
    def _shares(self, parts: list[Float[Tensor, "n e"]], labels: Int64[Tensor, " n"]) -> Float[Tensor, " m"]:
        """How much of its gradient each modality's layer gets."""
        slices = self.classifier.weight.chunk(len(parts), dim=1)
        each = [
            F.linear(layer(x), weight, self.classifier.bias).softmax(1).gather(1, labels[:, None]).sum()
            for layer, x, weight in zip(self.own, parts, slices, strict=True)
        ]
        scores = torch.stack(each)
        if "modulation" in self.faults:
            ratios = scores / scores.sum()
        elif len(scores) == 1:
            ratios = torch.ones_like(scores)
        else:
            ratios = scores * (len(scores) - 1) / (scores.sum() - scores)
        return torch.where(ratios > 1, 1 - torch.tanh(self.hyper["alpha"] * ratios), 1.0)


def _modulated(layer: nn.Module, x: Float[Tensor, "n e"], share: Float[Tensor, ""]) -> Float[Tensor, "n e"]:
    """A linear layer of which the gradients of weight and bias, not of `x`, are `share` of what they were."""
    weight, bias = (p.detach() + share * (p - p.detach()) for p in layer.parameters())
    return F.linear(x, weight, bias)
