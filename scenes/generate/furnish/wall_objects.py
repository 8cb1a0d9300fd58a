"""Paintings and wall televisions: clear of doors, windows and of furniture in front of them."""

import numpy as np

from scenes.generate.family import Family
from scenes.generate.furnish.room_space import Piece, RoomSpace
from scenes.generate.layout.floorplan import Side
from scenes.house.asset_table import Asset, assets_of_type
from scenes.house.boxes import Box

FLAT = 0.12  # m; a television at most this deep can hang
EYE = {"Painting": (1.35, 1.75), "Television": (1.2, 1.6)}  # m, height of the middle
AIR = 0.018  # m from the wall plane: geometry gives walls 0.015 m of thickness on each side
MARGIN = 0.08  # m to holes, corners and other things on the wall
TRIES = 24


def hang(space: RoomSpace, family: Family, counts: dict[str, int], rng: np.random.Generator) -> list[Piece]:
    """What hangs on the walls of a furnished room: so many of each type, where there is a place."""
    boxes = [box for piece in space.pieces for box in _with_children(piece)]
    hung: list[Piece] = []
    seats = [piece for piece in space.pieces if piece.asset.type in ("Sofa", "Bed", "ArmChair")]
    looked_at = {(piece.yaw + 180.0) % 360.0 for piece in seats}
    for kind in ("Television",) * counts.get("Television", 0) + ("Painting",) * counts.get("Painting", 0):
        assets = [a for a in assets_of_type(kind, family.pool) if kind == "Painting" or a.size[2] <= FLAT]
        for _ in range(TRIES if assets else 0):
            asset = assets[int(rng.integers(len(assets)))]
            opposite = [side for side in space.walls if side.yaw in looked_at] if kind == "Television" else []
            sides = opposite or space.walls
            piece = _on(space, sides[int(rng.integers(len(sides)))], asset, rng)
            if piece is not None and not _collides(piece, boxes) and _out_of_the_way(space, piece):
                hung.append(piece)
                boxes.extend(box for box in piece.boxes())
                break
    return hung


def _on(space: RoomSpace, side: Side, asset: Asset, rng: np.random.Generator) -> Piece | None:
    width, height, depth = asset.size
    free = side.length - width - 2 * MARGIN
    if free < 0:
        return None
    along = width / 2 + MARGIN + free * float(rng.random())
    middle = float(rng.uniform(*EYE[asset.type]))
    bottom = min(middle - height / 2, space.ceiling - height - MARGIN)
    for hole in (*space.doors, *space.windows):
        apart = along + width / 2 + MARGIN < hole.start or along - width / 2 - MARGIN > hole.end
        above_or_below = bottom > hole.top + MARGIN or bottom + height < hole.bottom - MARGIN
        if hole.side == side and not apart and not above_or_below:
            return None
    (ax, az), (nx, nz), off = side.along, side.inward, depth / 2 + AIR
    x, z = side.p0[0] + ax * along + nx * off, side.p0[1] + az * along + nz * off
    return Piece(asset, round(x, 4), round(z, 4), side.yaw, round(bottom, 4))


def _out_of_the_way(space: RoomSpace, piece: Piece) -> bool:
    clear = not any(part.overlaps(strip) for part in piece.parts() for strip in space.kept_clear)
    return clear and space.passable(piece.parts())


def _collides(piece: Piece, boxes: list[Box]) -> bool:
    return any(Box(b.rect.grown(MARGIN), b.y0, b.y1).overlap(box) > 0 for b in piece.boxes() for box in boxes)


def _with_children(piece: Piece) -> list[Box]:
    return piece.boxes() + [box for child in piece.children for box in child.boxes()]
