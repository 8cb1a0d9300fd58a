"""Furniture that belongs together, placed around a piece that already stands.

Each function places what fits and returns how many pieces that was. Positions are worked out in the
leader's own coordinates, where its front looks along +z and its back is to the wall.
"""

from scenes.generate.furnish.placed_pieces import PlacedPieces
from scenes.generate.furnish.room_space import GAP, Piece, front_strip
from scenes.generate.furnish.rules import RULES
from scenes.house.asset_table import Asset

SEAT_DISTANCE = (1.5, 3.2)  # m between a television's stand and who watches
KNEES = 0.4  # m between a sofa and its coffee table
TRIES = 6


def _beside(leader: Piece, asset: Asset, x: float, z: float, turn: float) -> Piece:
    """The asset at (x, z) of the leader's coordinates, turned by `turn` [degrees] from it."""
    world_x, world_z = leader.to_world(x, z)
    return Piece(asset, round(world_x, 4), round(world_z, 4), (leader.yaw + turn) % 360.0)


def at_bed(room: PlacedPieces, bed: Piece) -> int:
    """A side table at one side of the headboard."""
    for _ in range(TRIES):
        asset = room.pick("SideTable")
        if asset is None or asset.size[1] > 0.9 or asset.size[0] > 0.8:
            continue
        gap = float(room.rng.uniform(0.04, 0.15))
        x = bed.asset.size[0] / 2 + asset.size[0] / 2 + gap
        z = -bed.asset.size[2] / 2 + asset.size[2] / 2
        for side in (x, -x) if room.rng.random() < 0.5 else (-x, x):
            table = _beside(bed, asset, side, z, 0.0)
            if room.space.fits(table):
                room.join(bed, table)
                return 1
    return 0


def beside(room: PlacedPieces, seat: Piece, kind: str) -> int:
    """One of `kind` next to a seat, at the wall behind it."""
    for _ in range(TRIES):
        asset = room.pick(kind)
        if asset is None:
            return 0
        x = seat.asset.size[0] / 2 + asset.size[0] / 2 + float(room.rng.uniform(0.05, 0.25))
        z = -seat.asset.size[2] / 2 + asset.size[2] / 2
        piece = _beside(seat, asset, x if room.rng.random() < 0.5 else -x, z, 0.0)
        if room.space.fits(piece):
            room.join(seat, piece)
            return 1
    return 0


def at_table(room: PlacedPieces, table: Piece, count: int) -> int:
    """Up to `count` equal chairs around a table, facing it: the long sides first."""
    chair = room.pick("Chair")
    if chair is None:
        return 0
    half_x, half_z = table.asset.size[0] / 2, table.asset.size[2] / 2
    out = chair.size[2] / 2 + GAP + 0.01
    row = max(1, int(table.asset.size[0] // (chair.size[0] + 0.12)))
    offsets = [(i - (row - 1) / 2) * table.asset.size[0] / row for i in range(row)]
    # a chair at rotation 0 faces +z, so the one behind the table (-z) needs no turn
    seats = [(x, -half_z - out, 0.0) for x in offsets] + [(x, half_z + out, 180.0) for x in offsets]
    seats += [(-half_x - out, 0.0, 90.0), (half_x + out, 0.0, 270.0)]
    order = [int(i) for i in room.rng.permutation(2 * row)] + [2 * row, 2 * row + 1]
    placed = 0
    for index in order:
        if placed == count:
            break
        x, z, turn = seats[index]
        pulled = float(room.rng.uniform(0.0, 0.12))  # nobody pushes all chairs in alike
        if index < 2 * row:
            z += pulled if z > 0 else -pulled
        else:
            x += pulled if x > 0 else -pulled
        piece = _beside(table, chair, x, z, turn)
        if room.space.fits(piece):
            room.join(table, piece)
            placed += 1
    return placed


def at_desk(room: PlacedPieces, desk: Piece) -> int:
    """A chair before the desk, facing it."""
    strip = front_strip(desk, RULES["Desk"].front)
    for _ in range(TRIES):
        chair = room.pick("Chair")
        if chair is None:
            return 0
        slack = max(0.0, desk.asset.size[0] / 2 - chair.size[0] / 2)
        x = float(room.rng.uniform(-slack, slack)) / 2
        z = desk.asset.size[2] / 2 + chair.size[2] / 2 + GAP + float(room.rng.uniform(0.01, 0.1))
        piece = _beside(desk, chair, x, z, 180.0)
        if room.space.fits(piece, tucked=(strip,)):
            room.join(desk, piece)
            return 1
    return 0


def before_television(room: PlacedPieces, stand: Piece, kind: str, left: dict[str, int]) -> bool:
    """A sofa or armchair that faces the television's stand; between them a coffee table, if one is drawn."""
    for _ in range(4 * TRIES):
        seat = room.pick(kind)
        if seat is None:
            return False
        distance = float(room.rng.uniform(*SEAT_DISTANCE))
        aside = float(room.rng.uniform(-0.25, 0.25))
        z = stand.asset.size[2] / 2 + distance + seat.size[2] / 2
        piece = _beside(stand, seat, aside, z, 180.0)
        if not room.space.fits(piece, RULES[kind].front):
            continue
        room.put(piece, RULES[kind].front)
        if left.get("CoffeeTable", 0) > 0:
            left["CoffeeTable"] -= before_sofa(room, piece)
        if left.get("FloorLamp", 0) > 0:
            left["FloorLamp"] -= beside(room, piece, "FloorLamp")
        return True
    return False


def before_sofa(room: PlacedPieces, sofa: Piece) -> int:
    """A coffee table in reach of a sofa."""
    strip = front_strip(sofa, RULES["Sofa"].front)
    for _ in range(TRIES):
        asset = room.pick("CoffeeTable")
        if asset is None:
            return 0
        z = sofa.asset.size[2] / 2 + KNEES + GAP + asset.size[2] / 2
        piece = _beside(sofa, asset, 0.0, z, 0.0)
        if room.space.fits(piece, tucked=(strip,)):
            room.join(sofa, piece)
            return 1
    return 0
