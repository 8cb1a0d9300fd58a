"""Common to all samplers: the views that they return, and the test whether a camera fits at a point."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float64
from scipy.special import ndtr, ndtri

from agents.raycast.free_space import FreeSpace

CLEARANCE = 0.25
"""Smallest distance of a camera from any surface [m]."""
SIGHT = 0.4
"""Smallest distance along the optical axis to a surface [m]."""
ROUND_SIZE = 128
"""Candidates per round; constant, so that a longer request begins with the views of a shorter one."""
MAX_FAILED_ROUNDS = 40
"""Rounds in a row without a free candidate before a sampler gives up."""


@dataclass(frozen=True, eq=False)
class Views:
    """Camera poses and, where the sampler chooses them, fields of view."""

    poses: Float64[np.ndarray, "n 4 4"]  # camera to world
    fov_deg: Float64[np.ndarray, "n"] | None = None  # horizontal; None: the caller's

    def after(self, first: int) -> "Views":
        """Return the views without the first `first`."""
        return Views(self.poses[first:], None if self.fov_deg is None else self.fov_deg[first:])

    @staticmethod
    def joined(views: Sequence["Views"]) -> "Views":
        """Concatenate views of one sampler."""
        angles = [v.fov_deg for v in views if v.fov_deg is not None]
        return Views(np.concatenate([v.poses for v in views]), np.concatenate(angles) if angles else None)


def valid_views(space: FreeSpace, poses: Float[np.ndarray, "n 4 4"]) -> Bool[np.ndarray, "n"]:
    """Which poses are in free space and have SIGHT clear along the optical axis."""
    places, ahead = poses[:, :3, 3], poses[:, :3, 2]
    good = free_places(space, places)
    good[good] = space.sight(places[good], ahead[good], SIGHT * 1.01) >= SIGHT
    return good


def free_places(
    space: FreeSpace, places: Float[np.ndarray, "n 3"], clearance: float = CLEARANCE
) -> Bool[np.ndarray, "n"]:
    """Which points [m] are in a room, in no object, and at least `clearance` [m] from every surface."""
    good = space.clearance(places, clearance * 1.01) >= clearance
    good[good] = space.contains(places[good])
    return good


def check_floor(space: FreeSpace) -> None:
    """Raise ValueError for a space without a floor region."""
    if not space.floor:
        raise ValueError(f"{space.space} has no floor region, so no free space to put a camera in")


def no_free_place(space: FreeSpace, tries: int) -> ValueError:
    """The ValueError for a space without a free place for a camera."""
    return ValueError(
        f"{space.space}: no free place for a camera in {tries} tries; its rooms leave no point "
        f"{CLEARANCE} m clear of every surface"
    )


def truncated_normal(share: Float[np.ndarray, "n"], sigma: float, most: float) -> Float[np.ndarray, "n"]:
    """Normal deviates of standard deviation `sigma`, truncated at ±`most`, from uniform ones in [0, 1)."""
    low = ndtr(-most / sigma)
    return sigma * ndtri(low + share * (1 - 2 * low))


PITCH = np.radians(30.0)
"""Largest random pitch [radians]: cameras that look at floor or ceiling see little."""
ROLL, MOST_ROLL = np.radians(5.0), np.radians(15.0)


def random_angles(
    rng: np.random.Generator,
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Yaw uniform, pitch uniform within ±PITCH, roll normal and clipped; ROUND_SIZE of each [radians]."""
    yaw = rng.uniform(-np.pi, np.pi, ROUND_SIZE)
    pitch = rng.uniform(-PITCH, PITCH, ROUND_SIZE)
    roll = np.clip(rng.normal(0.0, ROLL, ROUND_SIZE), -MOST_ROLL, MOST_ROLL)
    return yaw, pitch, roll
