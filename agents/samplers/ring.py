"""The sampler `ring`: views as of `dense`, confined to a region of given floor area (TST-MM, appendix I)."""

import numpy as np
from pydantic import Field

from agents.cameras import look_pose
from agents.raycast.free_space import FreeSpace
from agents.samplers.floor_cells import CELL, FloorCells, floor_cells
from agents.samplers.sampling import (
    CLEARANCE,
    PATIENCE,
    ROUND,
    Views,
    check_floor,
    good_views,
    looking_about,
    no_place,
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
    """Views within the region of `options.area_m2`; ValueError where the space is full."""
    check_floor(space)
    if count == 0:
        return Views(np.zeros((0, 4, 4)))
    cells = region(space, options)
    top = np.array([r.ceiling_y - r.floor_y for r in space.floor])[cells.rooms]
    accepted: list[np.ndarray] = []
    found = failed = 0
    while found < count:
        chosen = rng.integers(len(cells), size=ROUND)
        share = rng.random((ROUND, 3))
        places = cells.places[chosen] + (share - (0.5, 0.0, 0.5)) * np.stack(
            [np.full(ROUND, CELL), top[chosen], np.full(ROUND, CELL)], axis=1
        )
        poses = look_pose(places, *looking_about(rng))
        good = poses[good_views(space, poses)]
        accepted.append(good)
        found += len(good)
        failed = 0 if len(good) else failed + 1
        if failed == PATIENCE:
            raise no_place(space, PATIENCE * ROUND)
    return Views(np.concatenate(accepted)[:count])


def region(space: FreeSpace, options: RingOptions) -> FloorCells:
    """The cells of the region: those nearest on foot to its centre, until their area is what is asked.

    Floor that leaves no room for a camera above it at any height does not count. Depends on the space, the
    area and the seed of the centre, not on the views' own generator.
    """
    cells = floor_cells(space, _HEIGHTS, every=False)
    if not len(cells):
        raise no_place(space, len(_HEIGHTS))
    islands = cells.islands()
    main = np.flatnonzero(islands == np.bincount(islands).argmax())
    centre = int(main[np.random.default_rng(options.center_seed).integers(len(main))])
    way, _ = cells.ways_from(centre)
    order = np.argsort(way, kind="stable")
    kept = order[: max(1, round(options.area_m2 / CELL**2))]
    kept = np.sort(kept[np.isfinite(way[kept])])
    return FloorCells(cells.places[kept], cells.rooms[kept], cells.neighbours[kept][:, kept])
