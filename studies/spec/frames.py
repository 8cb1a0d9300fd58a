"""Frames of a run: how they are sensed, what each phase of pre-training has of them, what is mixed in."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from agents.noise.noise import NoiseConfig
from agents.samplers.registry import SamplerName, SamplerOptions
from agents.simulator import Quality, SimulatorName
from scenes.config import Config


def without_nulls(value: Any) -> Any:
    """A mapping without its null entries: an arm or a preset removes an inherited entry by null."""
    return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value


class Sensing(Config):
    """Cameras, sensors and renderer of all frames of a run."""

    size: int = Field(default=64, ge=16)
    """Height and width [pixels]."""
    fov_deg: float = Field(default=90.0, gt=10, lt=150)
    """Field of view [degrees]."""
    sampler: SamplerName = "dense"
    """Sampler of the camera poses of pre-training frames; all other frames are sampled densely, and so
    are those of houses with an `area_m2`."""
    sampling: SamplerOptions = SamplerOptions()
    """Options of the sampler."""
    noise: NoiseConfig = NoiseConfig()
    """Sensor noise."""
    simulator: SimulatorName = "raycast"
    """The renderer."""
    quality: Quality = "fast"
    """Quality of raycast: fast, or fine, which takes several times as long."""
    seed: int = 0
    """Seed of the poses. The role of a frame enters too, so that no two roles share a pose."""


def named(value: Any) -> Any:
    """The short form of a phase: the name of its one set of houses."""
    return {"houses": {value: 1.0}} if isinstance(value, str) else value


class Phase(Config):
    """One pre-training; each phase but the first starts from the weights of the one before."""

    houses: Annotated[dict[str, float], BeforeValidator(without_nulls)]
    """Sets of houses, each with its share of the frames and of the samples. None: the images of the mix-in
    are all that is learned from."""
    modalities: Annotated[dict[str, tuple[str, ...]], BeforeValidator(without_nulls)] = {}
    """Modalities of a set of houses where it has not all of the run's. No others of that set are stored, seen
    or predicted."""
    frames: int | None = Field(default=None, ge=1)
    """Total number of frames, spread evenly over the houses of each set; none: the run's `frames`."""
    pretrain: dict[str, Any] = {}
    """Fields of the run's `pretrain` that this phase overrides."""


class MixIn(Config):
    """Images of other houses in every pre-training: the paper's mix-in of the transfer set (Sec. 4.1, App. L
    and U), its RGB alone and without labels."""

    share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the samples of every phase; 0: none. A ratio of transfer to test space of 1/n is a share of
    1 / (1 + n)."""
    houses: str | None = None
    """The set of houses; none: the one whose labels are learned from."""
    frames: int | None = Field(default=None, ge=1)
    """Images per house; none: as many as have labels, and so the images of the transfer themselves."""
