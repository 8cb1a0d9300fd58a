"""Which room a point is in: a raster of the floor that host and device share."""

import numpy as np
import shapely
from jaxtyping import Float, Int32
from scipy import ndimage

from scenes.meshes.geometry import FloorRegion

CELL = 0.05
"""Side of a cell [m]."""

REACH = 0.15
"""Margin by which a room extends beyond its polygon [m], into door openings and the faces of its walls."""


class RoomMap:
    """Raster: `cells` [z, x] indexes floor regions, -1 outside; `origin` is the corner (x, z) [m]."""

    def __init__(self, floor: tuple[FloorRegion, ...]) -> None:
        assert floor
        corners = np.concatenate([region.polygon for region in floor])
        self.origin = corners.min(0) - 3 * CELL
        columns, rows = np.ceil((corners.max(0) + 3 * CELL - self.origin) / CELL).astype(int)
        x, z = np.meshgrid((np.arange(columns) + 0.5) * CELL, (np.arange(rows) + 0.5) * CELL)
        x, z = x + self.origin[0], z + self.origin[1]
        cells = np.full((rows, columns), -1, np.int32)
        for i, region in enumerate(floor):
            low = np.floor((region.polygon.min(0) - self.origin) / CELL).astype(int)
            high = np.ceil((region.polygon.max(0) - self.origin) / CELL).astype(int)
            box = slice(low[1], high[1]), slice(low[0], high[0])
            cells[box][shapely.contains_xy(shapely.Polygon(region.polygon), x[box], z[box])] = i
        distance, nearest = np.empty(cells.shape), np.empty((2, *cells.shape), np.int32)
        ndimage.distance_transform_edt(cells < 0, return_indices=True, distances=distance, indices=nearest)
        near = distance * CELL <= REACH
        row, column = nearest[:, near]
        cells[near] = cells[row, column]
        self.cells: Int32[np.ndarray, "z x"] = cells

    def at(self, points: Float[np.ndarray, "n 3"]) -> Int32[np.ndarray, "n"]:
        """Return the room of each point [m], by x and z alone; -1 outside."""
        column, row = np.floor((points[:, [0, 2]] - self.origin) / CELL).astype(int).T
        rows, columns = self.cells.shape
        within = (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        found = np.full(len(points), -1, np.int32)
        found[within] = self.cells[row[within], column[within]]
        return found
