"""Reconstruction of sensors beside a task: learned jointly with it (`tst transfer`, field `joint`), it adapts
the encoder at test time (training/adaptation/mmr.py)."""

from collections.abc import Iterable
from typing import Any

from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor, nn

from scenes.config import Config
from training.reconstruction.decoder import ImageLosses, ReconstructionDecoder, Targets, TargetSpec
from training.reconstruction.targets import SENSORS, Images, Statistics, sensor_specs, sensor_targets


class JointConfig(Config):
    """How a task is learned jointly with the reconstruction of sensors: the loss is the task's + `weight` ×
    `reconstruction_loss`."""

    targets: tuple[str, ...] = tuple(SENSORS)
    """Sensors that are reconstructed, inputs of the model or not."""
    weight: float = Field(default=1.0, gt=0)
    """Of the reconstruction in the loss; the task's has 1."""

    @field_validator("targets")
    @classmethod
    def _are_sensors(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        if not targets or len(set(targets)) < len(targets):
            raise ValueError(f"targets {list(targets)}: name one sensor at least, and each once")
        sensor_specs(targets)
        return targets

    @property
    def specs(self) -> tuple[TargetSpec, ...]:
        """What each target is."""
        return sensor_specs(self.targets)


class SensorReconstruction(nn.Module):
    """The decoder of some sensors, with the statistics that their values are standardised by."""

    def __init__(self, specs: Iterable[TargetSpec], statistics: Statistics, dim: int, grid: int, image: int):
        """`dim`, `grid`: of the features of patches; `image`: side of the images [pixels]."""
        super().__init__()
        self.decoder = ReconstructionDecoder(dim, grid, image, tuple(specs))
        self.statistics = statistics

    @property
    def sensors(self) -> tuple[str, ...]:
        """Names of what it reconstructs."""
        return tuple(spec.name for spec in self.decoder.specs)

    def targets(self, images: Images) -> Targets:
        """Of images as stored, by sensor; those of the decoder's sensors that are there."""
        return sensor_targets(self.decoder.specs, images, self.statistics)

    def forward(self, features: Float[Tensor, "b n d"], images: Images) -> ImageLosses:
        """Losses of images as stored, by sensor, from their features."""
        return self.decoder.losses(features, self.targets(images))

    def facts(self) -> dict[str, Any]:
        """What it must be built with beside its sensors, JSON values."""
        return {"statistics": self.statistics}
