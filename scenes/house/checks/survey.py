"""Values that several checks of a house share, computed once."""

from collections.abc import Iterator
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import shapely
from shapely.geometry import Polygon

from scenes.house.bodies import Bodies, bodies_of, tilted
from scenes.house.elements import HouseObject
from scenes.house.schema import House, walls_by_id
from scenes.house.solids import solids
from scenes.house.walkable import obstacles, walkable

TOLERANCE = 0.01 + 1e-6  # m; a micron for rounding, so that exactly 1 cm is no fault

Level = Literal["error", "note"]


class Finding(NamedTuple):
    """Something that a rule found."""

    where: str  # the ids of who is concerned
    what: str
    level: Level = "error"


Found = Iterator[Finding]


def note(where: str, what: str) -> Finding:
    """A finding that keeps nobody from using the house."""
    return Finding(where, what, "note")


class Survey:
    """A house whose parts are all there (`check_structure.structure` finds nothing)."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.walls = walls_by_id(house)
        self.items: list[tuple[HouseObject, HouseObject | None]] = list(house.all_objects())

    @cached_property
    def rooms(self) -> dict[str, Polygon]:
        """Floors (x, z) [m] by room id."""
        return {room.id: Polygon(room.polygon) for room in self.house.rooms}

    @cached_property
    def wide_rooms(self) -> dict[str, Polygon]:
        """Floors, larger by the tolerance on every side."""
        return {name: shape.buffer(TOLERANCE, join_style="mitre") for name, shape in self.rooms.items()}

    @cached_property
    def tops(self) -> dict[str, float]:
        """Height of each room's walls [m]; of all walls for a room that has none."""
        highest = max((wall.height for wall in self.house.walls), default=0.0)
        own: dict[str, float] = {}
        for wall in self.house.walls:
            own[wall.room_id] = max(own.get(wall.room_id, 0.0), wall.height)
        return {room.id: own.get(room.id, highest) for room in self.house.rooms}

    @cached_property
    def bodies(self) -> Bodies:
        """The solid boxes of `items`."""
        return bodies_of([item for item, _ in self.items])

    @cached_property
    def cores(self) -> Bodies:
        """What of each of `items` is certainly solid; of one that does not stand upright, nothing is."""
        cores = bodies_of([item for item, _ in self.items], solids)
        stands = np.array([not tilted(item.rotation) for item, _ in self.items], bool)
        return cores.take(np.flatnonzero(stands[cores.owner]))

    @cached_property
    def solids(self) -> shapely.Geometry:
        """What stands in a body's way, smaller by the tolerance."""
        return shapely.union_all(obstacles(self.house, -TOLERANCE))

    @cached_property
    def floor(self) -> shapely.Geometry:
        """Where the centre of a body of radius 0.2 m can be."""
        return walkable(self.house)

    @cached_property
    def cleared_floor(self) -> shapely.Geometry:
        """The same without what can be pushed aside."""
        fixed = tuple(item for item in self.house.objects if item.kinematic)
        return walkable(self.house.model_copy(update={"objects": fixed}))

    def homes(self, item: HouseObject) -> list[str]:
        """The rooms an object may be in: the one its id names, "2|0" or "small|2|0", else any."""
        named = f"room|{_room_number(item)}"
        return [named] if named in self.rooms else list(self.rooms)


def _room_number(item: HouseObject) -> str:
    parts = item.id.split("|")
    return parts[1] if parts[0] == "small" and len(parts) > 1 else parts[0]
