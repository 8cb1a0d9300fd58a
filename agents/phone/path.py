"""The smooth path of a phone through poses of the sampler `walk`: where it is at any time, how it moves.

Positions are cubic splines of time, rotations the splines of `scipy.spatial.transform.RotationSpline`, so
acceleration and rotation rate are continuous.
"""

import numpy as np
from jaxtyping import Float, Float64
from scipy.interpolate import CubicSpline
from scipy.spatial.transform import Rotation, RotationSpline

from agents.raycast.free_space import FreeSpace
from agents.samplers.walk import WalkOptions, walk
from scenes.seeding import rng

SPEED = 0.6
"""Of the walk [m/s]: that of a person who films."""
MOST_TURN = np.radians(45.0)
"""Largest mean rate of turning between two poses [radians/s]; where the walk turns more, it is slower."""
STEP = 0.1
"""Distance between the poses that the path goes through [m]."""
_CUT = 1.25 * STEP  # least distance of poses with a cut between; a tour ends up to 0.02 m short of a step
_MOST_DRAWN = 16  # poses of all tours drawn for each that is wanted, before it is given up


class SmoothPath:
    """A path through poses, each at a time that follows from SPEED and MOST_TURN."""

    def __init__(self, poses: Float64[np.ndarray, "n 4 4"]) -> None:
        """Raises ValueError for fewer than two poses."""
        if len(poses) < 2:
            raise ValueError("a path goes through two poses or more")
        places, turns = poses[:, :3, 3], Rotation.from_matrix(poses[:, :3, :3])
        far = np.linalg.norm(np.diff(places, axis=0), axis=1)
        angle = (turns[:-1].inv() * turns[1:]).magnitude()
        self.times = np.append(0.0, np.cumsum(np.maximum(far / SPEED, angle / MOST_TURN)))
        self._places, self._turns = CubicSpline(self.times, places), RotationSpline(self.times, turns)

    @property
    def seconds(self) -> float:
        """How long it takes."""
        return float(self.times[-1])

    def poses(self, times: Float[np.ndarray, "n"]) -> Float64[np.ndarray, "n 4 4"]:
        """Camera to world at times [s]."""
        poses = np.tile(np.eye(4), (len(times), 1, 1))
        poses[:, :3, :3] = self._turns(times).as_matrix()
        poses[:, :3, 3] = self._places(times)
        return poses

    def acceleration(self, times: Float[np.ndarray, "n"]) -> Float64[np.ndarray, "n 3"]:
        """Second derivative of the position in the world's axes [m/s²]."""
        return self._places(times, 2)

    def rotation_rate(self, times: Float[np.ndarray, "n"]) -> Float64[np.ndarray, "n 3"]:
        """Angular velocity in the camera's axes [radians/s]."""
        return self._turns(times, 1)


def walked_path(space: FreeSpace, seconds: float, eyes_m: float, seed: int) -> SmoothPath:
    """A path that takes at least `seconds`, along the walk of that seed.

    Where floor is not connected, the walk has cuts, which a phone has not: it stays where it begins. Raises
    ValueError where no floor is wide enough to walk on.
    """
    wanted = int(np.ceil(seconds * SPEED / STEP)) + 2
    options = WalkOptions(step_m=STEP, eyes_m=eyes_m)
    drawn = wanted
    while drawn <= _MOST_DRAWN * wanted:
        poses = _without_cuts(walk(space, drawn, rng(seed, "phone", "walk"), options).poses)
        if len(poses) >= wanted:
            return SmoothPath(poses[:wanted])
        drawn *= 2
    raise ValueError(
        f"{space.space}: the floor has no place to walk for {seconds:g} s without lifting the camera: ask "
        "for fewer seconds, or for another house"
    )


def _without_cuts(poses: Float64[np.ndarray, "n 4 4"]) -> Float64[np.ndarray, "m 4 4"]:
    """The first stretch of a walk and those, later in it, that go on where it ended."""
    places = poses[:, :3, 3]
    new = np.linalg.norm(np.diff(places, axis=0), axis=1) > _CUT
    stretches = np.split(np.arange(len(poses)), np.flatnonzero(new) + 1)
    kept = stretches[0]
    for stretch in stretches[1:]:
        if np.linalg.norm(places[stretch[0]] - places[kept[-1]]) <= _CUT:
            kept = np.append(kept, stretch)
    return poses[_apart(places, kept)]


def _apart(places: Float64[np.ndarray, "n 3"], kept: np.ndarray) -> np.ndarray:
    """Those of `kept` at least half a step from the one before: between two tours a step may be short."""
    far = np.linalg.norm(np.diff(places[kept], axis=0), axis=1)
    return kept[np.append(True, far >= STEP / 2)]
