"""Concat: one classifier of the features of all modalities side by side."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from training.generalization.algorithm import Algorithm, Batch, Draws, Losses, Pass
from training.generalization.hyperparameters import (
    BATCH_SIZE,
    HIGH_LEARNING_RATE,
    Hyperparameter,
    power,
    uniform,
)

MULTIMODAL = (BATCH_SIZE, HIGH_LEARNING_RATE, Hyperparameter("wc", 1e-4, power(10, -3.5, -4.5)))
"""`wc` is the weight decay."""
MOMENTUM = Hyperparameter("momentum", 0.9, uniform(0.85, 0.95))


class Concat(Algorithm):
    """The base of multimodal learning: items have all training modalities at once. An item of the unseen
    modality takes the place of every one."""

    title = "Concat"
    hyperparameters = MULTIMODAL
    knows = ("rows",)
    paired = True

    def build(self) -> None:
        width = self.featurizer.outputs * self.setting.modalities
        self.classifier = nn.Linear(width, self.setting.classes)

    def optimise(self) -> None:
        self.adam("network", self.parameters(), self.hyper["lr"], self.hyper["wc"])

    def passes(self) -> Sequence[Pass]:
        return [Pass("all", {"network": "loss"})]

    def parts(self, batch: Batch) -> list[Float[Tensor, "n e"]]:
        """Features of each modality."""
        if "rows" not in self.faults:
            return list(self.featurizer(batch.features))
        # In the public code's batches the modalities of an item follow one another.
        rows = self.featurizer(batch.features.transpose(0, 1).flatten(0, 1))
        modalities, items = batch.labels.shape
        return [rows[first : first + items] for first in range(modalities)]

    def together(self, parts: Sequence[Float[Tensor, "n e"]]) -> Float[Tensor, "n c"]:
        """Logits of features of all modalities."""
        return self.classifier(torch.cat(list(parts), dim=1))

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        return {"loss": F.cross_entropy(self.together(self.parts(batch)), batch.labels[0])}

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return self.together([self.featurizer(features)] * self.setting.modalities)
