"""The floor of one room during furnishing: which part is free, and whether a body still reaches all of it."""

import math
from dataclasses import dataclass, field

import numpy as np
from scipy import ndimage

from scenes.generate.family import RoomType
from scenes.generate.layout.floorplan import PlanRoom, Side
from scenes.generate.layout.openings import Openings
from scenes.generate.layout.structure import wall_id
from scenes.house.asset_table import Asset
from scenes.house.boxes import Box, Rect, contains_rect, solid_parts, turned

BODY = 0.25  # m, radius of a body that must get everywhere: 0.2, and 0.05 for paintings on the walls
CELL = 0.05  # m, of the grid on which that is checked
GAP = 0.02  # m kept between things
WINDOW_DEPTH = 0.5  # m before a window in which nothing stands higher than its sill
REACHED = 0.7  # of a room's walkable floor, at least this share must be joined to its doors


@dataclass
class Piece:
    """Something placed: an asset, where, and what is on it. Becomes a `HouseObject` in the end."""

    asset: Asset
    x: float
    z: float
    yaw: float  # degrees
    bottom: float = 0.0  # m above the floor
    kinematic: bool = True
    group: list["Piece"] = field(default_factory=list)  # stands with it, numbered with it
    children: list["Piece"] = field(default_factory=list)
    state: dict = field(default_factory=dict)  # is_on, openness, is_dirty, as HouseObject has them

    def parts(self) -> list[Rect]:
        """What of the floor it covers."""
        return [turned(part, self.yaw, self.x, self.z) for part in solid_parts(self.asset)]

    def boxes(self) -> list[Box]:
        """Its solid boxes."""
        return [Box(part, self.bottom, self.bottom + self.asset.size[1]) for part in self.parts()]

    def to_world(self, x: float, z: float) -> tuple[float, float]:
        """A point of its own coordinates (front to +z) in the world."""
        c, s = math.cos(math.radians(self.yaw)), math.sin(math.radians(self.yaw))
        return self.x + c * x + s * z, self.z - s * x + c * z


@dataclass(frozen=True)
class RoomShell:
    """A room before anything stands in it."""

    room: PlanRoom
    openings: Openings  # of the whole house
    ceiling: float  # m


class RoomSpace:
    """A room, its openings and what stands in it."""

    def __init__(self, shell: RoomShell) -> None:
        room = shell.room
        self.number, self.area, self.ceiling = room.number, room.area, shell.ceiling
        self.type: RoomType = room.type
        self.rects = list(room.rects)
        self.walls = [side for side in room.sides if wall_id(side) not in shell.openings.open_sides]
        self.sides = _long_sides(self.walls)
        self.doors = [hole for hole in shell.openings.door_holes if hole.side.room == room.number]
        self.windows = [hole for hole in shell.openings.window_holes if hole.side.room == room.number]
        self.pieces: list[Piece] = []  # on the floor, groups flat
        self.kept_clear = [hole.strip(hole.clear) for hole in self.doors]
        self.fronts: list[Rect] = []
        self._solids: list[Rect] = []
        self._floor, self._origin = _walkable(self.rects)
        self._entries = [self._index(hole.entry(0.35)) for hole in self.doors]

    def fits(self, piece: Piece, front: float = 0.0, tucked: tuple[Rect, ...] = ()) -> bool:
        """Whether a piece can stand there, with `front` [m] free before it.

        `tucked` names the front strips of others that it may stand in, as a chair at its desk does.
        """
        parts = piece.parts()
        if not all(contains_rect(self.rects, part) for part in parts):
            return False
        blocked = self.kept_clear + [strip for strip in self.fronts if strip not in tucked]
        for part in parts:
            wide = part.grown(GAP)
            if any(wide.overlaps(other) for other in self._solids) or any(part.overlaps(b) for b in blocked):
                return False
            for hole in self.windows:
                if piece.asset.size[1] > hole.bottom + 0.05 and part.overlaps(hole.strip(WINDOW_DEPTH)):
                    return False
        if piece.asset.size[1] > self.ceiling - 0.05:
            return False
        if front > 0:
            strip = front_strip(piece, front)
            if not contains_rect(self.rects, strip) or any(strip.overlaps(solid) for solid in self._solids):
                return False
        return self.passable(parts)

    def add(self, piece: Piece, front: float = 0.0) -> None:
        """Put a piece that `fits` there."""
        self.pieces.append(piece)
        self._solids.extend(piece.parts())
        if front > 0:
            self.fronts.append(front_strip(piece, front))
        for part in piece.parts():
            self._block(self._floor, part)

    def standing_place(self) -> tuple[float, float]:
        """A point (x, z) [m] of the floor that is joined to the doors, far from everything."""
        labels = np.zeros(self._floor.shape, np.int32)
        ndimage.label(self._floor, output=labels)
        joined = np.isin(labels, list({int(labels[entry]) for entry in self._entries} - {0}))
        distance = np.asarray(ndimage.distance_transform_edt(np.pad(joined, 1)))[1:-1, 1:-1]
        x, z = np.unravel_index(int(distance.argmax()), distance.shape)
        return round(self._origin[0] + CELL * float(x), 3), round(self._origin[1] + CELL * float(z), 3)

    def passable(self, parts: list[Rect]) -> bool:
        """Whether a body still gets from door to door, and nearly everywhere, with these in the room too."""
        floor = self._floor.copy()
        for part in parts:
            self._block(floor, part)
        labels = np.zeros(floor.shape, np.int32)
        ndimage.label(floor, output=labels)
        homes = {int(labels[entry]) for entry in self._entries} - {0}
        if len(homes) != 1 or any(labels[entry] == 0 for entry in self._entries):
            return False
        return bool((labels == homes.pop()).sum() >= REACHED * floor.sum())

    def _block(self, floor: np.ndarray, part: Rect) -> None:
        wide, (x0, z0) = part.grown(BODY), self._origin
        floor[_points(wide.x0 - x0, wide.x1 - x0), _points(wide.z0 - z0, wide.z1 - z0)] = False

    def _index(self, point: tuple[float, float]) -> tuple[int, int]:
        x, z = (round((p - o) / CELL) for p, o in zip(point, self._origin, strict=True))
        return min(max(x, 0), self._floor.shape[0] - 1), min(max(z, 0), self._floor.shape[1] - 1)


def _points(low: float, high: float) -> slice:
    """The grid points from low to high [m from the grid's origin]."""
    return slice(max(0, math.ceil(low / CELL)), max(0, math.floor(high / CELL) + 1))


def front_strip(piece: Piece, depth: float) -> Rect:
    """The floor before a piece; of an L-shaped one, within its angle."""
    back, *arms = solid_parts(piece.asset)
    right = arms[0].x0 if arms else back.x1
    left = arms[1].x1 if len(arms) > 1 else back.x0
    strip = Rect(left, back.z1, right, back.z1 + depth)
    # a hair off the piece itself, so that the two never count as overlapping
    strip = Rect(strip.x0 + 0.01, strip.z0 + 0.001, strip.x1 - 0.01, strip.z1)
    return turned(strip, piece.yaw, piece.x, piece.z)


def _long_sides(sides: list[Side]) -> list[Side]:
    """The straight walls of a room, where pieces are joined again that have different neighbours."""
    joined: list[Side] = []
    for side in sides:
        if joined and joined[-1].p1 == side.p0 and joined[-1].along == side.along:
            joined[-1] = Side(side.room, joined[-1].p0, side.p1, None)
        else:
            joined.append(Side(side.room, side.p0, side.p1, None))
    if len(joined) > 1 and joined[-1].p1 == joined[0].p0 and joined[0].along == joined[-1].along:
        joined[0] = Side(joined[0].room, joined.pop().p0, joined[0].p1, None)
    return joined


def _walkable(rects: list[Rect]) -> tuple[np.ndarray, tuple[float, float]]:
    """Grid points at least `BODY` from every wall, and where point (0, 0) is."""
    x0, z0 = min(r.x0 for r in rects), min(r.z0 for r in rects)
    xs = np.arange(x0, max(r.x1 for r in rects) + CELL, CELL)[:, None]
    zs = np.arange(z0, max(r.z1 for r in rects) + CELL, CELL)[None, :]
    inside = np.zeros((xs.size, zs.size), bool)
    for r in rects:
        inside |= (xs >= r.x0) & (xs <= r.x1) & (zs >= r.z0) & (zs <= r.z1)
    steps = round(BODY / CELL)
    walkable = ndimage.minimum_filter(inside, size=2 * steps + 1, mode="constant", cval=False)
    return walkable, (x0, z0)
