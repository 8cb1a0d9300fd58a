"""The sampler `ring`: views as of `dense`, within a rectangle of given floor area (TST-MM, appendix I).

The rectangles of a space are concentric: sides along the axes x and z, centre and proportions those of the
bounding box of its largest room, and so a smaller one lies within every larger one.
"""

import numpy as np
import shapely
from pydantic import Field
from scipy.optimize import root_scalar
from shapely.geometry.base import BaseGeometry

from agents.raycast.free_space import FreeSpace
from agents.samplers.dense import views_in
from agents.samplers.sampling import Views, check_floor
from scenes.config import Config


class RingOptions(Config):
    """Options of the sampler `ring`."""

    area_m2: float = Field(default=10.0, gt=0)
    """ring: floor area within the rectangle that cameras are in, furnished floor included, in all rooms that
    it reaches; the whole floor where that is smaller [m²]."""


def ring(space: FreeSpace, count: int, rng: np.random.Generator, options: RingOptions) -> Views:
    """Draw `count` views uniformly over the volume above the rectangle of `options.area_m2`.

    Raises ValueError where no free place is found.
    """
    check_floor(space)
    polygons = [shapely.Polygon(room.polygon) for room in space.floor]
    return views_in(space, clipped(polygons, options.area_m2), count, rng)


def clipped(polygons: list[shapely.Polygon], area_m2: float) -> list[BaseGeometry]:
    """The rooms within the concentric rectangle that holds `area_m2` [m²] of their floor; all of them
    where they have less."""
    if area_m2 >= sum(p.area for p in polygons):
        return list(polygons)
    low_x, low_z, high_x, high_z = max(polygons, key=lambda p: p.area).bounds
    centre = np.array([low_x + high_x, low_z + high_z]) / 2
    half = np.array([high_x - low_x, high_z - low_z]) / 2

    def within(scale: float) -> list[BaseGeometry]:
        rectangle = shapely.box(*(centre - scale * half), *(centre + scale * half))
        return [p.intersection(rectangle) for p in polygons]

    def missing(scale: float) -> float:
        return sum(p.area for p in within(scale)) - area_m2

    most = 1.0
    while missing(most) < 0:
        most *= 2
    return within(float(root_scalar(missing, bracket=(0.0, most), xtol=1e-9).root))
