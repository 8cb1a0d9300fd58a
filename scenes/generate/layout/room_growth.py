"""Rooms grown on a grid until they fill it, as in "A constrained growth method for procedural floor plan
generation" (Lopes, Tutenel, Smelik, de Kraker, Bidarra, 2010), which ProcTHOR also uses.

Each room grows from a seed cell as a rectangle; remaining cells are given to neighbours, which makes
L-shapes.
"""

from collections.abc import Iterator

from scenes.generate.layout.cells import around, to_cells


def grow_rooms(inside: int, stride: int, targets: list[float], noise: Iterator[float]) -> list[int] | None:
    """The cells of each room, disjoint, together `inside`; None if some cannot be reached.

    `inside` and the rooms are sets of `scenes/generate/layout/cells.py`; `targets` are the rooms' sizes in
    cells. Rooms may come out in bad shapes: whoever calls this many times picks the best.
    """
    cells = list(to_cells(inside, stride))
    free, rooms, rects = inside, [], []
    for _ in targets:
        x, z = cells.pop(int(next(noise) * len(cells)))
        rects.append([x + 1, z + 1, x + 2, z + 2])  # in bits' columns and rows, the end not included
        rooms.append(1 << ((x + 1) * stride + z + 1))
        free ^= rooms[-1]
    growing = list(range(len(targets)))
    while growing:
        lacks = [1 - _area(rects[i]) / targets[i] + 0.3 * next(noise) for i in growing]
        room = growing[lacks.index(max(lacks))]
        lack = targets[room] - _area(rects[room])
        strip = _strip(free, stride, rects[room], lack, noise) if lack >= 0.5 else 0
        if strip:
            free ^= strip
            rooms[room] |= strip
        else:
            growing.remove(room)
    return _fill(free, stride, rooms, targets, noise)


def _area(rect: list[int]) -> int:
    return (rect[2] - rect[0]) * (rect[3] - rect[1])


def _strip(free: int, stride: int, rect: list[int], lack: float, noise: Iterator[float]) -> int:
    """A row or column of free cells that the rectangle grows by, and is grown by here; 0 if there is none."""
    x0, z0, x1, z1 = rect
    column = (1 << (z1 - z0)) - 1 << z0
    row = sum(1 << (x * stride) for x in range(x0, x1))
    best, chosen, edge = 0.0, 0, 0
    for strip, size, side in (
        (column << (x0 - 1) * stride, z1 - z0, 0),
        (row << z0 - 1, x1 - x0, 1),
        (column << x1 * stride, z1 - z0, 2),
        (row << z1, x1 - x0, 3),
    ):
        if strip & ~free or size > lack + 1:
            continue
        value = size - 0.5 * next(noise)  # along the longer side first: that keeps rooms compact
        if not chosen or value > best:
            best, chosen, edge = value, strip, side
    if chosen:
        rect[edge] += 1 if edge > 1 else -1
    return chosen


def _fill(
    free: int, stride: int, rooms: list[int], targets: list[float], noise: Iterator[float]
) -> list[int] | None:
    """Give every free cell to a neighbour, first where it has most sides in common, then who lacks most."""
    fronts = [_front(free, room, stride) for room in rooms]
    while free:
        best, chosen = -1e9, -1
        for i, (sides, cells) in enumerate(fronts):
            if cells:
                value = sides + 1 - rooms[i].bit_count() / targets[i] + 0.1 * next(noise)
                if value > best:
                    best, chosen = value, i
        if chosen < 0:
            return None
        cells = fronts[chosen][1]
        for _ in range(int(next(noise) * cells.bit_count())):
            cells &= cells - 1
        cell = cells & -cells
        free ^= cell
        rooms[chosen] |= cell
        for i, (_, cells) in enumerate(fronts):
            if i == chosen or cells & cell:
                fronts[i] = _front(free, rooms[i], stride)
    return rooms


def _front(free: int, room: int, stride: int) -> tuple[int, int]:
    """The most sides that a free cell has in common with the room, and the cells that have so many."""
    if not around(room, stride) & free:
        return 0, 0
    a, b, c, d = room << 1 & free, room >> 1 & free, room << stride & free, room >> stride & free
    both_z, both_x, some_z, some_x = a & b, c & d, a | b, c | d
    for sides, cells in (
        (4, both_z & both_x),
        (3, both_z & some_x | both_x & some_z),
        (2, both_z | both_x | some_z & some_x),
    ):
        if cells:
            return sides, cells
    return 1, some_z | some_x
