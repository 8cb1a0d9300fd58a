"""The auxiliary task of TTT-MMR: a linear decoder reconstructs sensors from the encoder's features.

TTT-MMR is MMEarth-Bench's test-time training by multimodal reconstruction (Gordon et al.). A target need
not be an input: any sensor that there is at test time will do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Shaped
from torch import Tensor, nn


@dataclass(frozen=True)
class TargetSpec:
    """One sensor that is reconstructed."""

    name: str
    channels: int
    """Numbers, or classes where it is `categorical`."""
    categorical: bool = False
    of_image: bool = False
    """One value for the whole image, such as a part of the camera's pose; else one for each pixel."""


class Target(NamedTuple):
    """What is true of b images: numbers that are standardised, or indices of classes (int64)."""

    values: Shaped[Tensor, "b ..."]
    """[b, channels, h, w], or [b, h, w] of classes; of whole images without h and w."""
    valid: Bool[Tensor, "b ..."] | None = None
    """Which pixels [b, h, w], or images [b], have a value; none: all."""


Targets = Mapping[str, Target]
ImageLosses = dict[str, Float[Tensor, " b"]]
"""Mean loss of each image by target, NaN where no pixel of it has a value."""


class ReconstructionDecoder(nn.Module):
    """Features of patches [b, grid², dim], row-major, to maps of `image` pixels a side: one linear layer for
    all targets, interpolated bilinearly. What is of the whole image is the mean of its map."""

    def __init__(self, dim: int, grid: int, image: int, specs: Sequence[TargetSpec]):
        super().__init__()
        self.grid, self.image, self.specs = grid, image, tuple(specs)
        self.linear = nn.Linear(dim, sum(spec.channels for spec in specs))

    def forward(self, features: Float[Tensor, "b n d"]) -> dict[str, Float[Tensor, "b _ ..."]]:
        """Numbers, or logits of classes, by target."""
        # Of the few channels that come out, not of the features: interpolation and linear layer commute.
        coarse = self.linear(features).transpose(1, 2).unflatten(2, (self.grid, self.grid))
        fine = F.interpolate(coarse, size=(self.image, self.image), mode="bilinear", align_corners=False)
        parts = fine.split([spec.channels for spec in self.specs], dim=1)
        return {
            spec.name: part.mean((2, 3)) if spec.of_image else part
            for spec, part in zip(self.specs, parts, strict=True)
        }

    def losses(self, features: Float[Tensor, "b n d"], targets: Targets) -> ImageLosses:
        """Squared error of numbers, cross-entropy of classes, by target, where there is one. Raises
        ValueError where none is given."""
        given = [spec for spec in self.specs if spec.name in targets]
        if not given:
            raise ValueError(
                f"no target is among {', '.join(targets) or 'nothing'}: the decoder reconstructs "
                f"{', '.join(spec.name for spec in self.specs)}"
            )
        predicted = self(features)
        return {spec.name: _loss(spec, predicted[spec.name], targets[spec.name]) for spec in given}


def _loss(spec: TargetSpec, predicted: Tensor, target: Target) -> Tensor:
    """Mean over the pixels (and channels) of each image that have a value."""
    values = target.values
    pixels = values.shape if spec.categorical else (len(values), *values.shape[2:])
    valid = values.new_ones(pixels, dtype=torch.bool) if target.valid is None else target.valid
    # What stands where there is no value, a class of its own or NaN, reaches neither loss nor gradient.
    if spec.categorical:
        each = F.cross_entropy(predicted, values.masked_fill(~valid, 0), reduction="none")
    else:
        each = (predicted - values.masked_fill(~valid[:, None], 0)).square().mean(1)
    each, valid = each.masked_fill(~valid, 0.0).reshape(len(each), -1), valid.reshape(len(each), -1)
    count = valid.sum(1)
    return (each.sum(1) / count.clamp_min(1)).masked_fill(count == 0, torch.nan)


def reconstruction_loss(losses: ImageLosses) -> Float[Tensor, ""]:
    """The auxiliary loss of joint training: mean over images and targets that have one."""
    return torch.stack(list(losses.values()), dim=1).nanmean()
