"""The free floor of a space as a graph of cells, for samplers that follow it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components, dijkstra

from agents.raycast.free_space import FreeSpace
from agents.samplers.sampling import free_places

CELL = 0.1
"""Side of a cell [m]."""


@dataclass(frozen=True, eq=False)
class FloorCells:
    """The free cells of a floor. `neighbours` holds distances [m] of adjacent cells, diagonals included."""

    places: Float[np.ndarray, "n 3"]  # world, on the floor, in the middle of the cell
    rooms: Int[np.ndarray, "n"]  # index into the space's floor
    neighbours: csr_array

    def __len__(self) -> int:
        return len(self.places)

    def ways_from(self, cell: int) -> tuple[Float[np.ndarray, "n"], Int[np.ndarray, "n"]]:
        """Shortest distance to every cell [m], inf without a path, and each cell's predecessor on it."""
        way, before = dijkstra(self.neighbours, indices=cell, return_predecessors=True)
        return way, before

    def islands(self) -> Int[np.ndarray, "n"]:
        """Index of the connected component of each cell."""
        return connected_components(self.neighbours, directed=False)[1]


def floor_cells(
    space: FreeSpace, heights: Sequence[tuple[float, float]], every: bool, cell: float = CELL
) -> FloorCells:
    """The cells that are free at `heights`, pairs of (metres above the floor, clearance [m]).

    With `every`, a cell is free at all of them, as for a body that stands there; otherwise at one of them, as
    for a camera at any height.
    """
    corners = np.concatenate([region.polygon for region in space.floor])
    low = corners.min(0)
    columns, rows = np.ceil((corners.max(0) - low) / cell).astype(int) + 1
    z, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    x, z = x.ravel(), z.ravel()
    flat = np.stack([low[0] + (x + 0.5) * cell, np.zeros(len(x)), low[1] + (z + 0.5) * cell], axis=1)
    rooms = np.full(len(x), -1)
    floor = np.zeros(len(x))
    for i, region in enumerate(space.floor):
        level = flat + np.array([0.0, (region.floor_y + region.ceiling_y) / 2, 0.0])
        here = space.rooms(level) == i
        rooms[here], floor[here] = i, region.floor_y
    flat[:, 1] = floor
    inside = rooms >= 0
    free = np.full(len(x), every) & inside
    for height, clearance in heights:
        good = np.zeros(len(x), bool)
        good[inside] = free_places(space, flat[inside] + (0.0, height, 0.0), clearance)
        free = free & good if every else free | good
    return FloorCells(flat[free], rooms[free], _neighbours(free.reshape(rows, columns), cell))


def _neighbours(free: Bool[np.ndarray, "z x"], cell: float) -> csr_array:
    number = np.pad(np.full(free.shape, -1), 1, constant_values=-1)  # a border, so that np.roll does not wrap
    number[1:-1, 1:-1][free] = np.arange(free.sum())
    rows, columns, ways = [], [], []
    for dz, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other, below, beside = (np.roll(number, shift, (0, 1)) for shift in ((-dz, -dx), (-dz, 0), (0, -dx)))
        both = (number >= 0) & (other >= 0)
        if dz and dx:  # no step between two obstacles that touch at a corner
            both &= (below >= 0) & (beside >= 0)
        rows.append(number[both])
        columns.append(other[both])
        ways.append(np.full(both.sum(), cell * np.hypot(dz, dx)))
    a, b, way = np.concatenate(rows), np.concatenate(columns), np.concatenate(ways)
    count = int(free.sum())
    return csr_array((np.tile(way, 2), (np.append(a, b), np.append(b, a))), shape=(count, count))
