"""From a list of rooms to a floor plan: a boundary on a grid, cut into rooms of the right sizes.

Rooms are grown from seeds on an irregular grid as in "A constrained growth method for procedural floor
plan generation" (Lopes, Tutenel, Smelik, de Kraker, Bidarra, 2010), which ProcTHOR uses too: first as
rectangles, then into what is left, which gives L-shapes. Many attempts are made; the best is kept, by
how near it is to the areas asked for, how simple its rooms are, and whether doors can join them.
"""

import math
from dataclasses import dataclass

import numpy as np

from scenes.boxes import Rect
from scenes.family import Family, RoomType

FIRST_ROOM = 2  # ProcTHOR numbers rooms from 2; 1 is the outside
DOOR_SIDE = 1.3  # m; two rooms can have a door between them where they share this much wall
ATTEMPTS = 48
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


def draw_plan_rooms(family: Family, rooms: tuple[RoomType, ...], rng: np.random.Generator) -> list[PlanRoom]:
    """A floor plan for the rooms, in their order; coordinates [m] are not negative, in whole millimetres."""
    common = math.exp(rng.normal(0.0, family.house_spread))
    specs = [family.areas[kind] for kind in rooms]
    areas = [common * spec.median * math.exp(rng.normal(0.0, spec.spread)) for spec in specs]
    cell = float(rng.uniform(*family.cell))
    inside = _boundary(max(sum(areas) / cell**2, 2.0 * len(rooms)), family, rng)
    targets = [area / sum(areas) * inside.sum() for area in areas]
    best, best_score = None, math.inf
    for _ in range(ATTEMPTS):
        grid = _grow(inside, targets, rng)
        score = _score(grid, targets, rooms)
        if score < best_score:
            best, best_score = grid, score
    if best is None:  # a boundary with no room for these rooms: another one
        return draw_plan_rooms(family, rooms, rng)
    xs, zs = (_lines(count, cell, family.cell_jitter, rng) for count in inside.shape)
    return [_room(best, i, kind, xs, zs) for i, kind in enumerate(rooms)]


def _boundary(cells: float, family: Family, rng: np.random.Generator) -> np.ndarray:
    """bool [w, h]: about that many cells, some corners cut out."""
    chances = np.array(family.notches)
    notches = int(rng.choice(len(chances), p=chances / chances.sum()))
    aspect = rng.uniform(*family.aspect)
    total = cells / (1 - 0.12 * notches)
    long = max(2, round(math.sqrt(total * aspect)))
    short = max(2, round(total / long))
    shape = (long, short) if rng.random() < 0.5 else (short, long)
    inside = np.ones(shape, bool)
    for corner in rng.permutation(4)[:notches]:
        w, h = (int(rng.integers(1, max(2, side // 2 + 1))) for side in shape)
        if w * h > 0.2 * inside.size or min(shape) < 3:
            continue
        columns = slice(0, w) if corner % 2 else slice(shape[0] - w, None)
        rows = slice(0, h) if corner < 2 else slice(shape[1] - h, None)
        inside[columns, rows] = False
    return inside


def _grow(inside: np.ndarray, targets: list[float], rng: np.random.Generator) -> np.ndarray:
    """int [w, h]: -2 outside, else the index of the room. Rooms may come out in bad shapes: see `_score`."""
    grid = np.where(inside, -1, -2)
    cells = np.argwhere(inside)
    seeds = cells[rng.permutation(len(cells))[: len(targets)]]
    rects = []
    for i, (x, z) in enumerate(seeds.tolist()):
        grid[x, z] = i
        rects.append([x, z, x + 1, z + 1])
    growing = set(range(len(targets)))
    while growing:
        lack = {i: targets[i] - _area(rects[i]) for i in growing}
        room = max(lack, key=lambda i: lack[i] / targets[i] + 0.3 * rng.random())
        if lack[room] < 0.5 or not _grow_rect(grid, rects[room], room, lack[room], rng):
            growing.discard(room)
    _fill(grid, targets, rng)
    return grid


def _area(rect: list[int]) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _grow_rect(grid: np.ndarray, rect: list[int], room: int, lack: float, rng: np.random.Generator) -> bool:
    x0, z0, x1, z1 = rect
    strips = [
        (slice(x0 - 1, x0), slice(z0, z1), 0, -1),
        (slice(x1, x1 + 1), slice(z0, z1), 2, 1),
        (slice(x0, x1), slice(z0 - 1, z0), 1, -1),
        (slice(x0, x1), slice(z1, z1 + 1), 3, 1),
    ]
    free = []
    for columns, rows, edge, step in strips:
        if columns.start < 0 or rows.start < 0:
            continue
        strip = grid[columns, rows]
        if strip.size and (strip == -1).all() and strip.size <= lack + 1:
            # widening the shorter dimension first keeps rooms compact
            free.append((strip.size - 0.5 * rng.random(), columns, rows, edge, step))
    if not free:
        return False
    _, columns, rows, edge, step = max(free, key=lambda entry: entry[0])
    grid[columns, rows] = room
    rect[edge] += step
    return True


def _fill(grid: np.ndarray, targets: list[float], rng: np.random.Generator) -> None:
    """Give every free cell to a neighbour, first where it has most sides in common, then who lacks most."""
    counts = [int((grid == i).sum()) for i in range(len(targets))]
    while (free := np.argwhere(grid == -1)).size:
        best: tuple[float, int, int, int] | None = None
        for x, z in free.tolist():
            around = [grid[n] for n in _neighbours((x, z), grid.shape)]
            for room in {int(r) for r in around if r >= 0}:
                value = around.count(room) + (1 - counts[room] / targets[room]) + 0.1 * rng.random()
                if best is None or value > best[0]:
                    best = (value, x, z, room)
        if best is None:
            return  # an island: `_score` refuses it
        _, x, z, room = best
        grid[x, z] = room
        counts[room] += 1


def _neighbours(cell: Cell, shape: tuple[int, ...]) -> list[Cell]:
    x, z = cell
    around = [(x - 1, z), (x + 1, z), (x, z - 1), (x, z + 1)]
    return [(a, b) for a, b in around if 0 <= a < shape[0] and 0 <= b < shape[1]]


def _score(grid: np.ndarray, targets: list[float], rooms: tuple[RoomType, ...]) -> float:
    """Lower is better; infinite for what is no floor plan."""
    if (grid == -1).any():
        return math.inf
    score = 0.0
    for i, kind in enumerate(rooms):
        mine = grid == i
        corners = _corners(mine)
        if corners < 4:  # in pieces, with a hole, or touching itself at a point
            return math.inf
        size = math.log(mine.sum() / targets[i])
        score += 2.0 * abs(size) + 6.0 * max(0.0, -size - 0.3) + 0.35 * (corners - 4)
        thick = mine[:-1, :-1] & mine[1:, :-1] & mine[:-1, 1:] & mine[1:, 1:]
        wide = np.zeros_like(mine)
        for dx in (0, 1):
            for dz in (0, 1):
                wide[dx : dx + thick.shape[0], dz : dz + thick.shape[1]] |= thick
        narrow = int((mine & ~wide).sum())
        score += max(0, narrow - 3) if kind == "Bathroom" else 1.2 * narrow
        outer = np.pad(grid, 1, constant_values=-2)
        touches = [outer[:-2, 1:-1], outer[2:, 1:-1], outer[1:-1, :-2], outer[1:-1, 2:]]
        if not any((mine & (side == -2)).any() for side in touches):
            score += 1.0  # no outer wall: no window
    pairs = {
        (int(min(a, b)), int(max(a, b)))
        for first, second in ((grid[:-1], grid[1:]), (grid[:, :-1], grid[:, 1:]))
        for a, b in zip(first.ravel(), second.ravel(), strict=True)
        if a != b and a >= 0 and b >= 0
    }
    if not _joined(set(range(len(rooms))), pairs):
        return math.inf
    living = {i for i, kind in enumerate(rooms) if kind != "Bathroom"}
    return score + (0.0 if _joined(living, pairs) else 4.0)  # else one walks through a bathroom


def _joined(rooms: set[int], pairs: set[tuple[int, int]]) -> bool:
    seen, stack = set(), [min(rooms)]
    while stack:
        room = stack.pop()
        seen.add(room)
        stack.extend(b for pair in pairs for a, b in (pair, pair[::-1]) if a == room and b in rooms - seen)
    return seen == rooms


def _corners(mine: np.ndarray) -> int:
    """Corners of the room's outline if it is one simple ring, else 0."""
    m = np.pad(mine, 1).astype(int)
    blocks = m[:-1, :-1] + m[1:, :-1] + m[:-1, 1:] + m[1:, 1:]
    pinched = (blocks == 2) & (m[:-1, :-1] == m[1:, 1:])
    convex, reflex = int((blocks == 1).sum()), int((blocks == 3).sum())
    # one ring without holes turns by 360° in all
    return 0 if pinched.any() or convex - reflex != 4 or not _one_piece(mine) else convex + reflex


def _one_piece(mine: np.ndarray) -> bool:
    cells = [(int(x), int(z)) for x, z in np.argwhere(mine)]
    left, stack = set(cells), cells[:1]
    while stack:
        cell = stack.pop()
        if cell in left:
            left.discard(cell)
            stack.extend(_neighbours(cell, mine.shape))
    return bool(cells) and not left


def _lines(count: int, cell: float, jitter: float, rng: np.random.Generator) -> list[float]:
    steps = cell * (1 + rng.uniform(-jitter, jitter, count))
    return [round(float(x), 3) for x in np.concatenate([[0.0], np.cumsum(steps)])]


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
