"""What houses look like in numbers, and how far that is from ProcTHOR's own.

    ours = measure(houses)
    for row in compare(ours, recorded("multi_room")):
        print(row)

The numbers are those of `scenes/assets/statistics.json`, which was counted over public houses of ProcTHOR:
five quantiles of counts and sizes, the share of rooms of a type that have an object type, how many they
have, and what lies on what. Objects of a room are those that stand or hang in it; what lies on them counts
apart.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import shapely

from scenes.generate.statistics.heights import height_class, height_shares
from scenes.house.asset_table import asset_table
from scenes.house.ids import room_number
from scenes.house.schema import House

STATISTICS = Path(__file__).parents[2] / "assets" / "statistics.json"
QUANTILES = (5, 25, 50, 75, 95)  # per cent
COMMON = 15  # object types of a room type that are compared
QUANTILE_TOLERANCE = 0.15  # of ProcTHOR's value
PRESENCE_TOLERANCE = 0.10  # of all rooms of the type

HEIGHT_NAMES = {"top": "on top", "below": "below the top", "inside": "inside"}
Part = Literal["multi_room", "single_room"]
# What is counted of each house, by the name of its quantiles.
HOUSE_COUNTS = (
    "doors_per_house_q",
    "windows_per_house_q",
    "top_level_objects_per_house_q",
    "child_objects_per_house_q",
    "house_floor_area_m2_q",
    "wall_height_m_q",
    "point_lights_per_house_q",
)


@cache
def recorded(part: Part = "multi_room") -> dict[str, Any]:
    """What ProcTHOR's houses look like, those of several rooms or those of one."""
    return json.loads(STATISTICS.read_text(encoding="utf-8"))[part]


def measure(houses: Iterable[House]) -> dict[str, Any]:
    """The same table for these houses; only numbers are kept of each. Raises ValueError if there are none."""
    counts = _Counts()
    for house in houses:
        counts.add(house)
    if not counts.houses:
        raise ValueError("there is no house to measure")
    return counts.table()


class _Counts:
    """What was counted of the houses so far."""

    def __init__(self) -> None:
        self.houses = 0
        self.rooms_per_house: Counter[int] = Counter()
        self.vertices: Counter[int] = Counter()
        self.per_house: dict[str, list[float]] = {name: [] for name in HOUSE_COUNTS}
        self.areas: dict[str, list[float]] = defaultdict(list)
        self.has: dict[str, Counter[str]] = defaultdict(Counter)  # room type: rooms that have an object type
        self.of: dict[str, Counter[str]] = defaultdict(Counter)  # room type: objects of a type
        self.receptacles: Counter[str] = Counter()
        self.held: dict[str, Counter[str]] = defaultdict(Counter)
        self.heights: Counter[str] = Counter()

    def add(self, house: House) -> None:
        """Counts a house."""
        self.houses += 1
        self.rooms_per_house[len(house.rooms)] += 1
        area = 0.0
        for room in house.rooms:
            self.vertices[len(room.floor_polygon)] += 1
            size = shapely.Polygon(room.polygon).area
            self.areas[room.room_type].append(size)
            area += size
        children = self._add_objects(house)
        lamps = sum(light.type == "point" for light in house.procedural_parameters.lights)
        height = max(wall.height for wall in house.walls)
        counted = (len(house.doors), len(house.windows), len(house.objects), children, area, height, lamps)
        for name, value in zip(HOUSE_COUNTS, counted, strict=True):
            self.per_house[name].append(value)

    def _add_objects(self, house: House) -> int:
        """Counts a house's objects by room and by what they lie on; returns how many lie on others."""
        table = asset_table()
        found: dict[str, Counter[str]] = {room.id: Counter() for room in house.rooms}
        children = 0
        for item, parent in house.all_objects():
            kind = table[item.asset_id].type if item.asset_id in table else "Unknown"
            if parent is not None:
                children += 1
                level = height_class(item, parent)
                self.heights.update([] if level is None else [level])
                if parent.asset_id in table:
                    self.held[table[parent.asset_id].type][kind] += 1
                continue
            self.receptacles[kind] += 1
            room = f"room|{room_number(item.id)}"
            if room in found:
                found[room][kind] += 1
        kinds = {room.id: room.room_type for room in house.rooms}
        for room, objects in found.items():
            self.of[kinds[room]].update(objects)
            self.has[kinds[room]].update(objects.keys())
        return children

    def table(self) -> dict[str, Any]:
        """The numbers, in the form of `recorded`."""
        rooms = {kind: len(self.areas[kind]) for kind in sorted(self.areas)}
        return {
            "houses": self.houses,
            "rooms_per_house": {str(n): self.rooms_per_house[n] for n in sorted(self.rooms_per_house)},
            "floor_vertices": {str(n): self.vertices[n] for n in sorted(self.vertices)},
            **{name: _quantiles(values) for name, values in self.per_house.items()},
            "room_area_m2_q": {kind: _quantiles(self.areas[kind]) for kind in rooms},
            "room_count": rooms,
            "room_has_object_type_fraction": {k: _shares(self.has[k], rooms[k]) for k in rooms},
            "objects_of_type_per_room_mean": {k: _shares(self.of[k], rooms[k]) for k in rooms},
            "child_height_class_share": height_shares(self.heights),
            "children_per_receptacle_mean": {
                kind: round(self.held[kind].total() / self.receptacles[kind], 3) for kind in sorted(self.held)
            },
            "child_types_of_receptacle": {
                kind: dict(self.held[kind].most_common()) for kind in sorted(self.held)
            },
        }


def _quantiles(values: list[float]) -> list[float]:
    return [round(float(q), 3) for q in np.percentile(values, QUANTILES)]


def _shares(counted: Counter[str], of: int) -> dict[str, float]:
    return {kind: round(n / of, 3) for kind, n in counted.most_common()}


@dataclass(frozen=True)
class Row:
    """One number of ProcTHOR's beside the same of other houses."""

    group: str
    name: str
    theirs: float
    ours: float
    near: bool | None  # within the tolerance; None where none is set

    @property
    def ratio(self) -> float:
        """Ours over theirs; 1 where both are 0."""
        if self.theirs == 0:
            return 1.0 if self.ours == 0 else float("inf")
        return self.ours / self.theirs


def compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[Row]:
    """Both tables side by side: every quantile, then what rooms have, then what lies on what."""
    rows = []
    quantiles = [(name.removesuffix("_q"), ours[name], theirs[name]) for name in HOUSE_COUNTS]
    for kind, values in theirs["room_area_m2_q"].items():
        if kind in ours["room_area_m2_q"]:
            quantiles.append((f"{kind}_area_m2", ours["room_area_m2_q"][kind], values))
    for name, mine, values in quantiles:
        for q, a, b in zip(QUANTILES, mine, values, strict=True):
            rows.append(Row(name, f"{q} %", b, a, abs(a - b) <= QUANTILE_TOLERANCE * b + 1e-9))
    rows += _histogram("rooms", ours, theirs, "rooms_per_house")
    rows += _histogram("floor polygon vertices", ours, theirs, "floor_vertices")
    for kind in ours["room_count"]:
        for table, named in (
            ("room_has_object_type_fraction", True),
            ("objects_of_type_per_room_mean", False),
        ):
            recorded_rooms = theirs[table].get(kind, {})
            for place, (thing, value) in enumerate(recorded_rooms.items()):
                mine = ours[table][kind].get(thing, 0.0)
                near = abs(mine - value) <= PRESENCE_TOLERANCE + 1e-9 if named and place < COMMON else None
                rows.append(Row(f"{kind} {'has' if named else 'mean number'}", thing, value, mine, near))
    for name, value in theirs["child_height_class_share"].items():
        mine = ours["child_height_class_share"][name]
        near = abs(mine - value) <= PRESENCE_TOLERANCE + 1e-9
        rows.append(Row("small objects by height, share", HEIGHT_NAMES[name], value, mine, near))
    for kind, value in theirs["children_per_receptacle_mean"].items():
        mine = ours["children_per_receptacle_mean"].get(kind, 0.0)
        rows.append(Row("small objects on a receptacle, mean", kind, value, mine, None))
    for kind, things in theirs["child_types_of_receptacle"].items():
        mine = ours["child_types_of_receptacle"].get(kind, {})
        # The record names each receptacle's most common things only: shares are of those.
        total, our_total = sum(things.values()), sum(mine.get(thing, 0) for thing in things)
        for thing, n in things.items():
            share = mine.get(thing, 0) / our_total if our_total else 0.0
            rows.append(Row(f"share on {kind}", thing, round(n / total, 3), round(share, 3), None))
    return rows


def _histogram(group: str, ours: Mapping[str, Any], theirs: Mapping[str, Any], name: str) -> list[Row]:
    a, b = ours[name], theirs[name]
    rows = []
    for key in sorted({*a, *b}, key=int):
        mine, other = (table.get(key, 0) / sum(table.values()) for table in (a, b))
        rows.append(Row(f"{group}, share", key, round(other, 3), round(mine, 3), None))
    return rows
