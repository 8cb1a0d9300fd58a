"""ERM, empirical risk minimization (Vapnik, 1998), and the base of those that change its loss."""

from collections.abc import Sequence

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from training.generalization.algorithm import Algorithm, Batch, Draws, Losses, Pass
from training.generalization.hyperparameters import COMMON


class Erm(Algorithm):
    """Cross-entropy over the items of all training modalities."""

    title = "ERM"
    hyperparameters = COMMON

    def build(self) -> None:
        self.classifier = nn.Linear(self.featurizer.outputs, self.setting.classes)

    def optimise(self) -> None:
        self.restart(self.hyper["lr"])

    def restart(self, lr: float) -> None:
        """Let Adam start again, as is done where a penalty sets in and the gradients' size jumps."""
        parameters = [*self.featurizer.parameters(), *self.classifier.parameters()]
        self.adam("network", parameters, lr, self.hyper["weight_decay"])

    def passes(self) -> Sequence[Pass]:
        return [Pass("all", {"network": "loss"})]

    def encode(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        """What the classifier sees."""
        return self.featurizer(features)

    def logits(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        """Of the weights that are trained."""
        return self.classifier(self.encode(features))

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return self.logits(features)

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        return {"loss": F.cross_entropy(self.logits(batch.rows), batch.targets)}


def risks(logits: Float[Tensor, "k c"], batch: Batch) -> Float[Tensor, " m"]:
    """Mean cross-entropy of each modality, from logits of the batch's rows."""
    each = F.cross_entropy(logits, batch.targets, reduction="none")
    return each.unflatten(0, batch.labels.shape).mean(1)
