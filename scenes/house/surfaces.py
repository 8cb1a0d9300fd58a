"""Where small things rest on a receptacle: the heights of its boards and the parts of them that are free.

`surfaces` has every board that public houses show an asset to have (`scenes/house/boards.py`). `surface` is
the one board that is known without them: a table's is its top; a bed, a chair or a sofa is higher than what
one puts things on, so that their heights are those of ordinary furniture, bounded by the box.
"""

import math
from dataclasses import dataclass, replace
from functools import cache

from scenes.house.asset_table import Asset
from scenes.house.boards import Kind, SeenBoard, boards_seen_on
from scenes.house.boxes import Rect, solid_parts

TABLES = ("CoffeeTable", "CounterTop", "Desk", "DiningTable", "SideTable", "TVStand")
FLAT_TOPS = frozenset((*TABLES, "Dresser", "Ottoman", "ShelvingUnit", "Stool"))
NOT_IN_DRAWERS = (
    *(
        "AlarmClock",
        "BasketBall",
        "Boots",
        "Box",
        "DeskLamp",
        "HousePlant",
        "Laptop",
        "Pot",
        "Statue",
        "Vase",
    ),
)
HUTCH = 1.1  # m; a desk higher than this has shelves above its top
MARGIN = 0.03  # m kept from the rim
THICK = 0.02  # m, of a board
ENOUGH = 10  # things seen on a board, from which on they show how deep it is


@dataclass(frozen=True)
class Surface:
    """A level part of an asset, in the asset's own coordinates (centre at the origin, front to +z)."""

    height: float  # m above the asset's bottom
    rects: tuple[Rect, ...]  # where something may stand
    inside: bool = False  # within the asset, unseen while it is closed
    kind: Kind = "top"
    clear: float = math.inf  # m of free height above it
    seen: int = 0  # small objects that public houses have on it


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
        mattress = Rect(-0.42 * sx, -d + 0.15, 0.42 * sx, d - 0.15)
        return Surface(min(0.55, 0.65 * sy), (mattress,), kind="seat")
    if asset.type in ("Sofa", "ArmChair"):  # between the arms, before the back
        seat = Rect(-w + 0.2, -d + 0.28, w - 0.2, d - 0.05)
        return Surface(min(0.42, 0.5 * sy), (seat,), kind="seat")
    if asset.type == "Chair":
        seat = Rect(-0.36 * sx, -0.2 * sz, 0.36 * sx, 0.4 * sz)
        return Surface(min(0.46, 0.53 * sy), (seat,), kind="seat")
    if asset.type == "Toilet":  # the cistern's lid
        return Surface(sy, (Rect(-0.4 * sx, -d + 0.02, 0.4 * sx, -d + 0.22),))
    if asset.type == "Sink":  # the rim behind the bowl
        return Surface(sy, (Rect(-w + 0.02, -d + 0.01, w - 0.02, -d + 0.3),))
    if asset.type in ("Box", "GarbageCan"):  # the bottom
        bottom = Rect(-0.8 * w, -0.8 * d, 0.8 * w, 0.8 * d)
        return Surface(0.02, (bottom,), inside=True, kind="inside", clear=sy - 0.02)
    if asset.type == "Fridge":  # a shelf
        shelf = Rect(-w + 0.08, -d + 0.1, w - 0.08, d - 0.12)
        return Surface(0.5 * sy, (shelf,), inside=True, kind="inside", clear=0.5 * sy - THICK)
    return None


@cache
def surfaces(asset: Asset) -> tuple[Surface, ...]:
    """Every board of an asset, the lowest first; none for a type on which nothing is put."""
    seen, single = boards_seen_on(asset), surface(asset)
    if not seen:
        return () if single is None else (single,)
    boards = tuple(_as_seen(asset, board, seen) for board in seen)
    if asset.type == "Sink" and single is not None:  # its rim carries a tap too, which is not counted
        on_rim = tuple(board for board in boards if board.kind == "top")
        rects = (*single.rects, *(rect for board in on_rim for rect in board.rects))
        rim = replace(single, rects=rects, seen=sum(board.seen for board in on_rim))
        return (*(board for board in boards if board.kind != "top"), rim)
    return boards


def _as_seen(asset: Asset, board: SeenBoard, others: tuple[SeenBoard, ...]) -> Surface:
    rects = (board.region,)
    above_another = len(others) > 1 and board.seen >= ENOUGH and board.region.depth < 0.5 * asset.size[2]
    if board.kind == "top" and asset.type in FLAT_TOPS and not above_another:
        rects = tuple(part.grown(-MARGIN) for part in solid_parts(asset))
    above = [b.height for b in others if b.height > board.height + THICK and b.region.overlaps(board.region)]
    if board.kind in ("inside", "drawer"):
        above.append(asset.size[1])
    clear = min(above, default=math.inf) - THICK - board.height
    return Surface(board.height, rects, board.kind in ("inside", "drawer"), board.kind, clear, board.seen)
