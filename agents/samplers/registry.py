"""Samplers: where a body looks from. A function each of (space, generator, options): same seed, same views.

`sample_views("points", simulator.free_space(), 1000, np.random.default_rng(0))`

| name | where the camera is | which way it looks |
|---|---|---|
| dense | anywhere in the rooms (TST-MM, ICLR 2026) | yaw uniform, within 30° of level, a little roll |
| points | places 0.5 m apart or more (Omnidata) | at points in line of sight; field of view differs |
| walk | along a smooth walk through the rooms, as a video | ahead, looking about |
| ring | as `dense`, within a region of given area (TST-MM, appendix I) | as `dense` |
| poses | as a file says | as a file says |

None puts a camera inside anything. The first views of a longer request are those of a shorter one, for all.
"""

from collections.abc import Callable

import numpy as np
import shapely
from jaxtyping import Float64

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.points import points
from agents.samplers.poses import poses_of_file
from agents.samplers.ring import ring
from agents.samplers.sampling import (
    PATIENCE,
    ROUND,
    SamplerOptions,
    Views,
    check_floor,
    good_views,
    looking_about,
    no_place,
)
from agents.samplers.walk import walk


def dense(space: FreeSpace, count: int, rng: np.random.Generator, options: SamplerOptions) -> Views:
    """Place and orientation at random in all of the free space, as no body that walks would see it.

    The place is uniform over the rooms' volumes. ValueError where there is no free place to be found.
    """
    check_floor(space)
    accepted: list[np.ndarray] = []
    found = failed = 0
    while found < count:
        poses = look_pose(_in_rooms(space, rng), *looking_about(rng))
        good = poses[good_views(space, poses)]
        accepted.append(good)
        found += len(good)
        failed = 0 if len(good) else failed + 1
        if failed == PATIENCE:
            raise no_place(space, PATIENCE * ROUND)
    return Views(np.concatenate(accepted)[:count] if accepted else np.zeros((0, 4, 4)))


def _in_rooms(space: FreeSpace, rng: np.random.Generator) -> np.ndarray:
    """ROUND places in the rooms' volumes [n, 3], heedless of what stands there."""
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
    return np.stack([x, y, z], axis=1)


def _poses(space: FreeSpace, count: int, rng: np.random.Generator, options: SamplerOptions) -> Views:
    return poses_of_file(space, count, options)


SAMPLERS: dict[str, Callable[[FreeSpace, int, np.random.Generator, SamplerOptions], Views]] = {
    "dense": dense,
    "points": points,
    "walk": walk,
    "ring": ring,
    "poses": _poses,
}

NOT_DRAWN = frozenset({"poses"})
"""Samplers that ask no generator: view i is the same however many are asked for, and by whom."""


def sample_views(
    sampler: str,
    space: FreeSpace,
    count: int,
    rng: np.random.Generator,
    options: SamplerOptions | None = None,
) -> Views:
    """`count` views by the sampler of that name.

    Views drawn with the same generator state are the same, and the first of a longer request are those of a
    shorter one. ValueError for a name that does not exist (naming those that do), where the space is full,
    and for a file of poses that will not do.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {sampler!r}; choose from {', '.join(SAMPLERS)}")
    if count < 0:
        raise ValueError(f"cannot sample {count} poses")
    return SAMPLERS[sampler](space, count, rng, options or SamplerOptions())


def sample_poses(
    sampler: str, space: FreeSpace, count: int, rng: np.random.Generator
) -> Float64[np.ndarray, "count 4 4"]:
    """The poses of `sample_views`, for a caller with one field of view for all."""
    return sample_views(sampler, space, count, rng).poses
