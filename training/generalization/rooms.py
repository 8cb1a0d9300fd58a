"""Rooms of a space, from labelled frames alone: where each floor lies, and what furniture stands on it.

A store says nothing of rooms, but every room's floor is an instance of its own. What frames saw of floors,
put back into the world by depth and pose, says which room a point is in; furniture says what the room is."""

from collections import Counter, defaultdict
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int64, Shaped
from scipy.spatial import KDTree

from training.transfer.task import LabelTable

FLOOR = "Floor"
FURNITURE: dict[str, tuple[str, ...]] = {
    "bathroom": ("Toilet", "ShowerHead", "ShowerCurtain"),
    "kitchen": ("Fridge", "Microwave", "Toaster", "CoffeeMachine"),
    "bedroom": ("Bed",),
    "living room": ("Sofa", "TVStand"),
}
"""Names of object types that say what a room is; the first type counts of which it has something."""
ROOM_TYPES = tuple(FURNITURE)
READS = ("semantic", "instance", "depth", "pose", "intrinsics")
"""Arrays of a frame that rooms are made of."""
STRIDE = 2
"""Every so many pixels, along each side, are looked at."""
CELL = 0.2
"""Side of the squares that floors are counted in [m]."""
LEAST_FLOOR = 0.2
"""A floor is a room's if so much of it was seen in squares without another [m²]: the ground that shows below
doors is narrower than a square."""
REACH = 0.75
"""How far from the next floor that was seen a point may be [m]: floors are hidden below furniture."""

Arrays = Mapping[str, Shaped[np.ndarray, "b ..."]]


def in_world(arrays: Arrays, stride: int = STRIDE) -> Float[np.ndarray, "b h w 3"]:
    """The point in the world of every `stride`-th pixel [m]; the camera's own where nothing was hit."""
    depth = arrays["depth"][:, stride // 2 :: stride, stride // 2 :: stride].astype(np.float64) / 1000.0
    row, column = (np.arange(size) * stride + stride // 2 + 0.5 for size in depth.shape[1:])
    fx, fy, cx, cy = (k[:, None, None] for k in arrays["intrinsics"].astype(np.float64).T)
    seen = np.stack(
        [(column[None, None] - cx) / fx * depth, (row[None, :, None] - cy) / fy * depth, depth], axis=-1
    )
    pose = arrays["pose"]
    return np.einsum("bij,bhwj->bhwi", pose[:, :3, :3], seen) + pose[:, None, None, :3, 3]


class Rooms:
    """Rooms of one space: `add` its frames, then ask."""

    def __init__(self, label_table: LabelTable):
        self._floor = [row["id"] for row in label_table if row["name"] == FLOOR]
        self._type_of = {
            row["id"]: kind
            for row in label_table
            for kind, names in FURNITURE.items()
            if row["name"] in names
        }
        self._cells: defaultdict[tuple[int, int], Counter[int]] = defaultdict(Counter)
        self._furniture: defaultdict[tuple[int, str], list[Float[np.ndarray, " 3"]]] = defaultdict(list)
        self._found: tuple[KDTree, Int64[np.ndarray, " k"]] | None = None

    def add(self, arrays: Arrays) -> None:
        """Take account of frames, of which `READS` are given."""
        self._found = None
        points, middle = in_world(arrays), slice(STRIDE // 2, None, STRIDE)
        semantic, instance = (arrays[name][:, middle, middle] for name in ("semantic", "instance"))
        hit = arrays["depth"][:, middle, middle] > 0
        floor = np.isin(semantic, self._floor) & hit
        cells = np.floor(points[floor][:, [0, 2]] / CELL).astype(np.int64)
        seen, counts = np.unique(np.c_[cells, instance[floor]], axis=0, return_counts=True)
        for (x, z, room), count in zip(seen.tolist(), counts.tolist(), strict=True):
            self._cells[x, z][room] += count
        for label, kind in self._type_of.items():
            there = (semantic == label) & hit
            for thing in np.unique(instance[there]).tolist():
                self._furniture[thing, kind].append(points[there & (instance == thing)].mean(0))

    def at(self, positions: Float[np.ndarray, "n 3"]) -> Int64[np.ndarray, " n"]:
        """The room that each position is in: the instance of the nearest floor, 0 where none was seen within
        REACH."""
        if self._found is None:
            self._found = self._floors()
        tree, rooms = self._found
        # Where there is none, the index is that of one more room.
        nearest = tree.query(positions[:, [0, 2]], distance_upper_bound=REACH)[1]
        return np.append(rooms, 0)[nearest]

    def _floors(self) -> tuple[KDTree, Int64[np.ndarray, " k"]]:
        """Middles of the squares in which a room's floor was seen, and its instance."""
        alone = Counter(room for counts in self._cells.values() if len(counts) == 1 for room in counts)
        known = {room for room, squares in alone.items() if squares * CELL**2 >= LEAST_FLOOR}
        squares, rooms = [], []
        for square, counts in self._cells.items():
            kept = [(count, room) for room, count in counts.items() if room in known]
            if kept:
                squares.append(square)
                rooms.append(max(kept)[1])
        centres = (np.array(squares, np.float64).reshape(-1, 2) + 0.5) * CELL
        return KDTree(centres), np.array(rooms, np.int64)

    def types(self) -> dict[int, str]:
        """Type of each room that has furniture which says one; the first of `ROOM_TYPES` that it has."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        for (_, kind), places in self._furniture.items():
            room = int(self.at(np.median(places, axis=0)[None])[0])
            found[room].add(kind)
        return {room: next(t for t in ROOM_TYPES if t in kinds) for room, kinds in found.items() if room}
