"""Light for scans that hold none: lamps under ceilings, a sun where there is no ceiling; and the look of
parts without colours among parts that were captured."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import shapely
from jaxtyping import Float, UInt8

from scenes.formats.scan.floor import HEAD
from scenes.meshes.geometry import FloorRegion, Light, Material, Mesh
from scenes.srgb import to_linear, to_srgb

SPACING = 4.0
"""Distance of lamps of one room [m]."""
BELOW = 0.3
"""Of a lamp below the ceiling [m]."""
_WARM = (0.9, 0.85, 0.78)
SUN = Light("directional", (1.1, 1.05, 0.95), direction=(-0.42, -0.79, -0.45))
_LOOKS = 24  # places in a room from which is asked whether there is a ceiling above
_SKY = np.array([0.12, 0.35, 0.06])  # how much lighter a surface is that faces along +x, +y, +z
_LEVEL = 0.6  # light on a surface that faces along none of them


def lights_of(floor: Sequence[FloorRegion], meshes: Sequence[Mesh]) -> tuple[Light, ...]:
    """Lamps for each region with a ceiling; a sun where any region is open, or there is none."""
    lights: list[Light] = []
    is_open = not floor
    for region in floor:
        if under_the_sky(region, meshes):
            is_open = True
        else:
            y = max(region.ceiling_y - BELOW, region.floor_y + 1.0)
            lights += [Light("point", _WARM, (x, y, z), shade=0.1) for x, z in _spread(region)]
    return (SUN, *lights) if is_open else tuple(lights)


def under_the_sky(region: FloorRegion, meshes: Sequence[Mesh]) -> bool:
    """Whether most of a region has nothing above head height."""
    places = _inside(region, _LOOKS)
    covered = np.zeros(len(places), bool)
    for mesh in meshes:
        corner = mesh.vertices[mesh.faces]
        high = corner[corner[..., 1].min(1) > region.floor_y + HEAD][..., [0, 2]].astype(np.float64)
        for k, place in enumerate(places):
            ahead = np.roll(high, -1, axis=1) - high
            to = place - high
            side = ahead[..., 0] * to[..., 1] - ahead[..., 1] * to[..., 0]
            covered[k] |= bool(((side >= 0).all(1) | (side <= 0).all(1)).any())
    return float(covered.mean()) < 0.5


def shaded(
    material: Material, normals: Float[np.ndarray, "v 3"]
) -> tuple[Material, UInt8[np.ndarray, "v 3"]]:
    """A material without texture as vertex colours that differ by the way a surface faces: a space that is
    shown as captured has no lamps that would tell its faces apart."""
    light = _LEVEL + normals @ _SKY
    colors = to_srgb(to_linear(np.array(material.color)) * light[:, None])
    return replace(material, color=(1.0, 1.0, 1.0)), np.round(255 * colors).astype(np.uint8)


def _spread(region: FloorRegion) -> list[tuple[float, float]]:
    """Places (x, z) of lamps: on a grid within the room, at least one."""
    polygon = shapely.Polygon(region.polygon).buffer(0)
    low, high = region.polygon.min(0), region.polygon.max(0)
    counts = np.maximum(np.round((high - low) / SPACING), 1).astype(int)
    x, z = (low[k] + (np.arange(counts[k]) + 0.5) * (high[k] - low[k]) / counts[k] for k in range(2))
    grid = np.stack(np.meshgrid(x, z), -1).reshape(-1, 2)
    inside = grid[shapely.contains_xy(polygon.buffer(-BELOW), grid[:, 0], grid[:, 1])]
    if not len(inside):
        point = polygon.representative_point()
        return [(point.x, point.y)]
    return [(float(a), float(b)) for a, b in inside]


def _inside(region: FloorRegion, count: int) -> Float[np.ndarray, "n 2"]:
    """Some `count` places (x, z) evenly over a region, at least one."""
    polygon = shapely.Polygon(region.polygon).buffer(0)
    low, high = region.polygon.min(0), region.polygon.max(0)
    step = max(float(np.sqrt(polygon.area / count)), 0.05)
    x, z = (np.arange(low[k] + step / 2, high[k], step) for k in range(2))
    grid = np.stack(np.meshgrid(x, z), -1).reshape(-1, 2)
    inside = grid[shapely.contains_xy(polygon, grid[:, 0], grid[:, 1])]
    point = polygon.representative_point()
    return inside if len(inside) else np.array([[point.x, point.y]])
