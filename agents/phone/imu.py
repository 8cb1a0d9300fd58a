"""What the inertial sensors of a phone measure on a smooth path: the second derivative of its position, and
its rotation rate."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from agents.phone.path import SmoothPath

GRAVITY = 9.80665
"""Standard gravity [m/s²]."""
RATE_HZ = 100.0
"""Readings a second."""


@dataclass(frozen=True, eq=False)
class Imu:
    """Readings without noise, in the axes of the camera: x right, y down, z forward."""

    times_s: Float64[np.ndarray, "n"]
    force: Float64[np.ndarray, "n 3"]  # specific force [m/s²]: at rest GRAVITY, upward
    rotation_rate: Float64[np.ndarray, "n 3"]  # [radians/s]


def inertial(path: SmoothPath, seconds: float) -> Imu:
    """The readings of the first `seconds` of a path."""
    times = np.arange(int(np.floor(seconds * RATE_HZ)) + 1) / RATE_HZ
    free = path.acceleration(times)
    free[:, 1] += GRAVITY
    force = np.einsum("nij,ni->nj", path.poses(times)[:, :3, :3], free)
    return Imu(times, force, path.rotation_rate(times))
