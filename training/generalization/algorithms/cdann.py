"""CDANN, conditional domain-adversarial networks (Li et al., ECCV 2018)."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from training.generalization.algorithm import Algorithm, Batch, Draws, Losses, Pass
from training.generalization.hyperparameters import (
    BATCH_SIZE,
    Hyperparameter,
    one_of,
    power,
    whole_power,
)
from training.generalization.networks import Mlp, dropout_factors


class Cdann(Algorithm):
    """A discriminator tells modalities apart from features and classes; the features learn to deceive it.
    Steps of the discriminator and of the features take turns."""

    title = "CDANN"
    hyperparameters = (
        BATCH_SIZE,
        Hyperparameter("lambda", 1.0, power(10, -2, 2)),
        Hyperparameter("weight_decay_d", 0.0, power(10, -6, -2)),
        Hyperparameter("d_steps_per_g_step", 1, whole_power(2, 0, 3)),
        Hyperparameter("grad_penalty", 0.0, power(10, -2, 1)),
        Hyperparameter("beta1", 0.5, one_of(0.0, 0.5)),
        Hyperparameter("mlp_width", 256, whole_power(2, 6, 10)),
        Hyperparameter("mlp_depth", 3, one_of(3, 4, 5)),
        Hyperparameter("mlp_dropout", 0.0, one_of(0.0, 0.1, 0.5)),
        Hyperparameter("lr_g", 5e-5, power(10, -5, -3.5)),
        Hyperparameter("lr_d", 5e-5, power(10, -5, -3.5)),
        Hyperparameter("weight_decay_g", 0.0, power(10, -6, -2)),
    )

    def build(self) -> None:
        outputs, hyper = self.featurizer.outputs, self.hyper
        self.classifier = nn.Linear(outputs, self.setting.classes)
        self.discriminator = Mlp(outputs, self.setting.modalities, hyper["mlp_width"], hyper["mlp_depth"])
        self.class_embeddings = nn.Embedding(self.setting.classes, outputs)

    def optimise(self) -> None:
        hyper = self.hyper
        judges = [*self.discriminator.parameters(), *self.class_embeddings.parameters()]
        deceives = [*self.featurizer.parameters(), *self.classifier.parameters()]
        self.adam("judges", judges, hyper["lr_d"], hyper["weight_decay_d"], hyper["beta1"], 0.9)
        self.adam("deceives", deceives, hyper["lr_g"], hyper["weight_decay_g"], hyper["beta1"], 0.9)

    def passes(self) -> Sequence[Pass]:
        turns = self.hyper["d_steps_per_g_step"]
        if (self.steps + 1) % (1 + turns) < turns:
            return [Pass("judge", {"judges": "disc_loss"})]
        return [Pass("deceive", {"deceives": "gen_loss"})]

    def draw(self, items: int, rng: np.random.Generator) -> Draws:
        if not self.hyper["mlp_dropout"]:
            return {}
        rows = self.setting.modalities * items
        shape = (self.hyper["mlp_depth"] - 1, rows, self.hyper["mlp_width"])
        return {"dropout": torch.from_numpy(rng.random(shape))}

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        features, labels = self.featurizer(batch.rows), batch.targets
        kept = None
        if "dropout" in draws:
            kept = dropout_factors(draws["dropout"], self.hyper["mlp_dropout"]).to(features)
        seen = features + self.class_embeddings(labels)
        each = self._told_apart(seen, kept, batch)
        # As in the public code: classes are counted up to the batch's highest, in single precision.
        counts = (labels[:, None] == labels).sum(1)
        weights = 1.0 / (counts * (labels.max() + 1)).float()
        slope = torch.func.grad(lambda x: self._told_apart(x, kept, batch).sum())(seen)
        loss = (weights * each).sum() + self.hyper["grad_penalty"] * slope.square().sum(1).mean()
        if name == "judge":
            return {"disc_loss": loss}
        risk = F.cross_entropy(self.classifier(features), labels)
        return {"gen_loss": risk - self.hyper["lambda"] * loss}

    def predict(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n c"]:
        return self.classifier(self.featurizer(features))

    def _told_apart(
        self, seen: Float[Tensor, "n d"], kept: Float[Tensor, "l n w"] | None, batch: Batch
    ) -> Float[Tensor, " n"]:
        """The discriminator's loss for each item."""
        return F.cross_entropy(self.discriminator(seen, kept), batch.sources, reduction="none")
