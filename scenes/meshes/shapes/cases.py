"""Cases and stands whose shelves and drawers are where things rest in an asset (`scenes/house/boards.py`).

A case is one or two columns of compartments under a top: a compartment stands on a board, is open in front
(shelf) or has a front with a handle (drawer), and ends below the next board. A desk keeps the place for one's
knees, and may have shelves above its top, at the back. Boxes as in `shapes`.
"""

from dataclasses import dataclass

from scenes.house.asset_table import Asset
from scenes.house.boards import SeenBoard, boards_seen_on
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.palette import FinishSampler, steel
from scenes.meshes.shapes.furniture_parts import legs

CASES = ("CoffeeTable", "Desk", "DiningTable", "Dresser", "ShelvingUnit", "SideTable", "TVStand")
ON_LEGS = ("CoffeeTable", "Desk", "DiningTable", "SideTable")  # open below their lowest board
THICK = 0.018  # m, of a board
TOP = 0.025  # m, of the top
GRIP = 0.018  # m that a handle stands out
WIDE = 0.5  # of the width; a board seen on less of it, off the middle, is of one column
FEW = 0.14  # m; a lowest board no higher stands on a plinth


def has_compartments(asset: Asset) -> bool:
    """Whether things rest within an asset, and not on its top alone, in shelves or drawers."""
    inner = [b for b in boards_seen_on(asset) if b.kind in ("shelf", "drawer")]
    return asset.type in CASES and bool(inner)


@dataclass(frozen=True)
class _Column:
    """A part of the width with its boards, the lowest first."""

    x0: float
    x1: float
    boards: tuple[SeenBoard, ...]


def case(b: MeshBuilder, asset: Asset, draw: FinishSampler) -> None:
    """The case of an asset that `has_compartments`."""
    w, h, d = asset.size
    boards = boards_seen_on(asset)
    main = _main(asset, boards)
    worktop = min(main.height, h) if main is not None else h
    look, fronts = draw.body(), draw.body()
    for column in _columns(asset, [x for x in boards if x.height < worktop - 0.01]):
        _compartments(b, asset, column, worktop, look, fronts)
    b.box((-w / 2, worktop - TOP, -d / 2), (w / 2, worktop, d / 2), look)
    upper = [x for x in boards if x.height > worktop + 0.01]
    if h - worktop > 0.01:
        _upper(b, asset, worktop, upper, look)
    if asset.type in ON_LEGS:
        legs(b, w, d, 0.0, worktop - TOP, look, min(0.045, 0.12 * min(w, d)))
    else:
        low = min((x.height for x in boards), default=h) - THICK
        b.box((-w / 2, 0.0, -d / 2), (w / 2, min(low, 0.03), d / 2 - GRIP - 0.02), look)


def _main(asset: Asset, boards: tuple[SeenBoard, ...]) -> SeenBoard | None:
    """The board that is the asset's top; a desk's is the one that most lies on; None for an open shelf."""
    tops = [board for board in boards if board.kind == "top"]
    if asset.type == "Desk":
        return max(boards, key=lambda board: board.seen)
    return tops[-1] if tops else None


def _columns(asset: Asset, boards: list[SeenBoard]) -> list[_Column]:
    """The boards below the top, a mesh's x being minus the asset's."""
    half = asset.size[0] / 2
    sides: dict[int, list[SeenBoard]] = {-1: [], 1: []}
    through = []
    for board in boards:
        middle = -board.region.center[0]
        if board.region.width < 2 * WIDE * half and abs(middle) > 0.3 * half:
            sides[1 if middle > 0 else -1].append(board)
        else:
            through.append(board)
    left, right = (tuple(sorted([*through, *sides[s]], key=lambda x: x.height)) for s in (-1, 1))
    if not sides[-1] and not sides[1]:
        return [_Column(-half, half, left)] if through else []
    ends = max((-x.region.x0 for x in sides[-1]), default=-0.05 * half) + THICK
    starts = min((-x.region.x1 for x in sides[1]), default=0.05 * half) - THICK
    if asset.type != "Desk" or ends > starts:  # no place for knees
        ends = starts = min(max((ends + starts) / 2, -0.8 * half), 0.8 * half)
    columns = [_Column(-half, ends, left)] if left else []
    return columns + ([_Column(starts, half, right)] if right else [])


def _compartments(
    b: MeshBuilder, asset: Asset, column: _Column, worktop: float, look: Finish, fronts: Finish
) -> None:
    d = asset.size[2]
    front, back = d / 2 - GRIP, -d / 2
    edge = front - 0.004  # of sides and boards, a hair behind the fronts
    lowest = column.boards[0].height - THICK
    raised = asset.type in ON_LEGS and lowest > FEW
    foot = max(lowest, 0.0) if raised else 0.0
    open_frame = asset.type in ON_LEGS and all(x.kind == "shelf" for x in column.boards)
    if not open_frame:
        for x in (column.x0, column.x1 - THICK):
            b.box((x, foot, back), (x + THICK, worktop - TOP, edge), look)
        b.box((column.x0, foot, back), (column.x1, worktop - TOP, back + 0.008), look)
    if not raised and not open_frame and lowest > FEW:
        _front(b, column, (0.03, lowest), front, fronts, upright=True)
    ceilings = [x.height - THICK for x in column.boards[1:]] + [worktop - TOP]
    for board, ceiling in zip(column.boards, ceilings, strict=True):
        b.box((column.x0, max(board.height - THICK, 0.0), back), (column.x1, board.height, edge), look)
        if board.kind == "drawer":
            _front(b, column, (max(board.height - THICK, 0.0), ceiling), front, fronts, upright=False)


def _front(
    b: MeshBuilder, column: _Column, y: tuple[float, float], z: float, look: Finish, *, upright: bool
) -> None:
    """A drawer's or a door's front with its handle."""
    gap = 0.004
    b.box((column.x0 + gap, y[0] + gap, z - 0.016), (column.x1 - gap, y[1] - gap, z), look)
    middle, height = (column.x0 + column.x1) / 2, (y[0] + y[1]) / 2
    span = min(0.07, 0.2 * ((y[1] - y[0]) if upright else (column.x1 - column.x0)))
    ends = (
        ((middle, height - span), (middle, height + span))
        if upright
        else ((middle - span, height), (middle + span, height))
    )
    start, end = ((x, at, z + 0.6 * GRIP) for x, at in ends)
    b.rod(start, end, 0.005, steel(), sides=8)


def _upper(b: MeshBuilder, asset: Asset, worktop: float, boards: list[SeenBoard], look: Finish) -> None:
    """What stands above the top: shelves between two sides, or a back alone."""
    w, h, d = asset.size
    b.box((-w / 2, worktop, -d / 2), (w / 2, h, -d / 2 + 0.012), look)
    if not boards:
        return
    reach = max(x.region.z1 for x in boards) + 0.03
    front = d / 2 if reach > 0.2 * d else reach
    for x in (-w / 2, w / 2 - THICK):
        b.box((x, worktop, -d / 2), (x + THICK, h, front), look)
    for board in boards:
        b.box((-w / 2, board.height - THICK, -d / 2), (w / 2, min(board.height, h), front), look)
    last = boards[-1]
    if last.height + last.tallest < h - THICK and h - last.height > 2 * THICK:
        b.box((-w / 2, h - THICK, -d / 2), (w / 2, h, front), look)
