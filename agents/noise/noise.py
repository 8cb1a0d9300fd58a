"""Noise of real sensors: off by default; a function of the frame and its generator.

    frames = add_noise(frames, NoiseConfig(depth="kinect", blur=0.004), generators)

Noise is added to what a sensor measures, rgb and depth. Edges are recomputed from the noisy image; normals
and labels stay those of the true geometry. The models are in `depth.py` and `rgb.py`: pure functions of
(frame, generator), each with its source.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Shaped
from pydantic import Field

from agents.edges import canny_edges
from agents.noise.depth import DEPTH_NOISE
from agents.noise.rgb import motion_blurred, with_exposure, with_sensor_noise
from scenes.config import Config


class NoiseConfig(Config):
    """Which noise is added; by default none."""

    depth: Literal["none", "kinect", "lidar"] = "none"
    """kinect: structured light with its steps, shadows and blind range; lidar: a time-of-flight scanner."""
    exposure_stops: float = Field(default=0.0, ge=0, le=3)
    """Standard deviation of an image's exposure [stops]."""
    grain: float = Field(default=0.0, ge=0, le=0.2)
    """Standard deviation of a mid-grey pixel's shot and read noise, as a fraction of white."""
    blur: float = Field(default=0.0, ge=0, le=0.2)
    """Standard deviation of the motion while the shutter is open, as a fraction of the image's width."""

    @property
    def changes_rgb(self) -> bool:
        """Whether rgb changes, and the edges computed from it."""
        return max(self.exposure_stops, self.grain, self.blur) > 0

    @property
    def description(self) -> str:
        """The noise in words, for a store's provenance; empty where there is none."""
        return ", ".join(f"{k} {v}" for k, v in self.model_dump(exclude_defaults=True).items())


def add_noise(
    frames: dict[str, Shaped[np.ndarray, "n ..."]],
    config: NoiseConfig,
    generators: Sequence[np.random.Generator],
) -> dict[str, Shaped[np.ndarray, "n ..."]]:
    """Return the frames with noise; keys as in `agents/modalities.py`, one generator per frame.

    Depth noise needs `intrinsics` among the frames. Where rgb changes, `edges` are recomputed from it.
    """
    noisy = dict(frames)
    # One generator per sensor: noise of rgb does not change that of depth.
    pairs = [generator.spawn(2) for generator in generators]
    if config.depth != "none" and "depth" in frames:
        model = DEPTH_NOISE[config.depth]
        lenses = frames["intrinsics"]
        noisy["depth"] = (
            np.stack([model(d, k, p[0]) for d, k, p in zip(frames["depth"], lenses, pairs, strict=True)])
            if len(pairs)
            else frames["depth"]
        )
    if config.changes_rgb and "rgb" in frames and len(pairs):
        noisy["rgb"] = np.stack(
            [_noisy_rgb(f, config, p[1]) for f, p in zip(frames["rgb"], pairs, strict=True)]
        )
        if "edges" in frames:
            noisy["edges"] = canny_edges(noisy["rgb"])
    return noisy


def _noisy_rgb(rgb: np.ndarray, config: NoiseConfig, generator: np.random.Generator) -> np.ndarray:
    """The order is that of a camera: motion blur, exposure, sensor noise."""
    if config.blur:
        rgb = motion_blurred(rgb, config.blur, generator)
    if config.exposure_stops:
        rgb = with_exposure(rgb, config.exposure_stops, generator)
    if config.grain:
        rgb = with_sensor_noise(rgb, config.grain, generator)
    return rgb
