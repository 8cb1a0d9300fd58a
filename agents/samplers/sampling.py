"""What samplers share: the views that they return, and the test whether a place is free for a camera."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.special import ndtr, ndtri

from agents.raycast.free_space import FreeSpace

CLEARANCE = 0.25
"""Least distance of a camera from any surface [m]."""
SIGHT = 0.4
"""Least distance to what is in the middle of the picture [m]."""
ROUND = 128
"""Candidates drawn at a time: always as many, so that a longer request begins as a shorter one does."""
PATIENCE = 40
"""Rounds in a row that may fail before the space is declared full."""


@dataclass(frozen=True, eq=False)
class Views:
    """Where cameras stand and, where the sampler decides that, how wide they see."""

    poses: Float64[np.ndarray, "n 4 4"]  # camera to world
    fov_deg: Float64[np.ndarray, "n"] | None = None  # horizontal; None: the caller's

    def after(self, first: int) -> "Views":
        """Without the first ones."""
        return Views(self.poses[first:], None if self.fov_deg is None else self.fov_deg[first:])

    @staticmethod
    def joined(views: Sequence["Views"]) -> "Views":
        """One after the other; all of one sampler."""
        angles = [v.fov_deg for v in views if v.fov_deg is not None]
        return Views(np.concatenate([v.poses for v in views]), np.concatenate(angles) if angles else None)


def good_views(space: FreeSpace, poses: Float[np.ndarray, "n 4 4"]) -> Bool[np.ndarray, "n"]:
    """Which poses are in a room, inside nothing, and clear of surfaces all about and straight ahead."""
    places, ahead = poses[:, :3, 3], poses[:, :3, 2]
    good = good_places(space, places)
    good[good] = space.sight(places[good], ahead[good], SIGHT * 1.01) >= SIGHT
    return good


def good_places(
    space: FreeSpace, places: Float[np.ndarray, "n 3"], clearance: float = CLEARANCE
) -> Bool[np.ndarray, "n"]:
    """Which points are in a room, inside nothing and `clearance` [m] from every surface."""
    good = space.clearance(places, clearance * 1.01) >= clearance
    good[good] = space.contains(places[good])
    return good


def check_floor(space: FreeSpace) -> None:
    """Raise ValueError where there is no floor to stand above."""
    if not space.floor:
        raise ValueError(f"{space.space} has no floor region, so no free space to put a camera in")


def no_place(space: FreeSpace, tries: int) -> ValueError:
    """The error of a space that is full."""
    return ValueError(
        f"{space.space}: no free place for a camera in {tries} tries; its rooms leave no point "
        f"{CLEARANCE} m clear of every surface"
    )


def truncated_normal(share: Float[np.ndarray, "n"], sigma: float, most: float) -> Float[np.ndarray, "n"]:
    """Normal deviates of width `sigma` cut off at ±`most`, from uniform ones in [0, 1)."""
    low = ndtr(-most / sigma)
    return sigma * ndtri(low + share * (1 - 2 * low))


PITCH = np.radians(30.0)
"""Limit of a random pitch: cameras that stare at floor or ceiling see little."""
ROLL, MOST_ROLL = np.radians(5.0), np.radians(15.0)


def looking_about(
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Yaw uniform, pitch uniform within PITCH, roll normal and cut off, ROUND of each [radians]."""
    yaw = rng.uniform(-np.pi, np.pi, ROUND)
    pitch = rng.uniform(-PITCH, PITCH, ROUND)
    roll = np.clip(rng.normal(0.0, ROLL, ROUND), -MOST_ROLL, MOST_ROLL)
    return yaw, pitch, roll
