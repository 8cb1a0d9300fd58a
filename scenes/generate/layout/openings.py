"""Doors and windows: which rooms are connected, where holes are, and which floor they keep clear.

A spanning tree connects all rooms, with bathrooms as leaves where the plan allows it; some neighbours get a
second door; one door leads outside. A wall has at most one hole. As in AI2-THOR, a door's leaf swings away
from room0 into room1, and the front door's outwards.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from scenes.generate.family import Family
from scenes.generate.layout.floorplan import DOOR_SIDE, PlanRoom, Side
from scenes.generate.layout.structure import room_id, wall_id
from scenes.house.asset_table import Asset, assets_of_type
from scenes.house.boxes import Rect
from scenes.house.elements import Door, Vec3, Window

ENTRANCE_CLEAR = 0.5  # m kept free before a door
SWING_CLEAR = 0.1  # m kept free beyond an open leaf
OPEN_CLEAR = 0.35  # m kept free on both sides of a missing wall
PLACES = 12  # tried for a door whose leaf must not hit another's
WINDOWS = 2  # at most, in one room
CORNER = 0.1  # m from a hole to the end of its wall
# How gladly two kinds of room are joined: the tree is grown from the least sum.
JOIN_COST = {
    frozenset(["Kitchen", "LivingRoom"]): 0.0,
    frozenset(["LivingRoom", "Bedroom"]): 1.0,
    frozenset(["LivingRoom"]): 0.0,
    frozenset(["Kitchen", "Bedroom"]): 2.5,
    frozenset(["Bedroom"]): 3.5,
    frozenset(["Bathroom", "Bedroom"]): 0.5,
    frozenset(["Bathroom", "LivingRoom"]): 1.0,
    frozenset(["Bathroom", "Kitchen"]): 2.0,
    frozenset(["Bathroom"]): 9.0,
}


@dataclass
class Hole:
    """A hole in a side of a room, as seen from that room."""

    side: Side
    start: float  # m from p0
    end: float
    bottom: float  # m above the floor
    top: float
    clear: float  # m of floor before it that nothing may stand on; 0 for a window

    def strip(self, depth: float) -> Rect:
        """The floor before the hole, `depth` [m] into the room."""
        (x, z), (ax, az), (nx, nz) = self.side.p0, self.side.along, self.side.inward
        xs = [x + ax * t + nx * d for t in (self.start, self.end) for d in (0.0, depth)]
        zs = [z + az * t + nz * d for t in (self.start, self.end) for d in (0.0, depth)]
        return Rect(min(xs), min(zs), max(xs), max(zs))

    def beyond(self, side: Side, clear: float) -> "Hole":
        """The same hole from the other room, whose side of the wall is `side`."""
        length = side.length
        return Hole(side, length - self.end, length - self.start, self.bottom, self.top, clear)

    def entry(self, depth: float) -> tuple[float, float]:
        """A point (x, z) in the middle of the hole, `depth` [m] into the room."""
        (x, z), (ax, az), (nx, nz) = self.side.p0, self.side.along, self.side.inward
        t = (self.start + self.end) / 2
        return x + ax * t + nx * depth, z + az * t + nz * depth


@dataclass
class Openings:
    """All doors and windows of a house."""

    doors: list[Door] = field(default_factory=list)
    windows: list[Window] = field(default_factory=list)
    open_sides: set[str] = field(default_factory=set)  # ids of walls that are not there
    door_holes: list[Hole] = field(default_factory=list)  # one for each room that a door leads to
    window_holes: list[Hole] = field(default_factory=list)
    swept: list[Rect] = field(default_factory=list)  # the floor that leaves swing over


def draw_openings(family: Family, rooms: list[PlanRoom], height: float, rng: np.random.Generator) -> Openings:
    """Doors and windows for a floor plan with walls of `height` [m]."""
    by_number = {room.number: room for room in rooms}
    shared: dict[tuple[int, int], list[Side]] = {}
    for room in rooms:
        for side in room.sides:
            if side.other is not None and side.other > room.number and side.length >= DOOR_SIDE:
                shared.setdefault((room.number, side.other), []).append(side)
    found = Openings()
    for pair in _join(by_number, shared, family.extra_doors, rng):
        sides = shared[pair]
        lengths = np.array([side.length for side in sides])
        side = sides[int(rng.choice(len(sides), p=lengths / lengths.sum()))]
        _inner_door(found, family, by_number[pair[0]], by_number[pair[1]], side, rng)
    _front_door(found, family, rooms, rng)
    taken = {wall for opening in found.doors for wall in (opening.wall0, opening.wall1)}
    for room in rooms:
        free = [side for side in room.sides if side.other is None and wall_id(side) not in taken]
        count = 0
        for index in rng.permutation(len(free)).tolist():
            if count < WINDOWS:
                count += _window(found, family, room, free[index], height, rng)
    return found


def _join(
    rooms: dict[int, PlanRoom],
    shared: dict[tuple[int, int], list[Side]],
    extra: float,
    rng: np.random.Generator,
) -> list[tuple[int, int]]:
    def cost(pair: tuple[int, int]) -> float:
        kinds = [rooms[number].type for number in pair]
        passage = 20.0 if "Bathroom" in kinds else 0.0  # bathrooms are joined last, so they stay leaves
        return passage + JOIN_COST.get(frozenset(kinds), 5.0)

    tree, part = [], {number: number for number in rooms}
    noise = {pair: rng.exponential(1.0) for pair in shared}
    for pair in sorted(shared, key=lambda pair: (cost(pair) + noise[pair], pair)):
        a, b = part[pair[0]], part[pair[1]]
        if a != b:
            tree.append(pair)
            part = {number: a if p == b else p for number, p in part.items()}
    assert len(set(part.values())) == 1, "the floor plan's score lets only joined rooms through"
    more = [
        pair
        for pair in shared
        if pair not in tree and rng.random() < extra and "Bathroom" not in [rooms[n].type for n in pair]
    ]
    return tree + more


def _inner_door(
    found: Openings, family: Family, a: PlanRoom, b: PlanRoom, side: Side, rng: np.random.Generator
) -> None:
    room0, room1 = (a, b) if rng.random() < 0.5 else (b, a)
    if "Bathroom" in (a.type, b.type) and room0.type != "Bathroom":
        room0, room1 = room1, room0  # the leaf swings out of the smaller room
    side0 = side if side.room == room0.number else _beyond(side)
    side1 = _beyond(side0)
    kinds = {room0.type, room1.type}
    social = "LivingRoom" in kinds and kinds <= {"Kitchen", "LivingRoom"}
    frame = rng.random() < 0.15
    if social and rng.random() < family.open_plan:
        if rng.random() < 0.5:
            found.open_sides |= {wall_id(side0), wall_id(side1)}
            for one in (side0, side1):
                found.door_holes.append(Hole(one, 0.0, one.length, 0.0, math.inf, OPEN_CLEAR))
            return
        frame = True
    wide = rng.random() < (0.6 if social else 0.15)
    for _ in range(0 if frame else PLACES):
        asset, hole0, hole1 = _leaved(family, side0, side1, wide, rng)
        if not any(_swept(asset, hole1).overlaps(other) for other in found.swept):
            found.swept.append(_swept(asset, hole1))
            break
    else:  # where no leaf can swing, there is none
        frame = True
        asset = _door_asset(family, "Doorframe", side0.length, wide, rng)
        hole0 = _door_hole(side0, asset, ENTRANCE_CLEAR, rng)
        hole1 = hole0.beyond(side1, ENTRANCE_CLEAR)
    found.door_holes += [hole0, hole1]
    low, high = sorted((room0.number, room1.number))
    state = {} if frame else {"openable": True, "openness": 1.0}
    found.doors.append(
        Door(
            id=f"door|{low}|{high}",
            asset_id=asset.id,
            wall0=wall_id(side0),
            wall1=wall_id(side1),
            room0=room_id(room0.number),
            room1=room_id(room1.number),
            **_place(hole0),
            **state,
        )
    )


def _leaved(
    family: Family, side0: Side, side1: Side, wide: bool, rng: np.random.Generator
) -> tuple[Asset, Hole, Hole]:
    """A door with a leaf somewhere in a wall, and its hole from both rooms."""
    asset = _door_asset(family, "Doorway", side0.length, wide, rng)
    hole = _door_hole(side0, asset, ENTRANCE_CLEAR, rng)
    return asset, hole, hole.beyond(side1, _leaf(asset) + SWING_CLEAR)


def _leaf(asset: Asset) -> float:
    return asset.size[0] / (2 if "Double" in asset.id else 1)


def _swept(asset: Asset, hole: Hole) -> Rect:
    """The floor that the leaves of a door swing over, seen from the room that it opens into."""
    return hole.strip(_leaf(asset))


def _front_door(found: Openings, family: Family, rooms: list[PlanRoom], rng: np.random.Generator) -> None:
    outer = [(room, s) for room in rooms for s in room.sides if s.other is None and s.length >= DOOR_SIDE]
    rank = {"LivingRoom": 0, "Kitchen": 0, "Bedroom": 1, "Bathroom": 2}
    best = min(rank[room.type] for room, _ in outer)
    candidates = [(room, side) for room, side in outer if rank[room.type] == best]
    room, side = candidates[int(rng.integers(len(candidates)))]
    asset = _door_asset(family, "Doorway", side.length, False, rng)
    hole = _door_hole(side, asset, ENTRANCE_CLEAR, rng)
    found.door_holes.append(hole)
    found.doors.append(
        Door(
            id=f"door|1|{room.number}",
            asset_id=asset.id,
            wall0=wall_id(side),
            wall1=wall_id(side, exterior=True),
            room0=room_id(room.number),
            room1=room_id(room.number),
            openable=False,
            openness=0.0,
            **_place(hole),
        )
    )


def _window(
    found: Openings, family: Family, room: PlanRoom, side: Side, height: float, rng: np.random.Generator
) -> bool:
    tallest = 1.0 if room.type == "Bathroom" else height - 0.7
    fits = [
        asset
        for asset in assets_of_type("Window", family.pool)
        if asset.size[0] <= side.length - 2 * CORNER and asset.size[1] <= tallest
    ]
    wanted = rng.random() < 1 - (1 - family.windows) ** min(side.length / 3.0, 2.0)
    if not fits or not wanted:
        return False
    asset = fits[int(rng.integers(len(fits)))]
    width, tall = asset.size[0], asset.size[1]
    start = CORNER + float(rng.beta(3, 3)) * (side.length - 2 * CORNER - width)
    bottom = max(0.4, float(rng.uniform(1.95, 2.15)) - tall)
    hole = Hole(side, start, start + width, bottom, bottom + tall, 0.0)
    found.window_holes.append(hole)
    found.windows.append(
        Window(
            id=f"window|{room.number}|{len(found.windows)}",
            asset_id=asset.id,
            wall0=wall_id(side),
            wall1=wall_id(side, exterior=True),
            room0=room_id(room.number),
            room1=room_id(room.number),
            **_place(hole),
        )
    )
    return True


def _beyond(side: Side) -> Side:
    """The same wall from the other room."""
    assert side.other is not None
    return Side(side.other, side.p1, side.p0, side.room)


def _door_asset(family: Family, kind: str, length: float, wide: bool, rng: np.random.Generator) -> Asset:
    fits = [a for a in assets_of_type(kind, family.pool) if a.size[0] <= length - 2 * CORNER]
    chosen = [asset for asset in fits if ("Double" in asset.id) == wide] or fits
    return chosen[int(rng.integers(len(chosen)))]


def _door_hole(side: Side, asset: Asset, clear: float, rng: np.random.Generator) -> Hole:
    """Doors are rather near a corner than in the middle of a wall."""
    room = side.length - 2 * CORNER - asset.size[0]
    start = CORNER + float(rng.beta(0.6, 0.6)) * room
    return Hole(side, start, start + asset.size[0], 0.0, asset.size[1], clear)


def _place(hole: Hole) -> dict:
    middle = Vec3(x=(hole.start + hole.end) / 2, y=(hole.bottom + hole.top) / 2, z=0.0)
    corners = (Vec3(x=hole.start, y=hole.bottom, z=0.0), Vec3(x=hole.end, y=hole.top, z=0.0))
    return {"asset_position": middle, "hole_polygon": corners}
