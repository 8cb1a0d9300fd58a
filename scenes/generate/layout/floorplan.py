"""A floor plan from a list of rooms and target areas: a boundary on an irregular grid, filled with rooms.

Many attempts at growing rooms (`room_growth.py`) are made. The best is kept, scored by deviation from the
target areas, simplicity of the rooms, and whether doors can connect them.
"""

import math
from dataclasses import dataclass

import numpy as np

from scenes.generate.family import Family, RoomType
from scenes.generate.layout.boundary import draw_boundary, grid_lines
from scenes.generate.layout.cells import around, corners, narrow, to_bits, to_cells
from scenes.generate.layout.room_growth import grow_rooms
from scenes.generate.random_numbers import uniform
from scenes.house.boxes import Rect

FIRST_ROOM = 2  # ProcTHOR numbers rooms from 2; 1 is the outside
DOOR_SIDE = 1.3  # m; two rooms can have a door between them where they share this much wall
ATTEMPTS = 48
CORNER_COST = 0.2  # of each corner beyond four
Point = tuple[float, float]
Cell = tuple[int, int]


@dataclass(frozen=True)
class Side:
    """A straight piece of a room's boundary; the room is to the right of p0 → p1."""

    room: int
    p0: Point
    p1: Point
    other: int | None  # the room beyond, or None: outside

    @property
    def length(self) -> float:
        """In metres."""
        return abs(self.p1[0] - self.p0[0]) + abs(self.p1[1] - self.p0[1])

    @property
    def along(self) -> Point:
        """Unit vector p0 → p1 in (x, z)."""
        return (self.p1[0] - self.p0[0]) / self.length, (self.p1[1] - self.p0[1]) / self.length

    @property
    def inward(self) -> Point:
        """Unit normal into the room."""
        dx, dz = self.along
        return dz, -dx

    @property
    def yaw(self) -> float:
        """Rotation [degrees] of an object that stands with its back to this side."""
        nx, nz = self.inward
        return round(math.degrees(math.atan2(nx, nz))) % 360.0


@dataclass(frozen=True)
class PlanRoom:
    """One room of a floor plan."""

    number: int
    type: RoomType
    sides: tuple[Side, ...]  # clockwise
    rects: tuple[Rect, ...]  # disjoint, together the room

    @property
    def area(self) -> float:
        """In m²."""
        return sum(rect.width * rect.depth for rect in self.rects)

    @property
    def center(self) -> Point:
        """Centroid (x, z)."""
        weights = [rect.width * rect.depth for rect in self.rects]
        x = sum(w * rect.center[0] for w, rect in zip(weights, self.rects, strict=True))
        z = sum(w * rect.center[1] for w, rect in zip(weights, self.rects, strict=True))
        return x / sum(weights), z / sum(weights)


def draw_plan_rooms(
    family: Family, rooms: tuple[RoomType, ...], areas: list[float], rng: np.random.Generator
) -> list[PlanRoom]:
    """A floor plan for rooms of about these areas [m²], in their order; coordinates [m] in millimetres."""
    cell = float(rng.uniform(*family.cell))
    noise = uniform(rng)
    best, best_score, boundary = None, math.inf, np.ones((1, 1), bool)
    while best is None:  # else a boundary with no place for these rooms: another one
        boundary = draw_boundary(max(sum(areas) / cell**2, 2.0 * len(rooms)), family, rng)
        inside, stride = to_bits(boundary)
        targets = [area / sum(areas) * inside.bit_count() for area in areas]
        for _ in range(ATTEMPTS):
            grown = grow_rooms(inside, stride, targets, noise)
            score = math.inf if grown is None else _score(grown, inside, stride, targets, rooms)
            if score < best_score:
                best, best_score = grown, score
    grid = np.full(boundary.shape, -2)
    for i, cells in enumerate(best):
        for x, z in to_cells(cells, boundary.shape[1] + 2):
            grid[x, z] = i
    xs, zs = (grid_lines(count, cell, family.cell_jitter, rng) for count in boundary.shape)
    return [_room(grid, i, kind, xs, zs) for i, kind in enumerate(rooms)]


def _score(
    grown: list[int], inside: int, stride: int, targets: list[float], rooms: tuple[RoomType, ...]
) -> float:
    """Lower is better; infinite for what is no floor plan."""
    score = 0.0
    for cells, target, kind in zip(grown, targets, rooms, strict=True):
        turns = corners(cells, stride)
        if turns < 4:
            return math.inf
        size = math.log(cells.bit_count() / target)
        score += 2.0 * abs(size) + 6.0 * max(0.0, -size - 0.3) + CORNER_COST * (turns - 4)
        thin = narrow(cells, stride)
        score += max(0, thin - 3) if kind == "Bathroom" else 1.2 * thin
        if not around(cells, stride) & ~inside:
            score += 1.0  # no outer wall: no window
    near = {
        (i, j)
        for i, cells in enumerate(grown)
        for j in range(i + 1, len(grown))
        if around(cells, stride) & grown[j]
    }
    if not _joined(set(range(len(rooms))), near):
        return math.inf
    living = {i for i, kind in enumerate(rooms) if kind != "Bathroom"}
    return score + (0.0 if _joined(living, near) else 4.0)  # else one walks through a bathroom


def _joined(rooms: set[int], pairs: set[tuple[int, int]]) -> bool:
    seen, stack = set(), [min(rooms)] if rooms else []
    while stack:
        room = stack.pop()
        seen.add(room)
        stack.extend(b for pair in pairs for a, b in (pair, pair[::-1]) if a == room and b in rooms - seen)
    return seen == rooms


def _room(grid: np.ndarray, index: int, kind: RoomType, xs: list[float], zs: list[float]) -> PlanRoom:
    mine = {(int(x), int(z)) for x, z in np.argwhere(grid == index)}
    edges: dict[Cell, tuple[Cell, int | None]] = {}
    for x, z in mine:
        # clockwise with x to the right and z up: left side up, top to the right, right side down, bottom left
        for start, end, beyond in (
            ((x, z), (x, z + 1), (x - 1, z)),
            ((x, z + 1), (x + 1, z + 1), (x, z + 1)),
            ((x + 1, z + 1), (x + 1, z), (x + 1, z)),
            ((x + 1, z), (x, z), (x, z - 1)),
        ):
            if beyond not in mine:
                within = 0 <= beyond[0] < grid.shape[0] and 0 <= beyond[1] < grid.shape[1]
                other = int(grid[beyond]) if within else -2
                edges[start] = (end, None if other < 0 else other + FIRST_ROOM)
    ring = [min(edges)]
    while len(ring) < len(edges):
        ring.append(edges[ring[-1]][0])
    pieces: list[list] = []  # [start, end, other], merged along straight lines with the same neighbour
    for start in ring:
        end, other = edges[start]
        if pieces and pieces[-1][2] == other and _straight(pieces[-1][0], start, end):
            pieces[-1][1] = end
        else:
            pieces.append([start, end, other])
    last, first = pieces[-1], pieces[0]
    if last[2] == first[2] and _straight(last[0], first[0], first[1]):
        pieces[0][0] = pieces.pop()[0]
    number = index + FIRST_ROOM
    sides = tuple(Side(number, (xs[a[0]], zs[a[1]]), (xs[b[0]], zs[b[1]]), other) for a, b, other in pieces)
    return PlanRoom(number, kind, sides, _rects(mine, xs, zs))


def _straight(a: Cell, b: Cell, c: Cell) -> bool:
    return (a[0] == b[0] == c[0]) or (a[1] == b[1] == c[1])


def _rects(mine: set[Cell], xs: list[float], zs: list[float]) -> tuple[Rect, ...]:
    """The room as few disjoint rectangles: runs along x, joined where they repeat along z."""
    runs: dict[tuple[int, int], list[int]] = {}
    for z in sorted({cell[1] for cell in mine}):
        row = sorted(x for x, cell_z in mine if cell_z == z)
        start = row[0]
        for x, following in zip(row, [*row[1:], None], strict=True):
            if following != x + 1:
                runs.setdefault((start, x + 1), []).append(z)
                start = following if following is not None else start
    rects = []
    for (x0, x1), rows in runs.items():
        first = rows[0]
        for z, following in zip(rows, [*rows[1:], None], strict=True):
            if following != z + 1:
                rects.append(Rect(xs[x0], zs[first], xs[x1], zs[z + 1]))
                first = following if following is not None else first
    return tuple(sorted(rects, key=lambda rect: (rect.x0, rect.z0)))
