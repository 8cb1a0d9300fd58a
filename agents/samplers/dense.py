"""The sampler `dense`: views anywhere in the rooms (TST-MM, ICLR 2026)."""

import numpy as np
import shapely

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.sampling import (
    MAX_FAILED_ROUNDS,
    ROUND_SIZE,
    Views,
    check_floor,
    no_free_place,
    random_angles,
    valid_views,
)
from scenes.config import Config


def dense(space: FreeSpace, count: int, rng: np.random.Generator, options: Config) -> Views:
    """Draw `count` views uniformly over the volumes of the rooms, without options.

    Raises ValueError where no free place is found.
    """
    check_floor(space)
    accepted: list[np.ndarray] = []
    found = failed = 0
    while found < count:
        poses = look_pose(_in_rooms(space, rng), *random_angles(rng))
        good = poses[valid_views(space, poses)]
        accepted.append(good)
        found += len(good)
        failed = 0 if len(good) else failed + 1
        if failed == MAX_FAILED_ROUNDS:
            raise no_free_place(space, MAX_FAILED_ROUNDS * ROUND_SIZE)
    return Views(np.concatenate(accepted)[:count] if accepted else np.zeros((0, 4, 4)))


def _in_rooms(space: FreeSpace, rng: np.random.Generator) -> np.ndarray:
    """ROUND_SIZE places [n, 3], uniform over the volumes of the rooms, also within objects [m]."""
    volumes = space.volumes
    rooms = rng.choice(len(volumes), ROUND_SIZE, p=volumes / volumes.sum())
    low = np.array([[*r.polygon.min(0), r.floor_y] for r in space.floor])[rooms]
    high = np.array([[*r.polygon.max(0), r.ceiling_y] for r in space.floor])[rooms]
    polygons = np.array([shapely.Polygon(r.polygon) for r in space.floor])[rooms]
    # Rejection sampling: each point is drawn in its room's box until it falls into the room.
    x, z, y = np.empty((3, ROUND_SIZE))
    waiting = np.ones(ROUND_SIZE, bool)
    while waiting.any():
        share = rng.random((ROUND_SIZE, 3))
        x[waiting], z[waiting], y[waiting] = (low + share * (high - low))[waiting].T
        waiting &= ~shapely.contains_xy(polygons, x, z)
    return np.stack([x, y, z], axis=1)
