"""Triangles of grids, of quads and of outlines, and their texture coordinates seen along an axis."""

from collections.abc import Sequence

import numpy as np
import shapely
from jaxtyping import Float64, Int, Int64, Real

from scenes.meshes.meshing import face_normals

ACROSS = np.array([[2, 1], [0, 2], [0, 1]])
"""The two axes that are seen along x, y, z."""


def triangulate(outline: shapely.Polygon) -> tuple[Float64[np.ndarray, "v 2"], Int64[np.ndarray, "f 3"]]:
    """Points and counter-clockwise triangles that fill a polygon, holes and concave corners
    included."""
    triangles = shapely.constrained_delaunay_triangles(outline).geoms
    corners = np.array([shapely.get_coordinates(t)[:3] for t in triangles])
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    ccw = a[:, 0] * b[:, 1] > a[:, 1] * b[:, 0]
    corners[~ccw] = corners[~ccw][:, ::-1]
    return corners.reshape(-1, 2), np.arange(3 * len(corners)).reshape(-1, 3)


def grid_faces(rows: int, columns: int, closed: bool) -> Int64[np.ndarray, "f 3"]:
    """Triangles of a grid of points, row by row; closed: the last column meets the first."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    quads = np.stack([a, b, b + columns, a + columns], -1).reshape(-1, 4)
    return as_triangles(quads)


def as_triangles(quads: Sequence[Sequence[int]] | Int[np.ndarray, "q 4"]) -> Int[np.ndarray, "f 3"]:
    """Two triangles of each quad: the first ones of all, then the second ones."""
    quads = np.asarray(quads)
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])


def lay_flat(points: Real[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> Real[np.ndarray, "f 3 2"]:
    """Corner coordinates in metres, seen along the axis that each face looks along most."""
    across = ACROSS[np.abs(face_normals(points, faces)).argmax(1)]
    return np.take_along_axis(points[faces], across[:, None, :], axis=2)
