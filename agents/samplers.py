"""Samplers: where a body looks from. Each is a function of (space, generator): same seed, same poses.

`sample_poses("dense", simulator.free_space(), 1000, np.random.default_rng(0))`

`dense` is the paper's (TST-MM, ICLR 2026): place and orientation at random in all of the free space, as no
body that walks would see it. The place is uniform over the rooms' volumes; yaw is uniform; pitch is uniform
within 30° of level, since cameras that stare at floor or ceiling see little; roll is normal with 5° and cut
off at 15°.
"""

from collections.abc import Callable

import numpy as np
import shapely
from jaxtyping import Bool, Float64

from agents.cameras import look_pose
from agents.free_space import FreeSpace

CLEARANCE = 0.25
"""Least distance of a camera from any surface [m]."""
SIGHT = 0.4
"""Least distance to what is in the middle of the picture [m]."""
PITCH = np.radians(30.0)
ROLL, MOST_ROLL = np.radians(5.0), np.radians(15.0)
ROUND = 128
"""Candidates drawn at a time: always as many, so that a longer request begins as a shorter one does."""
PATIENCE = 40
"""Rounds in a row that may fail before the space is declared full."""


def dense(space: FreeSpace, count: int, rng: np.random.Generator) -> Float64[np.ndarray, "n 4 4"]:
    """Poses at random in free space; ValueError where there is none to be found."""
    if not space.floor:
        raise ValueError(f"{space.space} has no floor region, so no free space to put a camera in")
    accepted: list[np.ndarray] = []
    found = failed = 0
    while found < count:
        poses = _candidates(space, rng)
        good = poses[_acceptable(space, poses)]
        accepted.append(good)
        found += len(good)
        failed = 0 if len(good) else failed + 1
        if failed == PATIENCE:
            raise ValueError(
                f"{space.space}: no free place for a camera in {PATIENCE * ROUND} tries; its rooms leave "
                f"no point {CLEARANCE} m clear of every surface"
            )
    return np.concatenate(accepted)[:count] if accepted else np.zeros((0, 4, 4))


def _candidates(space: FreeSpace, rng: np.random.Generator) -> np.ndarray:
    """ROUND poses in the rooms' volumes, heedless of what stands there."""
    volumes = space.volumes
    rooms = rng.choice(len(volumes), ROUND, p=volumes / volumes.sum())
    low = np.array([[*r.polygon.min(0), r.floor_y] for r in space.floor])[rooms]
    high = np.array([[*r.polygon.max(0), r.ceiling_y] for r in space.floor])[rooms]
    polygons = np.array([shapely.Polygon(r.polygon) for r in space.floor])[rooms]
    # Points of the room's box until they fall into the room; each goes on for itself.
    x, z, y = np.empty((3, ROUND))
    waiting = np.ones(ROUND, bool)
    while waiting.any():
        share = rng.random((ROUND, 3))
        x[waiting], z[waiting], y[waiting] = (low + share * (high - low))[waiting].T
        waiting &= ~shapely.contains_xy(polygons, x, z)
    yaw = rng.uniform(-np.pi, np.pi, ROUND)
    pitch = rng.uniform(-PITCH, PITCH, ROUND)
    roll = np.clip(rng.normal(0.0, ROLL, ROUND), -MOST_ROLL, MOST_ROLL)
    return look_pose(np.stack([x, y, z], axis=1), yaw, pitch, roll)


def _acceptable(space: FreeSpace, poses: np.ndarray) -> Bool[np.ndarray, "n"]:
    places, ahead = poses[:, :3, 3], poses[:, :3, 2]
    good = space.clearance(places, CLEARANCE * 1.01) >= CLEARANCE
    good[good] = space.contains(places[good])
    good[good] = space.sight(places[good], ahead[good], SIGHT * 1.01) >= SIGHT
    return good


SAMPLERS: dict[str, Callable[[FreeSpace, int, np.random.Generator], np.ndarray]] = {"dense": dense}


def sample_poses(
    sampler: str, space: FreeSpace, count: int, rng: np.random.Generator
) -> Float64[np.ndarray, "count 4 4"]:
    """`count` camera-to-world poses by the sampler of that name.

    Poses drawn with the same generator state are the same, and the first of a longer request are those of a
    shorter one. ValueError for a name that does not exist (naming those that do) and where the space is
    full.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}; choose from {', '.join(SAMPLERS)}")
    if count < 0:
        raise ValueError(f"cannot sample {count} poses")
    return SAMPLERS[sampler](space, count, rng)
