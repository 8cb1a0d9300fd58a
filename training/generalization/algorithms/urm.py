"""URM, uniform risk minimization (Krishnamachari et al., TMLR 2024)."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from training.generalization.algorithm import Batch, Draws, Losses, Pass
from training.generalization.algorithms.erm import Erm
from training.generalization.hyperparameters import COMMON, Hyperparameter, one_of, power, uniform
from training.generalization.networks import Mlp

HIDDEN = 100
"""Width of the discriminator."""
RANGES = {"tanh": (-1.0, 1.0), "relu": (0.0, 1.0)}
"""Of the uniform noise, by the output of the features."""


class Urm(Erm):
    """A discriminator tells features from uniform noise; the features learn to deceive it."""

    title = "URM"
    hyperparameters = (
        *COMMON,
        Hyperparameter("urm_adv_lambda", 0.1, uniform(0, 0.2)),
        Hyperparameter("urm_discriminator_hidden_layers", 1, one_of(1, 2, 3)),
        Hyperparameter("urm_generator_output", "tanh", one_of("tanh", "relu")),
        Hyperparameter("urm_discriminator_lr", 5e-5, power(10, -6, -4.5)),
    )
    knows = ("activation",)

    def build(self) -> None:
        super().build()
        depth = self.hyper["urm_discriminator_hidden_layers"] + 2
        self.discriminator = Mlp(self.featurizer.outputs, 1, HIDDEN, depth, leak=0.01)

    def optimise(self) -> None:
        super().optimise()
        parameters, lr = self.discriminator.parameters(), self.hyper["urm_discriminator_lr"]
        self.adam("discriminator", parameters, lr, self.hyper["weight_decay"])

    def passes(self) -> Sequence[Pass]:
        return [Pass("all", {"network": "loss", "discriminator": "disc_loss"})]

    def encode(self, features: Float[Tensor, "n d"]) -> Float[Tensor, "n e"]:
        encoded = self.featurizer(features)
        if "activation" in self.faults:
            return encoded
        return encoded.tanh() if self.hyper["urm_generator_output"] == "tanh" else encoded.relu()

    def draw(self, items: int, rng: np.random.Generator) -> Draws:
        shape = (self.setting.modalities * items, self.featurizer.outputs)
        return {"noise": torch.from_numpy(rng.random(shape))}

    def forward(self, name: str, batch: Batch, draws: Draws) -> Losses:
        weight = self.hyper["urm_adv_lambda"]
        low, high = RANGES[self.hyper["urm_generator_output"]]
        noise = draws["noise"].to(batch.features) * (high - low) + low
        features = self.encode(batch.rows)
        risk = F.cross_entropy(self.classifier(features), batch.targets)
        return {
            "loss": risk + weight * self._taken_for(1.0, features),
            "disc_loss": self._taken_for(1.0, noise) + weight * self._taken_for(0.0, features.detach()),
        }

    def _taken_for(self, truth: float, features: Float[Tensor, "n e"]) -> Float[Tensor, ""]:
        """Loss of the discriminator's answers; 1 is noise, 0 features."""
        logits = self.discriminator(features)[:, 0]
        return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))
