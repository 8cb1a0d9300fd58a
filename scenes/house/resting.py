"""On which of its receptacle's boards a small object comes to rest, and how far it is from there.

ProcTHOR writes many small objects up to 6 cm above the board that they belong to, and pillows at the height
of the whole bed or sofa: physics lets them down when AI2-THOR opens the house. Laptops and boxes are written
with the bounding box that they have as far as they are open, which the asset table does not know.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from scenes.house.bodies import tilted, to_local, upright_size
from scenes.house.boxes import Rect, asset_of
from scenes.house.elements import HouseObject
from scenes.house.surfaces import Surface, surfaces

NEAR = 0.1  # m beyond the part of a board on which things were seen, at which it still carries
ON = 0.01 + 1e-6  # m from its board, up or down, at which a thing rests on it
LIFT = 0.07  # m above a board or a whole receptacle: what is written no higher is let down
STILL = 0.002  # m from its board at which a thing is not moved
SUNK = 0.04  # m below a board; what is no deeper is let up
SOFT = 0.12  # m, the same for a seat, which is soft and seldom level
SHAPED = ("Laptop", "Box")  # their bounding box depends on how far they are open


@dataclass(frozen=True)
class Rest:
    """Where an object is with respect to the board that it belongs to."""

    board: Surface
    off: float  # m that its foot is above the board; below 0 for one that is sunk in


def rest(item: HouseObject, parent: HouseObject) -> Rest | None:
    """The board of `parent` that `item` rests on, or comes to rest on; None where nothing can rest."""
    asset, under = asset_of(item), asset_of(parent)
    if asset is None or under is None:
        return None
    boards = surfaces(under)
    if not boards:
        return None
    foot = item.position.y - upright_size(asset, item.rotation)[1] / 2
    height = foot - (parent.position.y - under.size[1] / 2)
    x, z = to_local(parent, item.position.x, item.position.z)
    point = Rect(x, z, x, z)
    near = [b for b in boards if any(rect.grown(NEAR).contains(point) for rect in b.rects)] or list(boards)
    loose = asset.type in SHAPED and not item.kinematic
    board = min(near, key=lambda b: abs(height - b.height)) if loose else _below(height, near)
    if not loose and not -ON <= height - board.height <= LIFT:
        # A board may be wider than what was seen on it.
        board = next((b for b in boards if -ON <= height - b.height <= LIFT), board)
    return Rest(board, height - board.height)


def _below(height: float, boards: Sequence[Surface]) -> Surface:
    """The board that a thing at a height [m] falls on, or that it is a little deep in; else the lowest."""
    reached = [b for b in boards if b.height <= height + depth_allowed(b)]
    nearest = min(boards, key=lambda b: abs(height - b.height))
    if abs(height - nearest.height) <= ON:
        return nearest
    return max(reached, key=lambda b: b.height) if reached else min(boards, key=lambda b: b.height)


def depth_allowed(board: Surface) -> float:
    """How deep in a board a thing may be written that lies on it [m]."""
    return SOFT if board.kind == "seat" else SUNK


def settling(item: HouseObject, parent: HouseObject) -> float:
    """How far physics moves an object upright until it rests on its board [m]; 0 for what is fixed or leans.

    What floats above the whole of its receptacle, or is deep in something solid, is left where it is: that is
    an error of the house (`scenes/house/checks/objects.py`).
    """
    asset, under = asset_of(item), asset_of(parent)
    found = None if item.kinematic or tilted(item.rotation) else rest(item, parent)
    if found is None or asset is None or under is None or abs(found.off) <= STILL:
        return 0.0
    if found.board.height + found.off > under.size[1] + LIFT:
        return 0.0
    if found.off < -depth_allowed(found.board) and asset.type not in SHAPED:
        return 0.0
    return -found.off
