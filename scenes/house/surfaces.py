"""Where small objects rest on a receptacle: height of the surface, and its free part.

A table's surface is its top. Beds, chairs and sofas are higher than the surface in use; since the asset table
has only boxes, these heights are typical of such furniture and bounded by the box. Geometry of an asset
should have its seat, mattress or desk top at `surface(asset).height`.
"""

from dataclasses import dataclass
from functools import cache

from scenes.house.asset_table import Asset
from scenes.house.boxes import Rect, solid_parts

TABLES = ("CoffeeTable", "CounterTop", "Desk", "DiningTable", "SideTable", "TVStand")
FLAT_TOPS = frozenset((*TABLES, "Dresser", "Ottoman", "ShelvingUnit", "Stool"))
HUTCH = 1.1  # m; a desk higher than this has shelves above its top
MARGIN = 0.03  # m kept from the rim


@dataclass(frozen=True)
class Surface:
    """A level part of an asset, in the asset's own coordinates (centre at the origin, front to +z)."""

    height: float  # m above the asset's bottom
    rects: tuple[Rect, ...]  # where something may stand
    inside: bool = False  # within the asset, unseen while it is closed


@cache
def surface(asset: Asset) -> Surface | None:
    """The surface of an asset; None for a type on which nothing is put."""
    sx, sy, sz = asset.size
    w, d = sx / 2, sz / 2
    if asset.type == "Desk" and sy > HUTCH:
        return Surface(0.75, (Rect(-w + MARGIN, 0.0, w - MARGIN, d - MARGIN),))
    if asset.type in FLAT_TOPS:
        return Surface(sy, tuple(part.grown(-MARGIN) for part in solid_parts(asset)))
    if asset.type == "Bed":  # all but the headboard's end
        return Surface(min(0.55, 0.65 * sy), (Rect(-0.42 * sx, -d + 0.15, 0.42 * sx, d - 0.15),))
    if asset.type in ("Sofa", "ArmChair"):  # between the arms, before the back
        seat = Rect(-w + 0.2, -d + 0.28, w - 0.2, d - 0.05)
        return Surface(min(0.42, 0.5 * sy), (seat,))
    if asset.type == "Chair":
        return Surface(min(0.46, 0.53 * sy), (Rect(-0.36 * sx, -0.2 * sz, 0.36 * sx, 0.4 * sz),))
    if asset.type == "Toilet":  # the cistern's lid
        return Surface(sy, (Rect(-0.4 * sx, -d + 0.02, 0.4 * sx, -d + 0.22),))
    if asset.type == "Sink":  # the rim behind the bowl
        return Surface(sy, (Rect(-w + 0.02, -d + 0.01, w - 0.02, -d + 0.3),))
    if asset.type in ("Box", "GarbageCan"):  # the bottom
        return Surface(0.02, (Rect(-0.8 * w, -0.8 * d, 0.8 * w, 0.8 * d),), inside=True)
    if asset.type == "Fridge":  # a shelf
        return Surface(0.5 * sy, (Rect(-w + 0.08, -d + 0.1, w - 0.08, d - 0.12),), inside=True)
    return None
