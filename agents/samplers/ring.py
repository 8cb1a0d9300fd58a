"""The sampler `ring`: views as of `dense`, confined to a region of given floor area (TST-MM, appendix I)."""

import numpy as np
from pydantic import Field

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.floor_cells import CELL, FloorCells, floor_cells
from agents.samplers.sampling import (
    CLEARANCE,
    MAX_FAILED_ROUNDS,
    ROUND_SIZE,
    Views,
    check_floor,
    no_free_place,
    random_angles,
    valid_views,
)
from scenes.config import Config

_HEIGHTS = tuple((h, CLEARANCE) for h in (0.4, 0.9, 1.4, 1.9))


class RingOptions(Config):
    """Options of the sampler `ring`."""

    area_m2: float = Field(default=10.0, gt=0)
    """ring: floor area of the region that poses are confined to; the whole floor where it is smaller [m²]."""
    center_seed: int = 0
    """ring: seed of the place that the region grows from; regions of one seed are nested."""


def ring(space: FreeSpace, count: int, rng: np.random.Generator, options: RingOptions) -> Views:
    """Draw `count` views within the region of `options.area_m2`.

    Raises ValueError where no free place is found.
    """
    check_floor(space)
    if count == 0:
        return Views(np.zeros((0, 4, 4)))
    cells = region(space, options)
    top = np.array([r.ceiling_y - r.floor_y for r in space.floor])[cells.rooms]
    accepted: list[np.ndarray] = []
    found = failed = 0
    while found < count:
        chosen = rng.integers(len(cells), size=ROUND_SIZE)
        share = rng.random((ROUND_SIZE, 3))
        places = cells.places[chosen] + (share - (0.5, 0.0, 0.5)) * np.stack(
            [np.full(ROUND_SIZE, CELL), top[chosen], np.full(ROUND_SIZE, CELL)], axis=1
        )
        poses = look_pose(places, *random_angles(rng))
        good = poses[valid_views(space, poses)]
        accepted.append(good)
        found += len(good)
        failed = 0 if len(good) else failed + 1
        if failed == MAX_FAILED_ROUNDS:
            raise no_free_place(space, MAX_FAILED_ROUNDS * ROUND_SIZE)
    return Views(np.concatenate(accepted)[:count])


def region(space: FreeSpace, options: RingOptions) -> FloorCells:
    """Return the cells of the region: those closest to its centre by walking distance, up to the asked area.

    Cells without a free camera height do not count. A function of the space, the area and the centre's seed;
    the generator of the views plays no part. Raises ValueError where no cell is free.
    """
    cells = floor_cells(space, _HEIGHTS, every=False)
    if not len(cells):
        raise no_free_place(space, len(_HEIGHTS))
    islands = cells.islands()
    main = np.flatnonzero(islands == np.bincount(islands).argmax())
    centre = int(main[np.random.default_rng(options.center_seed).integers(len(main))])
    way, _ = cells.ways_from(centre)
    order = np.argsort(way, kind="stable")
    kept = order[: max(1, round(options.area_m2 / CELL**2))]
    kept = np.sort(kept[np.isfinite(way[kept])])
    return FloorCells(cells.places[kept], cells.rooms[kept], cells.neighbours[kept][:, kept])
