"""Checks of getting about: doors that swing and can be passed, rooms that can be reached. See `check.py`."""

import itertools
from typing import Any

import shapely
from shapely.geometry import Point, Polygon

from scenes.house.checks.survey import TOLERANCE, Finding, Found, Survey, note
from scenes.house.elements import Door
from scenes.house.walkable import door_swing, is_shut, threshold

STANDING = 0.1  # m² of floor that a body must be able to reach in each room
CLEAR = 0.2  # m of floor before a door, within its room, on which nothing stands


def swings(survey: Survey) -> Found:
    """A leaf opens within its room, and hits nothing that stands there."""
    for door, sweep in _sweeps(survey):
        if sweep.intersects(survey.solids):
            yield note(door.id, "its leaf hits something")
        if not survey.wide_rooms[door.room1].contains(sweep):
            yield note(door.id, f"its leaf does not open within {door.room1}")


def _sweeps(survey: Survey) -> list[tuple[Door, Polygon]]:
    found = [(door, door_swing(survey.house, door)) for door in survey.house.doors]
    return [(door, sweep) for door, sweep in found if sweep is not None]


def leaves(survey: Survey) -> Found:
    """Two doors can be opened at the same time, whichever sides their hinges are on."""
    sweeps = [(door, sweep.buffer(-TOLERANCE)) for door, sweep in _sweeps(survey)]
    for (one, a), (two, b) in itertools.combinations(sweeps, 2):
        if a.intersects(b):
            yield note(f"{one.id} and {two.id}", "their leaves hit one another")


def doorways(survey: Survey) -> Found:
    """Nothing stands right before a door, on either side, and a door between rooms can be opened."""
    for door in survey.house.doors:
        if is_shut(door):
            yield note(door.id, "is shut and cannot be opened")
        for name in dict.fromkeys((door.wall0, door.wall1)):
            wall = survey.walls[name]
            if not wall.exterior and threshold(door, wall, CLEAR).intersects(survey.solids):
                yield note(door.id, f"something stands in the way in {wall.room_id}")


def reachable(survey: Survey) -> Found:
    """From the largest piece of walkable floor, a body of radius 0.2 m gets into every room.

    It is a note if it would do so once what is not fixed were pushed aside.
    """
    largest = _largest(survey.floor)
    if largest is None:
        yield Finding("house", "there is no floor to stand on")
        return
    for room in survey.house.rooms:
        reached = survey.rooms[room.id].intersection(largest).area
        if reached < STANDING:
            cleared = _largest(survey.cleared_floor)
            pushed = cleared is not None and survey.rooms[room.id].intersection(cleared).area >= STANDING
            what = f"only {reached:.2f} m² of the {room.room_type} can be reached"
            yield (note if pushed else Finding)(room.id, what)


def agent(survey: Survey) -> Found:
    """Where the metadata puts the agent is floor from which it gets about; this is an error if it is in no
    room.
    """
    place = _place(survey.house.metadata.get("agent"))
    largest = _largest(survey.floor)
    if place is not None and not any(room.intersects(place) for room in survey.wide_rooms.values()):
        yield Finding("agent", f"starts at ({place.x:.2f}, {place.y:.2f}), which is in no room")
    elif place is not None and largest is not None and shapely.distance(largest, place) > TOLERANCE:
        yield note("agent", f"starts at ({place.x:.2f}, {place.y:.2f}), where it cannot stand")


def _place(agent: Any) -> Point | None:
    try:
        return Point(float(agent["position"]["x"]), float(agent["position"]["z"]))
    except (KeyError, TypeError, ValueError):
        return None


def _largest(floor: shapely.Geometry) -> shapely.Geometry | None:
    pieces = [piece for piece in shapely.get_parts(floor) if piece.area > 0]
    return max(pieces, key=lambda piece: piece.area, default=None)
