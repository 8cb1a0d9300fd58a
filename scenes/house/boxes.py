"""Rectangles on the floor and boxes of objects, shared by placement, checks and drawing.

An object is its asset's bounding box, rotated by its yaw. Counters are L- or U-shaped, so the solid part of
an asset is a list of rectangles (`solid_parts`).
"""

import math
from dataclasses import dataclass
from functools import cache

from scenes.house.asset_table import Asset, asset_table
from scenes.house.elements import HouseObject

COUNTER_DEPTH = 0.62  # m; every AI2-THOR counter is 0.61 deep, as "Countertop_I_*" show


@dataclass(frozen=True)
class Rect:
    """An axis-aligned rectangle in xz [m]."""

    x0: float
    z0: float
    x1: float
    z1: float

    @property
    def width(self) -> float:
        """Extent along x [m]."""
        return self.x1 - self.x0

    @property
    def depth(self) -> float:
        """Extent along z [m]."""
        return self.z1 - self.z0

    @property
    def center(self) -> tuple[float, float]:
        """Middle (x, z) [m]."""
        return (self.x0 + self.x1) / 2, (self.z0 + self.z1) / 2

    def overlaps(self, other: "Rect", slack: float = 1e-6) -> bool:
        """Whether the two share more than `slack` [m] along both axes."""
        return (
            min(self.x1, other.x1) - max(self.x0, other.x0) > slack
            and min(self.z1, other.z1) - max(self.z0, other.z0) > slack
        )

    def contains(self, other: "Rect", slack: float = 1e-6) -> bool:
        """Whether `other` lies in this one, but for `slack` [m]."""
        return (
            other.x0 >= self.x0 - slack
            and other.z0 >= self.z0 - slack
            and other.x1 <= self.x1 + slack
            and other.z1 <= self.z1 + slack
        )

    def grown(self, by: float) -> "Rect":
        """Larger by `by` [m] on every side."""
        return Rect(self.x0 - by, self.z0 - by, self.x1 + by, self.z1 + by)


@dataclass(frozen=True)
class Box:
    """An axis-aligned box [m]: a rectangle from y0 up to y1."""

    rect: Rect
    y0: float
    y1: float

    def overlap(self, other: "Box") -> float:
        """How deep the two are in one another [m]: the least of the three overlaps; not above 0 if apart."""
        a, b = self.rect, other.rect
        return min(
            min(a.x1, b.x1) - max(a.x0, b.x0),
            min(a.z1, b.z1) - max(a.z0, b.z0),
            min(self.y1, other.y1) - max(self.y0, other.y0),
        )


def turned(local: Rect, yaw: float, x: float, z: float) -> Rect:
    """The bounding rectangle of a local one, turned by `yaw` [degrees, +z towards +x] and moved to (x, z)."""
    c, s = math.cos(math.radians(yaw)), math.sin(math.radians(yaw))
    corners = [(lx, lz) for lx in (local.x0, local.x1) for lz in (local.z0, local.z1)]
    xs = [x + c * lx + s * lz for lx, lz in corners]
    zs = [z - s * lx + c * lz for lx, lz in corners]
    return Rect(min(xs), min(zs), max(xs), max(zs))


def footprint(asset: Asset, yaw: float, x: float, z: float) -> Rect:
    """The bounding rectangle of an asset standing at (x, z) with `yaw` [degrees]."""
    w, d = asset.size[0] / 2, asset.size[2] / 2
    return turned(Rect(-w, -d, w, d), yaw, x, z)


@cache
def solid_parts(asset: Asset) -> tuple[Rect, ...]:
    """What of the floor an asset covers, in its own coordinates (centre at the origin, front to +z).

    An L-shaped counter runs along its back and down its +x side: that is how ProcTHOR's houses fit it
    into corners.
    """
    w, d = asset.size[0] / 2, asset.size[2] / 2
    whole = Rect(-w, -d, w, d)
    shape = asset.id.split("_")[1] if asset.type == "CounterTop" else "I"
    if shape not in ("L", "C") or min(asset.size[0], asset.size[2]) <= COUNTER_DEPTH:
        return (whole,)
    back = Rect(-w, -d, w, -d + COUNTER_DEPTH)
    right = Rect(w - COUNTER_DEPTH, -d + COUNTER_DEPTH, w, d)
    left = Rect(-w, -d + COUNTER_DEPTH, -w + COUNTER_DEPTH, d)
    return (back, right) if shape == "L" else (back, right, left)


def asset_of(item: HouseObject) -> Asset | None:
    """The asset of an object; None for one that the table does not know."""
    return asset_table().get(item.asset_id)


def boxes_of(item: HouseObject) -> list[Box]:
    """The solid boxes of an object in the world; none if its asset is unknown."""
    asset = asset_of(item)
    if asset is None:
        return []
    y0 = item.position.y - asset.size[1] / 2
    return [
        Box(turned(part, item.rotation.y, item.position.x, item.position.z), y0, y0 + asset.size[1])
        for part in solid_parts(asset)
    ]


def contains_rect(room: list[Rect], rect: Rect, slack: float = 1e-6) -> bool:
    """Whether `rect` lies in the union of disjoint rectangles, but for `slack` [m]."""
    x0, z0, x1, z1 = rect.x0 + slack, rect.z0 + slack, rect.x1 - slack, rect.z1 - slack
    if x1 <= x0 or z1 <= z0:
        return False
    covered = 0.0
    for part in room:
        w, d = min(part.x1, x1) - max(part.x0, x0), min(part.z1, z1) - max(part.z0, z0)
        if w > 0 and d > 0:
            covered += w * d
    return covered >= (x1 - x0) * (z1 - z0) * (1 - 1e-9)
