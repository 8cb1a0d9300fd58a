"""The sampler `points`: Omnidata's views (Eftekhar, Sax, Malik and Zamir, 2021), several of each thing.

Camera places are a Poisson disc sample of the rooms' volumes (dart throwing: Cook, 1986), `spacing_m` apart
or more. Fixation points lie on surfaces that some camera sees. Each frame takes the next place, in an order
at random, draws a yaw uniformly, and looks at the fixation point nearest to that yaw that is in its line of
sight. Roll is normal with 10°, cut off at 20°. Fields of view are uniform within a range.
"""

import numpy as np
import shapely
from jaxtyping import Float
from pydantic import Field
from scipy.spatial import KDTree

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.sampling import (
    MAX_FAILED_ROUNDS,
    ROUND_SIZE,
    SIGHT,
    Views,
    check_floor,
    free_places,
    no_free_place,
    truncated_normal,
)
from scenes.config import Config

ROLL, MOST_ROLL = np.radians(10.0), np.radians(20.0)
MOST_PITCH = np.radians(60.0)
"""Largest pitch to a fixation point [radians]; steeper views show floor or ceiling alone."""
FIXATIONS = 24
"""Fixation points from each camera place."""
FULL = 6
"""Rounds without a new place after which the Poisson disc sample is complete."""
MOST_PLACES = 2048
MOST_TARGETS = 2048
_NEAREST = 12  # fixation points, by nearness in yaw, whose line of sight is tested


class PointsOptions(Config):
    """Options of the sampler `points`."""

    spacing_m: float = Field(default=0.5, gt=0.05)
    """points: least distance between two camera places [m]."""
    fov_range_deg: tuple[float, float] = (45.0, 95.0)
    """points: range from which horizontal fields of view are drawn uniformly [degrees]."""


def points(space: FreeSpace, count: int, rng: np.random.Generator, options: PointsOptions) -> Views:
    """Draw `count` views with fields of view.

    Raises ValueError where no free place is found, and for a range of angles not within (0, 180).
    """
    check_floor(space)
    low, high = options.fov_range_deg
    if not 0 < low <= high < 180:
        raise ValueError(f"fov_range_deg is ({low}, {high}); it goes from low to high between 0 and 180")
    if count == 0:
        return Views(np.zeros((0, 4, 4)), np.zeros(0))
    places = poisson_disc(space, options.spacing_m, rng)
    targets = _fixations(space, places, rng)
    poses, angles = [], []
    found = failed = 0
    order = np.zeros(0, int)
    while found < count:
        while len(order) < ROUND_SIZE:
            order = np.append(order, rng.permutation(len(places)))
        chosen, order = places[order[:ROUND_SIZE]], order[ROUND_SIZE:]
        wanted = rng.uniform(-np.pi, np.pi, ROUND_SIZE)
        roll = truncated_normal(rng.random(ROUND_SIZE), ROLL, MOST_ROLL)
        angle = rng.uniform(low, high, ROUND_SIZE)
        yaw, pitch, good = _aim(space, chosen, wanted, targets)
        poses.append(look_pose(chosen, yaw, pitch, roll)[good])
        angles.append(angle[good])
        found += int(good.sum())
        failed = 0 if good.any() else failed + 1
        if failed == MAX_FAILED_ROUNDS:
            raise no_free_place(space, MAX_FAILED_ROUNDS * ROUND_SIZE)
    return Views(np.concatenate(poses)[:count], np.concatenate(angles)[:count])


def poisson_disc(space: FreeSpace, spacing: float, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
    """Draw free places [m] at least `spacing` [m] apart, until no more are found."""
    low = np.array([[*r.polygon.min(0), r.floor_y] for r in space.floor])
    high = np.array([[*r.polygon.max(0), r.ceiling_y] for r in space.floor])
    polygons = np.array([shapely.Polygon(r.polygon) for r in space.floor])
    share = space.volumes / space.volumes.sum()
    kept = np.zeros((0, 3))
    failed = 0
    while failed < (FULL if len(kept) else MAX_FAILED_ROUNDS) and len(kept) < MOST_PLACES:
        rooms = rng.choice(len(share), 4 * ROUND_SIZE, p=share)
        x, z, y = (low[rooms] + rng.random((4 * ROUND_SIZE, 3)) * (high - low)[rooms]).T
        within = shapely.contains_xy(polygons[rooms], x, z)
        darts = np.stack([x, y, z], axis=1)[within]
        if len(kept):
            darts = darts[KDTree(kept).query(darts)[0] >= spacing]
        darts = darts[free_places(space, darts)]
        before = len(kept)
        for dart in darts:
            if not len(kept) or np.linalg.norm(kept - dart, axis=1).min() >= spacing:
                kept = np.append(kept, dart[None], axis=0)
        failed += len(kept) == before
    if not len(kept):
        raise no_free_place(space, MAX_FAILED_ROUNDS * 4 * ROUND_SIZE)
    return kept[:MOST_PLACES]


def _fixations(space: FreeSpace, places: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fixation points [n, 3]: where random rays from the places hit a surface."""
    start = np.repeat(places, FIXATIONS, axis=0)
    ray = rng.normal(size=start.shape)
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    far = 30.0
    distance = space.sight(start, ray, far)
    seen = (distance >= SIGHT) & (distance < far)
    targets = (start + distance[:, None] * ray)[seen]
    return targets[rng.permutation(len(targets))[:MOST_TARGETS]]


def _aim(
    space: FreeSpace, places: np.ndarray, wanted: np.ndarray, targets: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Yaw and pitch to the fixation point in sight nearest to each wanted yaw, and whether there is one."""
    if not len(targets):
        return wanted, np.zeros(len(places)), np.zeros(len(places), bool)
    to = targets - places[:, None]  # [place, target, 3]
    flat = np.hypot(to[..., 0], to[..., 2])
    # The cosine between yaws sorts as the angle does, and costs no arctangent.
    off = (np.sin(wanted)[:, None] * to[..., 0] + np.cos(wanted)[:, None] * to[..., 2]) / np.maximum(
        flat, 1e-9
    )
    off[np.abs(to[..., 1]) > np.tan(MOST_PITCH) * flat] = np.inf
    off[flat**2 + to[..., 1] ** 2 < (SIGHT * 1.05) ** 2] = np.inf
    near = np.argsort(off, axis=1, kind="stable")[:, :_NEAREST]
    ray = np.take_along_axis(to, near[..., None], axis=1)
    length = np.linalg.norm(ray, axis=2)
    start = np.broadcast_to(places[:, None], ray.shape)
    sight = space.sight(start.reshape(-1, 3), ray.reshape(-1, 3), 40.0).reshape(length.shape)
    clear = (sight > length - 0.02) & np.isfinite(np.take_along_axis(off, near, axis=1))
    first = clear.argmax(1)
    x, y, z = ray[np.arange(len(places)), first].T
    return np.arctan2(-x, -z), np.arctan2(y, np.hypot(x, z)), clear.any(1)
