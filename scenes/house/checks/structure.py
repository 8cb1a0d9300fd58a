"""Checks of the building: numbers, ids, rooms, walls, holes and lights. `scenes/house/checks/check.py` lists
them."""

import itertools
import math
from collections.abc import Iterator
from typing import Any

import shapely
from pydantic import BaseModel
from shapely.geometry import LineString, Point, Polygon

from scenes.house.asset_table import asset_table
from scenes.house.checks.survey import TOLERANCE, Finding, Found, Survey, note
from scenes.house.elements import Opening, Wall

SEAM = 0.05  # m of a room's outline that may lack a wall: rounding at corners
FILLINGS = {"door": ("Doorway", "Doorframe"), "window": ("Window",)}


def structure(survey: Survey) -> Found:
    """Numbers are finite, outlines are outlines, and what is named is there."""
    house = survey.house
    parts = (house.rooms, house.walls, house.doors, house.windows, house.procedural_parameters.lights)
    for part in itertools.chain(*parts, (item for item, _ in survey.items)):
        if not all(math.isfinite(number) for number in _numbers(part)):
            yield Finding(part.id, "holds a number that is not finite")
            return
    if not house.rooms or not house.walls:
        yield Finding("house", "has no rooms or no walls")
    for room in house.rooms:
        ring = room.polygon
        if len(ring) < 3 or not Polygon(ring).is_valid or Polygon(ring).area < TOLERANCE:
            yield Finding(room.id, "its floor is not a simple polygon")
    names = {room.id for room in house.rooms}
    for wall in house.walls:
        if len(wall.polygon) < 3 or wall.length < TOLERANCE or wall.height < TOLERANCE:
            yield Finding(wall.id, "is a wall without length or height")
        if wall.room_id not in names:
            yield Finding(wall.id, f"is of {wall.room_id}, which is not there")
    for opening in (*house.doors, *house.windows):
        for name in (opening.wall0, opening.wall1):
            if name not in survey.walls:
                yield Finding(opening.id, f"is in {name}, which is not there")
        for name in (opening.room0, opening.room1):
            if name not in names:
                yield Finding(opening.id, f"leads to {name}, which is not there")
        if not opening.hole_polygon:
            yield Finding(opening.id, "has no hole")


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, BaseModel):
        for name, inner in value.__dict__.items():
            if name != "children":
                yield from _numbers(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _numbers(inner)


def ids(survey: Survey) -> Found:
    """No two things of a kind have one id."""
    house = survey.house
    things = [item for item, _ in survey.items]
    kinds = (house.rooms, house.walls, house.doors, house.windows, things, house.procedural_parameters.lights)
    for kind in kinds:
        seen: set[str] = set()
        for thing in kind:
            if thing.id in seen:
                yield Finding(thing.id, "is the id of two things")
            seen.add(thing.id)


def assets(survey: Survey) -> Found:
    """Every asset is known, and a hole is filled by what fills such holes."""
    table, house = asset_table(), survey.house
    for owner in (*house.doors, *house.windows, *(item for item, _ in survey.items)):
        if owner.asset_id not in table:
            yield Finding(owner.id, f"asset {owner.asset_id} is not in the asset table")
    for kind, openings in (("door", house.doors), ("window", house.windows)):
        for opening in openings:
            asset = table.get(opening.asset_id)
            if asset is not None and asset.type not in FILLINGS[kind]:
                yield Finding(opening.id, f"is a {kind} made of a {asset.type}")


def openness(survey: Survey) -> Found:
    """What opens is open by a share of its way."""
    for one in (*survey.house.doors, *(item for item, _ in survey.items)):
        if one.openness is not None and not 0.0 <= one.openness <= 1.0:
            yield Finding(one.id, f"has openness {one.openness:g}: 0 is shut, 1 is open")


def rooms(survey: Survey) -> Found:
    """Floors are level, at height 0, run clockwise, and no two lie in one another."""
    for room in survey.house.rooms:
        if any(abs(vertex.y) > TOLERANCE for vertex in room.floor_polygon):
            yield Finding(room.id, "its floor is not at height 0")
        if survey.rooms[room.id].exterior.is_ccw:
            yield note(room.id, "its floor runs counter-clockwise")
    inner = {name: shape.buffer(-TOLERANCE / 2) for name, shape in survey.rooms.items()}
    for (one, a), (two, b) in itertools.combinations(inner.items(), 2):
        if a.intersects(b):
            yield Finding(f"{one} and {two}", f"share {a.intersection(b).area:.3f} m² of floor")


def walls(survey: Survey) -> Found:
    """Every side of a room has its wall, the room to its right, and an outer one where no room is beyond.

    All are as high as each other. A wall that is left out (`empty`) is left out on both sides.
    """
    house = survey.house
    height = house.walls[0].height
    for wall in house.walls:
        if any(min(abs(v.y), abs(v.y - height)) > TOLERANCE for v in wall.polygon):
            yield Finding(wall.id, f"does not reach from 0 to {height:.2f} m")
    for room in house.rooms:
        outline = survey.rooms[room.id].exterior
        band = shapely.buffer(outline, TOLERANCE)
        own = [wall for wall in house.walls if wall.room_id == room.id and not wall.exterior]
        for wall in own:
            if not band.contains(LineString(wall.ends)):
                yield Finding(wall.id, f"does not stand on the edge of {room.id}")
            elif not survey.rooms[room.id].contains(_beside(wall, 2 * TOLERANCE)):
                yield Finding(wall.id, f"{room.id} is not to its right")
        bare = _bare(outline, own)
        if bare > SEAM:
            yield Finding(room.id, f"{bare:.2f} m of its edge have no wall")
    whole = shapely.union_all(list(survey.wide_rooms.values())).buffer(-TOLERANCE, join_style="mitre")
    core = whole.buffer(-2 * TOLERANCE, join_style="mitre")
    outer = [wall for wall in house.walls if wall.exterior]
    bare = _bare(whole.boundary, outer)
    if bare > SEAM:
        yield Finding("house", f"{bare:.2f} m of its outline have no outer wall")
    for wall in outer:
        if core.contains(Point(_middle(wall))):
            yield Finding(wall.id, "is an outer wall between rooms")
    gone = [wall for wall in house.walls if wall.empty]
    for wall in gone:
        if not any(other is not wall and _same_place(wall, other) for other in gone):
            yield Finding(wall.id, "is empty, the wall behind it is not")


def _bare(outline: shapely.Geometry, lines: list[Wall]) -> float:
    standing = shapely.union_all([LineString(wall.ends).buffer(2 * TOLERANCE) for wall in lines])
    return shapely.difference(outline, standing).length


def _middle(wall: Wall) -> tuple[float, float]:
    (ax, az), (bx, bz) = wall.ends
    return (ax + bx) / 2, (az + bz) / 2


def _beside(wall: Wall, off: float) -> Point:
    """A point to the right of the wall's middle."""
    (ax, az), (bx, bz) = wall.ends
    x, z = _middle(wall)
    return Point(x + (bz - az) / wall.length * off, z - (bx - ax) / wall.length * off)


def _same_place(one: Wall, two: Wall) -> bool:
    pairs = zip(sorted(one.ends), sorted(two.ends), strict=True)
    return all(math.dist(p, q) <= 2 * TOLERANCE for p, q in pairs)


def holes(survey: Survey) -> Found:
    """A hole lies within both of its walls, which stand in the same place, and is the only one there.

    Its rooms are those of its walls. A door reaches the floor; a window is in an outer wall.
    """
    used: dict[str, str] = {}
    for opening in (*survey.house.doors, *survey.house.windows):
        places = []
        for wall in (survey.walls[opening.wall0], survey.walls[opening.wall1]):
            x0, y0, x1, y1 = opening.hole_on(wall)
            if min(x0, y0) < -TOLERANCE or x1 > wall.length + TOLERANCE or y1 > wall.height + TOLERANCE:
                yield Finding(opening.id, f"reaches beyond {wall.id}")
            (ax, az), (bx, bz) = wall.ends
            ends = [(ax + (bx - ax) * t / wall.length, az + (bz - az) * t / wall.length) for t in (x0, x1)]
            places.append(sorted(ends))
            if wall.id in used:
                yield Finding(opening.id, f"shares {wall.id} with {used[wall.id]}")
            if wall.empty:
                yield Finding(opening.id, f"is in {wall.id}, which is empty")
            used[wall.id] = opening.id
        apart = max(abs(a - b) for p, q in zip(*places, strict=True) for a, b in zip(p, q, strict=True))
        if apart > TOLERANCE:
            yield Finding(opening.id, f"the holes of its two walls are {apart:.3f} m apart")
        yield from _filling(survey, opening)


def _filling(survey: Survey, opening: Opening) -> Found:
    wall0, wall1 = survey.walls[opening.wall0], survey.walls[opening.wall1]
    if (wall0.room_id, wall1.room_id) != (opening.room0, opening.room1):
        yield Finding(opening.id, f"its walls are of {wall0.room_id} and {wall1.room_id}, not its rooms")
    x0, y0, x1, y1 = opening.hole
    if min(x1 - x0, y1 - y0) < TOLERANCE:
        yield Finding(opening.id, "its hole has no size")
    at = opening.asset_position
    if not (x0 - TOLERANCE <= at.x <= x1 + TOLERANCE and y0 - TOLERANCE <= at.y <= y1 + TOLERANCE):
        yield note(opening.id, "its asset is not in its hole")
    is_door = opening in survey.house.doors
    if is_door and y0 > TOLERANCE:
        yield Finding(opening.id, f"its threshold is {y0:.2f} m high")
    outside = wall0.exterior or wall1.exterior
    if outside != (opening.room0 == opening.room1):
        yield Finding(opening.id, "leads outside on one count and not on the other")
    if not is_door and not outside:
        yield note(opening.id, "is a window in an inner wall")


def lights(survey: Survey) -> Found:
    """At most one sun, no light below zero, not all dark, and every lamp in a room."""
    all_lights = survey.house.procedural_parameters.lights
    suns = [light.id for light in all_lights if light.type == "directional"]
    if len(suns) > 1:
        yield note(" and ".join(suns), "are several suns")
    if not any(light.intensity > 0 for light in all_lights):
        yield Finding("house", "has no light that shines")
    for light in all_lights:
        if light.intensity < 0:
            yield Finding(light.id, f"has intensity {light.intensity}")
        if light.type == "directional":
            continue
        at = light.position
        homes = [name for name, shape in survey.wide_rooms.items() if shape.contains(Point(at.x, at.z))]
        if not any(0.0 <= at.y <= survey.tops[name] + TOLERANCE for name in homes):
            yield note(light.id, "is not inside a room")
