"""A phone carried through a house: colours, depth with confidence, poses and inertial readings.

    simulator.load(space)
    recording = Recording(simulator, PhoneConfig(seconds=20, seed=3))
    for frame in recording.frames(): ...

All of it is a function of the space, the configuration and its seed. The world is the house's. There are no
labels in it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt16
from pydantic import Field

from agents.cameras import Cameras, intrinsics_from_fov
from agents.noise.depth import DEPTH_NOISE
from agents.noise.noise import NoiseConfig
from agents.noise.rgb import exposed, motion_blurred, with_sensor_noise
from agents.phone.confidence import confidence
from agents.phone.imu import inertial
from agents.phone.path import walked_path
from agents.simulator import Simulator
from scenes.config import Config
from scenes.seeding import rng

MOST_DEPTH_ROWS = 192
"""Rows of ARKit's depth; of smaller images, depth has half the rows."""
EXPOSURE_S = 2.0
"""Time in which the exposure follows a change of brightness [s]."""
_BLOCK = 8  # frames that are rendered at a time


class PhoneConfig(Config):
    """How a phone records."""

    seconds: float = Field(default=60.0, gt=0)
    """Length of the recording [s]; the walk makes 0.6 m a second."""
    fps: Literal[60, 30, 15, 5, 1] = 5
    """Frames a second, as Stray Scanner lets one choose."""
    height: int = Field(default=480, ge=16, multiple_of=2)
    """Height of a frame [pixels]."""
    width: int = Field(default=640, ge=16, multiple_of=2)
    """Width of a frame [pixels]."""
    fov_deg: float = Field(default=65.0, gt=10, lt=120)
    """Horizontal field of view [degrees]."""
    eyes_m: float = Field(default=1.45, gt=0.2)
    """Height of the camera above the floor [m]."""
    dropped: float = Field(default=0.02, ge=0, le=0.5)
    """Share of frames that the phone loses."""
    noise: NoiseConfig = NoiseConfig(depth="lidar", exposure_stops=0.15, grain=0.01, blur=0.001)
    """Noise of depth and colours; the exposure drifts over about 2 s."""
    seed: int = 0
    """Of path, noise and lost frames."""


@dataclass(frozen=True, eq=False)
class PhoneFrame:
    """One frame."""

    time_s: float  # since the recording began
    rgb: UInt8[np.ndarray, "h w 3"]  # sRGB
    depth: UInt16[np.ndarray, "dh dw"]  # z-depth [mm] of the same view, 0 = not measured
    confidence: UInt8[np.ndarray, "dh dw"]  # 0, 1 or 2
    pose: Float64[np.ndarray, "4 4"]  # camera to world, OpenCV axes, y-up world [m]


class Recording:
    """A recording; its frames are rendered when they are asked for.

    `times_s` [n] are those of the frames that were not lost, `poses` [n, 4, 4] their cameras' (camera to
    world, OpenCV axes), `lens` fx, fy, cx, cy [pixels of rgb], `lost` the number of lost frames.
    """

    def __init__(self, simulator: Simulator, config: PhoneConfig) -> None:
        """Of the space that the simulator has loaded. Raises ValueError where no one can walk."""
        self._simulator, self.config = simulator, config
        path = walked_path(simulator.free_space(), config.seconds, config.eyes_m, config.seed)
        every = np.arange(int(np.ceil(config.seconds * config.fps - 1e-9))) / config.fps
        lost = rng(config.seed, "phone", "dropped").random(len(every)) < config.dropped
        lost[0] = False  # a recording begins with its first frame
        self._numbers = np.flatnonzero(~lost)  # of the frames that are kept, among all
        self._stops = _exposures(len(every), config)
        self.lost = int(lost.sum())
        self.times_s = every[self._numbers]
        self.poses = path.poses(self.times_s)
        self.imu = inertial(path, config.seconds)
        height, width = config.height, config.width
        self.lens = intrinsics_from_fov(config.fov_deg, height, width)
        rows = min(MOST_DEPTH_ROWS, height // 2)
        self.depth_shape = rows, round(rows * width / height)

    def __len__(self) -> int:
        return len(self.times_s)

    @property
    def depth_lens(self) -> Float32[np.ndarray, "4"]:
        """fx, fy, cx, cy of depth, the same view with fewer pixels."""
        rows, columns = self.depth_shape
        x, y = columns / self.config.width, rows / self.config.height
        return (self.lens * (x, y, x, y)).astype(np.float32)

    def frames(self) -> Iterator[PhoneFrame]:
        """The frames that the phone did not lose, in order."""
        for first in range(0, len(self), _BLOCK):
            poses = self.poses[first : first + _BLOCK]
            colours = self._render(poses, self.lens, (self.config.height, self.config.width), "rgb")
            depths = self._render(poses, self.depth_lens, self.depth_shape, "depth")
            for i, (rgb, true) in enumerate(zip(colours, depths, strict=True), first):
                number = int(self._numbers[i])
                depth = self._depth(true, number)
                trust = confidence(depth, true, self.depth_lens)
                yield PhoneFrame(
                    float(self.times_s[i]), self._colours(rgb, number), depth, trust, self.poses[i]
                )

    def _render(
        self, poses: np.ndarray, lens: np.ndarray, shape: tuple[int, int], modality: str
    ) -> np.ndarray:
        cameras = Cameras(poses, np.tile(lens, (len(poses), 1)), *shape)
        return self._simulator.render(cameras, [modality])[modality]

    def _depth(self, true: np.ndarray, number: int) -> np.ndarray:
        if self.config.noise.depth == "none":
            return true
        noise = DEPTH_NOISE[self.config.noise.depth]
        return noise(true, self.depth_lens, rng(self.config.seed, "phone", "depth", number))

    def _colours(self, rgb: np.ndarray, number: int) -> np.ndarray:
        """The order is that of a camera: motion blur, exposure, sensor noise."""
        noise, generator = self.config.noise, rng(self.config.seed, "phone", "rgb", number)
        if noise.blur:
            rgb = motion_blurred(rgb, noise.blur, generator)
        if noise.exposure_stops:
            rgb = exposed(rgb, float(self._stops[number]))
        return with_sensor_noise(rgb, noise.grain, generator) if noise.grain else rgb


def _exposures(count: int, config: PhoneConfig) -> Float64[np.ndarray, "n"]:
    """Exposure of each frame [stops]: an Ornstein-Uhlenbeck process with the deviation that is asked for."""
    drawn = rng(config.seed, "phone", "exposure").normal(0.0, config.noise.exposure_stops, count)
    kept = np.exp(-1 / (config.fps * EXPOSURE_S))
    stops = np.zeros(count)
    for i in range(count):
        stops[i] = drawn[0] if i == 0 else kept * stops[i - 1] + np.sqrt(1 - kept**2) * drawn[i]
    return stops
