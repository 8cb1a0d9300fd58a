"""What is wrong with a house that was read: what its models cannot see, as `doors.3.wall0: reason`.

Only what has no meaning or cannot be compiled is refused here, and only on reading. What makes a house a bad
one to live in is for `scenes/house/checks/check.py`.
"""

import difflib
import json
import math
from collections.abc import Iterable, Iterator
from typing import Any

import shapely

from scenes.house.elements import HouseParts, Opening, Room, Wall
from scenes.house.upgrade import same

TOLERANCE = 0.01  # m, by which a hole may reach beyond its wall
LEAST = 1e-6  # m or m²; what is smaller has no extent


def unencodable(values: Any) -> Iterator[str]:
    """Numbers and strings that JSON and UTF-8 have no spelling for: NaN, infinities, half characters."""
    try:
        json.dumps(values, allow_nan=False, ensure_ascii=False).encode()
        return
    except ValueError:  # look for them only where there are any
        pass
    for path, value in _leaves(values):
        if isinstance(value, float) and not math.isfinite(value):
            yield f"{path}: {value} is no finite number"
        elif isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
            yield f"{path}: {value!r} holds half a character (a lone surrogate)"


def changed(read: Any, written: Any, path: str = "") -> Iterator[str]:
    """Values that the models took for something else than they are, as "1.5" for a number."""
    if isinstance(read, dict) and isinstance(written, dict):
        for key, value in read.items():
            yield from changed(value, written.get(key), f"{path}.{key}" if path else key)
    elif isinstance(read, list) and isinstance(written, list):
        for i, (one, other) in enumerate(zip(read, written, strict=True)):
            yield from changed(one, other, f"{path}.{i}")
    elif not same(read, written):
        yield f"{path}: {json.dumps(read)} would be taken for {json.dumps(written)}: write that"


def faults(house: HouseParts) -> Iterator[str]:
    """What is wrong with a house, in the order of the file."""
    yield from _ids(house)
    if not house.rooms:
        yield "rooms: a house has at least one room"
    for i, room in enumerate(house.rooms):
        yield from _room(room, f"rooms.{i}.floorPolygon")
    rooms = {room.id for room in house.rooms}
    for i, wall in enumerate(house.walls):
        yield from _wall(wall, rooms, f"walls.{i}")
    if house.rooms and not any(not wall.empty for wall in house.walls):
        yield "walls: not one wall stands, so that the rooms have no height"
    walls = {wall.id: wall for wall in house.walls}
    for kind in ("doors", "windows"):
        for i, opening in enumerate(getattr(house, kind)):
            yield from _opening(opening, walls, rooms, f"{kind}.{i}")
    if not isinstance(house.metadata.get("testspace", {}), dict):
        yield "metadata.testspace: this is where Testspace keeps an object of its own: rename the key"


def _ids(house: HouseParts) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}

    def new(kind: str, items: Iterable[Any], path: str) -> Iterator[str]:
        for i, item in enumerate(items):
            first = seen.setdefault((kind, item.id), f"{path}.{i}")
            if first != f"{path}.{i}":
                yield f"{path}.{i}.id: {item.id!r} is the id of {first} already"
            if kind == "object":
                yield from new(kind, item.children, f"{path}.{i}.children")

    yield from new("room", house.rooms, "rooms")
    yield from new("wall", house.walls, "walls")
    yield from new("opening", house.doors, "doors")
    yield from new("opening", house.windows, "windows")
    yield from new("object", house.objects, "objects")


def _room(room: Room, path: str) -> Iterator[str]:
    corners = room.polygon
    if len(set(corners)) < 3:
        yield f"{path}: a floor has at least 3 different corners, this one {len(set(corners))}"
        return
    # Outlines that touch themselves compile, and rooms grown on a grid have them. In one that crosses itself,
    # parts run the other way round or count twice, so that the area along the ring is not the area inside.
    ring = zip(corners, [*corners[1:], corners[0]], strict=True)
    along = abs(sum(x0 * z1 - x1 * z0 for (x0, z0), (x1, z1) in ring)) / 2
    shape = shapely.Polygon(corners)
    inside = shape.area if shape.is_valid else shapely.make_valid(shape).area
    if inside < LEAST:
        yield f"{path}: the floor has no area"
    elif abs(along - inside) > LEAST * (1 + inside):
        yield f"{path}: the floor's outline crosses itself: {shapely.is_valid_reason(shape)}"


def _wall(wall: Wall, rooms: set[str], path: str) -> Iterator[str]:
    # The outer side belongs to no room; some writers name one all the same.
    if wall.room_id not in rooms and not wall.exterior and wall.room_id != "exterior":
        yield f"{path}.roomId: there is no room {_missing(wall.room_id, rooms)}"
    if len(wall.polygon) < 4:
        yield f"{path}.polygon: a wall has 4 corners, this one {len(wall.polygon)}"
    elif wall.height < LEAST:
        yield f"{path}.polygon: the wall has no height: two corners are at its foot, two at its top"
    elif wall.length < LEAST:
        yield f"{path}.polygon: the wall has no length: its two lowest corners are in one place"


def _opening(opening: Opening, walls: dict[str, Wall], rooms: set[str], path: str) -> Iterator[str]:
    for key, wall_id, room_id in (("0", opening.wall0, opening.room0), ("1", opening.wall1, opening.room1)):
        outside = key == "1" and not wall_id  # the hole's other side is not there
        if wall_id not in walls and not outside:
            yield f"{path}.wall{key}: there is no wall {_missing(wall_id, walls)}"
        if room_id not in rooms and not outside and room_id != "exterior":
            yield f"{path}.room{key}: there is no room {_missing(room_id, rooms)}"
    if len(opening.hole_polygon) < 2:
        yield f"{path}.holePolygon: a hole has at least 2 corners, this one {len(opening.hole_polygon)}"
        return
    x0, y0, x1, y1 = opening.hole
    if x1 - x0 < LEAST or y1 - y0 < LEAST:
        yield f"{path}.holePolygon: the hole has no area"
        return
    for wall in (walls.get(opening.wall0), walls.get(opening.wall1)):
        if wall is None or len(wall.polygon) < 4:
            continue
        x0, y0, x1, y1 = opening.hole_on(wall)
        if min(x0, y0) < -TOLERANCE or x1 > wall.length + TOLERANCE or y1 > wall.height + TOLERANCE:
            yield (
                f"{path}.holePolygon: x {x0:.3f} to {x1:.3f} m, y {y0:.3f} to {y1:.3f} m reaches beyond "
                f"{wall.id}, which is {wall.length:.3f} m long and {wall.height:.3f} m high"
            )
            return


def _missing(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 3, 0.5) or names[:3]
    return f"{name!r}; there are {len(names)}" + (f", such as {', '.join(map(repr, near))}" if near else "")


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            name = str(key).encode("utf-8", "backslashreplace").decode()
            yield from _leaves(item, f"{path}.{name}" if path else name)
            yield f"{path}.{name}" if path else name, key
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from _leaves(item, f"{path}.{i}")
    else:
        yield path, value
