"""Noise of real sensors, by choice: off unless asked for, and for each frame a function of its generator.

    frames = add_noise(frames, NoiseConfig(depth="kinect", blur=0.004), generators)

Noise goes on what a sensor measures: rgb and depth. Edges are then those of the noisy picture, since a body
has no other; normals and labels stay those of the true geometry. The models are in `depth.py` and
`rgb.py`, pure functions of (frame, generator), each with its source.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Shaped
from pydantic import Field

from agents.edges import canny_edges
from agents.noise.depth import DEPTH_NOISE
from agents.noise.rgb import exposed, grainy, moved
from scenes.config import Config


class NoiseConfig(Config):
    """Which noise frames get; by default none."""

    depth: Literal["none", "kinect", "lidar"] = "none"
    """kinect: structured light with its steps, shadows and blind range; lidar: a time-of-flight scanner."""
    exposure_stops: float = Field(default=0.0, ge=0, le=3)
    """Standard deviation of each picture's exposure [stops]."""
    grain: float = Field(default=0.0, ge=0, le=0.2)
    """Standard deviation of a mid-grey pixel's shot and read noise, as a share of white."""
    blur: float = Field(default=0.0, ge=0, le=0.2)
    """Standard deviation of a picture's motion while the shutter is open, as a share of its width."""

    @property
    def of_rgb(self) -> bool:
        """Whether pictures are changed, and their edges with them."""
        return max(self.exposure_stops, self.grain, self.blur) > 0

    @property
    def words(self) -> str:
        """What a store says of it; empty where there is none."""
        return ", ".join(f"{k} {v}" for k, v in self.model_dump(exclude_defaults=True).items())


def add_noise(
    frames: dict[str, Shaped[np.ndarray, "n ..."]],
    config: NoiseConfig,
    generators: Sequence[np.random.Generator],
) -> dict[str, Shaped[np.ndarray, "n ..."]]:
    """The frames with noise, a generator each; keys as in `agents/modalities.py`.

    Depth noise needs `intrinsics`; `edges` are drawn anew from `rgb` where that changes, and so need it.
    """
    noisy = dict(frames)
    # One generator a sensor: what rgb is given does not change what depth gets.
    pairs = [generator.spawn(2) for generator in generators]
    if config.depth != "none" and "depth" in frames:
        model = DEPTH_NOISE[config.depth]
        lenses = frames["intrinsics"]
        noisy["depth"] = (
            np.stack([model(d, k, p[0]) for d, k, p in zip(frames["depth"], lenses, pairs, strict=True)])
            if len(pairs)
            else frames["depth"]
        )
    if config.of_rgb and "rgb" in frames and len(pairs):
        noisy["rgb"] = np.stack(
            [_noisy_rgb(f, config, p[1]) for f, p in zip(frames["rgb"], pairs, strict=True)]
        )
        if "edges" in frames:
            noisy["edges"] = canny_edges(noisy["rgb"])
    return noisy


def _noisy_rgb(rgb: np.ndarray, config: NoiseConfig, generator: np.random.Generator) -> np.ndarray:
    """In the order of a camera: motion while the shutter is open, exposure, then the chip's noise."""
    if config.blur:
        rgb = moved(rgb, config.blur, generator)
    if config.exposure_stops:
        rgb = exposed(rgb, config.exposure_stops, generator)
    if config.grain:
        rgb = grainy(rgb, config.grain, generator)
    return rgb
