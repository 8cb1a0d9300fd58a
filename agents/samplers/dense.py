"""The sampler `dense`: views anywhere in the rooms (TST-MM, ICLR 2026)."""

from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

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
    return views_in(space, [shapely.Polygon(room.polygon) for room in space.floor], count, rng)


def views_in(space: FreeSpace, parts: Sequence[BaseGeometry], count: int, rng: np.random.Generator) -> Views:
    """Draw `count` views uniformly over the volumes above parts of the floor: for each room a
    shape in (x, z), which may be empty.

    Raises ValueError where no free place is found.
    """
    accepted: list[np.ndarray] = []
    found = failed = 0
    while found < count:
        poses = look_pose(_places(space, parts, rng), *random_angles(rng))
        good = poses[valid_views(space, poses)]
        accepted.append(good)
        found += len(good)
        failed = 0 if len(good) else failed + 1
        if failed == MAX_FAILED_ROUNDS:
            raise no_free_place(space, MAX_FAILED_ROUNDS * ROUND_SIZE)
    return Views(np.concatenate(accepted)[:count] if accepted else np.zeros((0, 4, 4)))


def _places(space: FreeSpace, parts: Sequence[BaseGeometry], rng: np.random.Generator) -> np.ndarray:
    """ROUND_SIZE places [n, 3], uniform over the volumes above `parts`, also within objects [m]."""
    volumes = np.array([p.area * (r.ceiling_y - r.floor_y) for p, r in zip(parts, space.floor, strict=True)])
    rooms = rng.choice(len(volumes), ROUND_SIZE, p=volumes / volumes.sum())
    bounds = np.array([p.bounds for p in parts])[rooms]  # x and z from, x and z to
    low = np.column_stack([bounds[:, :2], [space.floor[i].floor_y for i in rooms]])
    high = np.column_stack([bounds[:, 2:], [space.floor[i].ceiling_y for i in rooms]])
    polygons = np.array(parts)[rooms]
    # Rejection sampling: each point is drawn in its room's box until it falls into the room.
    x, z, y = np.empty((3, ROUND_SIZE))
    waiting = np.ones(ROUND_SIZE, bool)
    while waiting.any():
        share = rng.random((ROUND_SIZE, 3))
        x[waiting], z[waiting], y[waiting] = (low + share * (high - low))[waiting].T
        waiting &= ~shapely.contains_xy(polygons, x, z)
    return np.stack([x, y, z], axis=1)
