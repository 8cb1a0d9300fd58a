"""Solid boxes of objects as arrays, in their actual orientation: exact overlaps and distances, many at once.

`boxes.py` has the axis-aligned rectangle around a rotated object, which is larger than the object unless it
stands at a right angle. Placement may be that conservative; checks must not be.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, Int64

from scenes.house.asset_table import Asset
from scenes.house.boxes import Box, Rect, asset_of, solid_parts
from scenes.house.elements import HouseObject, Vec3


@dataclass(frozen=True, eq=False)
class Bodies:
    """n boxes that stand upright, each turned about the vertical."""

    owner: Int64[np.ndarray, " n"]  # position of its object in the list these were made from
    center: Float64[np.ndarray, "n 2"]  # x, z [m]
    half: Float64[np.ndarray, "n 2"]  # half extents along its own x and z [m]
    axis: Float64[np.ndarray, "n 2"]  # cosine and sine of its yaw
    y: Float64[np.ndarray, "n 2"]  # foot and top [m]

    def __len__(self) -> int:
        return len(self.owner)

    def corners(self) -> Float64[np.ndarray, "n 4 2"]:
        """x, z of each box's corners, in a loop [m]."""
        c, s = self.axis[:, :1], self.axis[:, 1:]
        lx = self.half[:, :1] * np.array([-1.0, 1.0, 1.0, -1.0])
        lz = self.half[:, 1:] * np.array([-1.0, -1.0, 1.0, 1.0])
        return self.center[:, None] + np.stack([c * lx + s * lz, c * lz - s * lx], axis=-1)

    def take(self, rows: Int[np.ndarray, " k"] | Bool[np.ndarray, " n"]) -> "Bodies":
        """Those rows alone."""
        return Bodies(self.owner[rows], self.center[rows], self.half[rows], self.axis[rows], self.y[rows])


def upright_size(asset: Asset, rotation: Vec3) -> tuple[float, float, float]:
    """Extents [m] along x, y, z of an asset that may lie on its side, before it is turned by its yaw."""
    if rotation.x % 360.0 == 0.0 and rotation.z % 360.0 == 0.0:
        return asset.size
    x, z = np.radians([rotation.x, rotation.z])
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    sx, sy, sz = np.abs(about_x @ about_z) @ np.array(asset.size)
    return float(sx), float(sy), float(sz)


UPRIGHT = 1.0  # degrees off the vertical up to which a thing stands


def tilted(rotation: Vec3) -> bool:
    """Whether a thing so turned leans or lies."""
    return any(abs((angle + 180.0) % 360.0 - 180.0) > UPRIGHT for angle in (rotation.x, rotation.z))


def to_local(item: HouseObject, x: float, z: float) -> tuple[float, float]:
    """A point (x, z) [m] of the house in an object's own coordinates: centre at the origin, front to +z."""
    c, s = math.cos(math.radians(item.rotation.y)), math.sin(math.radians(item.rotation.y))
    dx, dz = x - item.position.x, z - item.position.z
    return c * dx - s * dz, s * dx + c * dz


def to_world(item: HouseObject, x: float, z: float) -> tuple[float, float]:
    """A point (x, z) [m] of an object's own coordinates in the house."""
    c, s = math.cos(math.radians(item.rotation.y)), math.sin(math.radians(item.rotation.y))
    return item.position.x + c * x + s * z, item.position.z - s * x + c * z


def whole(asset: Asset) -> tuple[Box, ...]:
    """All of an asset, in its own coordinates, from its bottom to its top; an L-shaped counter has two."""
    return tuple(Box(part, 0.0, asset.size[1]) for part in solid_parts(asset))


def bodies_of(items: Sequence[HouseObject], boxes: Callable[[Asset], tuple[Box, ...]] = whole) -> Bodies:
    """The boxes of objects, as `boxes` gives them for an asset that stands; those of unknown assets have
    none.

    What lies on its side is the box around it.
    """
    owner, rows = [], []
    for i, item in enumerate(items):
        asset = asset_of(item)
        if asset is None:
            continue
        sx, sy, sz = upright_size(asset, item.rotation)
        upright = (sx, sy, sz) == asset.size
        parts = boxes(asset) if upright else (Box(Rect(-sx / 2, -sz / 2, sx / 2, sz / 2), 0.0, sy),)
        at = item.position
        for part in parts:
            owner.append(i)
            rect = part.rect
            y0, y1 = at.y - sy / 2 + part.y0, at.y - sy / 2 + part.y1
            rows.append((at.x, at.z, item.rotation.y, *rect.center, rect.width, rect.depth, y0, y1))
    table = np.array(rows, float).reshape(-1, 9)
    x, z, yaw, mx, mz, width, depth, y0, y1 = table.T
    c, s = _cos_sin(yaw)
    return Bodies(
        owner=np.array(owner, int),
        center=np.stack([x + c * mx + s * mz, z - s * mx + c * mz], axis=-1),
        half=np.stack([width / 2, depth / 2], axis=-1),
        axis=np.stack([c, s], axis=-1),
        y=np.stack([y0, y1], axis=-1),
    )


def _cos_sin(yaw: Float64[np.ndarray, " n"]) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    angle = np.radians(yaw)
    return np.cos(angle), np.sin(angle)


def depths(a: Bodies, b: Bodies) -> Float64[np.ndarray, " n"]:
    """How deep box i of `a` is in box i of `b` [m]: the shortest way out; not above 0 if apart."""
    between = b.center - a.center
    dot = np.abs(a.axis[:, 0] * b.axis[:, 0] + a.axis[:, 1] * b.axis[:, 1])
    cross = np.abs(a.axis[:, 0] * b.axis[:, 1] - a.axis[:, 1] * b.axis[:, 0])
    found = np.minimum(a.y[:, 1], b.y[:, 1]) - np.maximum(a.y[:, 0], b.y[:, 0])
    for one, other in (
        (a, b),
        (b, a),
    ):  # if they are apart, then along a side of one of them
        c, s = one.axis.T
        x, z = between.T
        width, depth = other.half.T
        along = np.abs(np.stack([c * x - s * z, s * x + c * z]))
        spread = np.stack([dot * width + cross * depth, cross * width + dot * depth])
        found = np.minimum(found, (one.half.T + spread - along).min(axis=0))
    return found


def near_pairs(boxes: Bodies, slack: float = 0.0) -> Int64[np.ndarray, "pairs 2"]:
    """Pairs (i, j), i < j, whose bounding boxes come closer than `slack` [m], in order."""
    corners = boxes.corners()
    low = np.concatenate([corners.min(axis=1), boxes.y[:, :1]], axis=1)
    high = np.concatenate([corners.max(axis=1), boxes.y[:, 1:]], axis=1)
    close = ((low[:, None] < high[None] + slack) & (low[None] < high[:, None] + slack)).all(axis=-1)
    return np.argwhere(np.triu(close, 1))
