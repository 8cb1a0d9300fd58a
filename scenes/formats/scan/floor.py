"""Where a body may be in a scan, which has no floor plan: found from the geometry alone.

Space is cut into voxels, and a column of them is inside if it has free air to stand in above a floor: over
bare floor, or over furniture lower than SEAT that stands on a floor. What is joined makes one region, doors
included, so that a flat is one region and not several rooms. A column with no scanned surface below it, or
none of a floor within reach, is outside. Limits: slopes and steps count as floor only within STEP of a
level that is large; places under what hangs lower than HEAD are left out; holes (pillars, courtyards)
within a region count as inside, where only the clearance of the samplers keeps a camera out of them.
"""

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import shapely
from scipy import ndimage

from scenes.meshes.geometry import FloorRegion, Mesh

CELL = 0.05
"""Side of a voxel [m]; larger where a scan would need more than VOXELS."""
VOXELS = 60_000_000
HEAD, SEAT, STEP = 1.8, 1.3, 0.15
"""Air a body needs above the floor, highest furniture to look over, and unevenness of a floor [m]."""
LEAST_AREA, WIDTH = 1.0, 0.5
"""Regions smaller than this [m²], or nowhere as wide as this [m], are left out: no body stands there."""
SHARE = 0.25
"""A level is a floor if it holds this share of what the largest one does."""
BARE = 0.1
"""Share of a region that must be bare floor."""
LEAST_CELLS = 3
"""A body is at least so many voxels high; in a space of coarser ones no floor is found."""
OPEN_AREA, OPEN_RISE, OPEN_SHARE = 4.0, 0.5, 0.3
"""Least area of a floor under the sky [m²], and how far above the lowest point it may be [m, or share of the
height]: the top of a table or a lorry is none."""


def floor_regions(meshes: Sequence[Mesh], floors: Collection[int] = ()) -> tuple[FloorRegion, ...]:
    """Regions of a scan whose meshes are in world coordinates, the largest first; none where none is found.

    `floors` are the meshes known to be floor; without them the largest level with air above it is taken for
    it.
    """
    corners = [mesh.vertices[mesh.faces].astype(np.float64) for mesh in meshes]
    if not corners:
        return ()
    found = _regions(corners, floors, 0.0)
    if not found:
        # Too little is above what could be stood on: a floor without walls, a field, a roof terrace.
        heights = np.concatenate([c[..., 1].ravel() for c in corners])
        bottom, top = float(heights.min()), float(heights.max())
        highest = bottom + max(OPEN_RISE, OPEN_SHARE * (top - bottom))
        found = [
            r
            for r in _regions(corners, floors, HEAD + 2 * CELL)
            if r[0].area >= OPEN_AREA and r[1] <= highest
        ]
    return tuple(
        FloorRegion(f"scan|{k}", "Scan", np.array(polygon.exterior.coords)[:-1], floor_y, ceiling_y)
        for k, (polygon, floor_y, ceiling_y) in enumerate(found)
    )


def _regions(
    corners: list[np.ndarray], floors: Collection[int], headroom: float
) -> list[tuple[shapely.Polygon, float, float]]:
    """Polygon (x, z), floor and ceiling [m] of each region, the largest first, where `headroom` of free air
    [m] is known to be above all surfaces."""
    every = np.concatenate(corners)
    low = every.min((0, 1)) - CELL
    span = every.max((0, 1)) - low + 2 * CELL + (0.0, headroom, 0.0)
    cell = max(CELL, float(np.cbrt(np.prod(span) / VOXELS)))
    head, seat, step = (round(d / cell) for d in (HEAD, SEAT, STEP))
    if head < LEAST_CELLS:  # a space so large, or in so wrong a unit, that a body is but a voxel
        return []
    shape = tuple(int(n) for n in np.ceil(span / cell) + 1)
    taken = np.zeros(shape, bool)  # [x, y, z]
    _mark(taken, every, low, cell)
    marked = taken
    if floors:
        marked = np.zeros(shape, bool)
        _mark(marked, np.concatenate([corners[k] for k in sorted(floors)]), low, cell)
    # Free air above each voxel, counted from the top down: 0 where one is taken.
    air = np.zeros(shape, np.int16)
    above = np.zeros((shape[0], shape[2]), np.int16)
    for y in range(shape[1] - 1, -1, -1):
        air[:, y] = above
        above = np.where(taken[:, y], 0, above + 1)
    flat, areas = _flat(every)
    found: list[tuple[shapely.Polygon, float, float]] = []
    for level in _levels(marked & (air >= head), head):
        for polygon, bottom, top in _outlines(*_inside(taken, air, level, head, seat, step), low, cell):
            floor_y, ceiling_y = (
                _middle(flat, areas, float(low[1] + (level + 0.5) * cell), cell) for level in (bottom, top)
            )
            ceiling_y = min(ceiling_y, float(every[..., 1].max()) + headroom)  # where there is none
            found.append((polygon, floor_y, max(ceiling_y, floor_y + HEAD)))
    found.sort(key=lambda region: -region[0].area)
    return found


def _mark(grid: np.ndarray, triangles: np.ndarray, low: np.ndarray, cell: float) -> None:
    """Set the voxels that triangles [n, 3, 3] pass through, by points on them half a voxel apart."""
    edges = triangles - np.roll(triangles, 1, axis=1)
    steps = np.ceil(np.linalg.norm(edges, axis=2).max(1) / (0.7 * cell)).astype(int) + 1
    for k in np.unique(steps):
        u, v = (w.ravel() for w in np.meshgrid(np.arange(k + 1), np.arange(k + 1)))
        weights = np.stack([u, v, k - u - v], 1)[u + v <= k] / k
        group = triangles[steps == k]
        for some in np.array_split(group, max(1, len(group) * len(weights) // 2_000_000)):
            points = np.einsum("pc,tcx->tpx", weights, some).reshape(-1, 3)
            x, y, z = ((points - low) / cell).astype(int).T
            grid[x, y, z] = True


def _levels(standing: np.ndarray, head: int) -> list[int]:
    """Voxel heights of the floors, from voxels one could stand on: the fullest levels, a storey apart."""
    count = standing.sum((0, 2)).astype(float)
    if not count.any():
        return []
    levels: list[int] = []
    for y in np.argsort(-count, kind="stable").tolist():
        if count[y] < SHARE * count.max():
            break
        if all(abs(y - other) >= head for other in levels):
            levels.append(y)
    # Of furniture's tops and the floor below them the lower is the floor, even where less of it is bare.
    return sorted({_lower(count, y, head) for y in levels})


def _lower(count: np.ndarray, level: int, head: int) -> int:
    below = count[max(level - head + 1, 0) : level + 1]
    good = np.flatnonzero(below >= SHARE * count[level])
    return level - (len(below) - 1) + int(good[0])


def _inside(
    taken: np.ndarray, air: np.ndarray, level: int, head: int, seat: int, step: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns [x, z] inside at a level, heights of those of bare floor, else 0, and where their air ends
    [voxels]."""
    low, high = max(level - step, 0), min(level + seat, taken.shape[1] - 1)
    inside = np.zeros(air[:, 0].shape, bool)
    bare, top = np.zeros((2, *inside.shape), int)
    for y in range(low, high + 1):
        open_here = taken[:, y] & (y + air[:, y] >= level + head) & (air[:, y] * 3 >= head)
        inside |= open_here
        if y <= level + step:
            bare = np.where(open_here, y, bare)
        top = np.where(open_here, y + 1 + air[:, y], top)
    return inside, bare, top


def _outlines(
    mask: np.ndarray, bare: np.ndarray, top: np.ndarray, low: np.ndarray, cell: float
) -> list[tuple[shapely.Polygon, float, float]]:
    """Polygon (x, z) [m], floor and ceiling [voxels] of each piece that is large enough and has a floor."""
    labelled: Any = ndimage.label(mask)
    pieces, count = labelled
    found = []
    for piece in range(1, count + 1):
        here = pieces == piece
        wide = np.asarray(ndimage.distance_transform_edt(np.pad(here, 1))).max() * cell > WIDTH / 2
        if not wide or here.sum() * cell**2 < LEAST_AREA or (bare[here] > 0).sum() < BARE * here.sum():
            continue
        x, z = np.nonzero(here)
        shape = shapely.union_all(shapely.box(x, z, x + 1, z + 1))  # of whole numbers, which meet exactly
        outer = max(getattr(shape, "geoms", [shape]), key=lambda p: p.area).simplify(1.0).exterior
        ring = low[[0, 2]] + cell * np.array(outer.coords)
        bottom = float(np.median(bare[here & (bare > 0)]))
        found.append((shapely.Polygon(ring), bottom, float(np.median(top[here]))))
    return found


def _flat(triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Height [m] and area [m²] of the level ones among triangles."""
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    area = np.linalg.norm(cross, axis=1) / 2
    level = np.abs(cross[:, 1]) > 0.95 * 2 * area
    return triangles[level, :, 1].mean(1), area[level]


def _middle(heights: np.ndarray, areas: np.ndarray, about: float, cell: float) -> float:
    """Of level surfaces within a voxel and a half of a height the middle one by area; else that height."""
    near = np.abs(heights - about) < 1.5 * cell
    if not near.any():
        return about
    order = np.argsort(heights[near])
    total = np.cumsum(areas[near][order])
    return float(heights[near][order][np.searchsorted(total, total[-1] / 2)])
