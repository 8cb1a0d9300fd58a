"""A model of a task: the encoder that every method shares, inputs beside RGB, and the task's head."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from engine.store.schema import OutputKind
from training.models.encoder import Encoder, patchify
from training.models.modality_transforms import IMAGE_OUTPUTS, modality_transform
from training.models.network_input import NetworkInput, PlaceInput
from training.reconstruction.joint import SensorReconstruction
from training.transfer.task import FeatureShape, Targets, TaskHead


class ModalityInput(nn.Module):
    """A modality that the encoder was not made for, as tokens without their places: patches of what
    training/models/modality_transforms.py makes of it (depth as its logarithm, and where there is none),
    through a projection of its own, plus a vector that says which modality it is (MultiMAE,
    arXiv:2204.01678)."""

    def __init__(self, modality: str, dim: int, patch: int, output: OutputKind | None = None):
        """`output`: of the network that made the modality, where one did."""
        super().__init__()
        self.transform, self.patch = modality_transform(modality, output), patch
        self.patches = nn.Linear(self.transform.channels * patch**2, dim, bias=False)
        self.modality_embedding = nn.Parameter(torch.empty(dim))

    def forward(self, images: Shaped[Tensor, "b h w *c"]) -> Float[Tensor, "b n d"]:
        """Tokens of stored images, one a patch, row by row."""
        values = self.transform.to_input(images).permute(0, 2, 3, 1).contiguous()
        return self.patches(patchify(values, self.patch)) + self.modality_embedding


class TaskModel(nn.Module):
    """Encoder and head. `inputs`: the modalities it sees, rgb first; `made`: those that networks make.

    Tokens of all modalities attend to each other in the encoder. The head reads those of RGB alone: what the
    others know reaches it through attention, and the head is the same, at the same cost, whatever there is
    to see."""

    def __init__(
        self,
        encoder: Encoder,
        head: TaskHead,
        inputs: tuple[str, ...] = ("rgb",),
        made: Mapping[str, NetworkInput] = MappingProxyType({}),
    ):
        super().__init__()
        self.encoder, self.head, self.inputs = encoder, head, inputs
        self.made = dict(made)
        self.further = nn.ModuleDict({m: self._input(m) for m in inputs[1:]})
        self.reconstruction: SensorReconstruction | None = None
        """What was learned jointly with the task, where something was; no prediction needs it."""

    def facts(self) -> dict[str, Any]:
        """What it must be built with beside its configuration, JSON values."""
        made = {name: found.model_dump(mode="json") for name, found in self.made.items()}
        facts: dict[str, Any] = {"network_inputs": made} if made else {}
        if self.reconstruction is not None:
            facts["reconstruction"] = self.reconstruction.facts()
        return facts

    def _input(self, modality: str) -> nn.Module:
        config, made = self.encoder.config, self.made.get(modality)
        if made is None or made.output in IMAGE_OUTPUTS:
            output = None if made is None else made.output
            return ModalityInput(modality, config.dim, config.patch, output)
        return PlaceInput(made, config.dim, self.encoder.grid)

    @property
    def shape(self) -> FeatureShape:
        """Of the features that the head gets."""
        return FeatureShape(self.encoder.config.dim, self.encoder.grid, self.encoder.config.patch)

    def features(
        self,
        images: Mapping[str, Shaped[Tensor, "b ..."]],
        drop_path_scale: Float[Tensor, "depth 2 b"] | None = None,
    ) -> Float[Tensor, "b n d"]:
        """Of the patches of RGB, row-major; `images`: each modality as stored, rgb uint8 [b, h, w, 3].
        `drop_path_scale`: of drop path, given in training only."""
        return features(self.encoder, self.further, images, drop_path_scale)

    def decode(self, features: Float[Tensor, "b n d"], targets: Targets | None = None) -> Any:
        """The head's output. `targets`: in training only."""
        return self.head(features, targets)

    def forward(
        self,
        images: Mapping[str, Shaped[Tensor, "b ..."]],
        drop_path_scale: Float[Tensor, "depth 2 b"] | None = None,
        targets: Targets | None = None,
    ) -> Any:
        """The head's output for images as stored."""
        return self.with_features(images, drop_path_scale, targets)[0]

    def with_features(
        self,
        images: Mapping[str, Shaped[Tensor, "b ..."]],
        drop_path_scale: Float[Tensor, "depth 2 b"] | None = None,
        targets: Targets | None = None,
    ) -> tuple[Any, Float[Tensor, "b n d"]]:
        """The head's output, and the features that it is of."""
        found = self.features(images, drop_path_scale)
        return self.decode(found, targets), found


def features(
    encoder: Encoder,
    further: nn.ModuleDict,
    images: Mapping[str, Shaped[Tensor, "b ..."]],
    drop_path_scale: Float[Tensor, "depth 2 b"] | None = None,
) -> Float[Tensor, "b n d"]:
    """See `TaskModel.features`; `further`: what embeds the inputs beside RGB."""
    tokens = encoder.embed(patchify(images["rgb"], encoder.config.patch))
    patches = tokens.shape[1]
    others = [embed(images[name]) + encoder.positions for name, embed in further.items()]
    return encoder.run(torch.cat([tokens, *others], dim=1), drop_path_scale=drop_path_scale)[:, :patches]


def drop_path(
    rate: float, depth: int, batch: int, rng: np.random.Generator
) -> Float[Tensor, "depth 2 batch"] | None:
    """The `drop_path_scale` of `Encoder.run`: stochastic depth (Huang et al., arXiv:1603.09382), drawn for
    each sample as in timm.

    A branch is left out with a probability that grows linearly from 0 in the first block to `rate` in the
    last, and counts 1 / (1 - probability) otherwise. None for a rate of 0."""
    if rate == 0:
        return None
    chance = np.linspace(0, rate, depth)[:, None, None]
    return torch.from_numpy((rng.random((depth, 2, batch)) >= chance) / (1 - chance)).float()
