"""Where a body can stand in a house: exact polygons from walls, doors and boxes, without a renderer."""

import shapely
from shapely.geometry import Polygon, box

from scenes.house.boxes import asset_of, boxes_of
from scenes.house.elements import Door, Wall
from scenes.house.schema import House, walls_by_id

BODY_HEIGHT = 1.6  # m; what begins higher does not stand in the way
STEP = 0.02  # m; what ends lower can be walked over


def walkable(house: House, radius: float = 0.2) -> shapely.Geometry:
    """The floor (x, z) [m] that the centre of a body of that radius [m] can be at.

    Rooms are joined where a door that is or can be opened, or a missing wall, joins them. Objects are their
    boxes.
    """
    rooms = [Polygon(room.polygon).buffer(-radius, join_style="mitre") for room in house.rooms]
    walls = walls_by_id(house)
    passages = []
    for door in house.doors:
        if door.room0 != door.room1 and not is_shut(door):
            x0, _, x1, _ = door.hole
            passages.append(_passage(walls[door.wall0], x0 + radius, x1 - radius, radius))
    for wall in house.walls:
        if wall.empty:
            passages.append(_passage(wall, radius, wall.length - radius, radius))
    floor = shapely.union_all([*rooms, *passages])
    return shapely.difference(floor, shapely.union_all(obstacles(house, radius)))


def obstacles(house: House, grown: float = 0.0) -> list[Polygon]:
    """The boxes that stand in a body's way, seen from above, wider by `grown` [m] on every side."""
    found = []
    for item in house.objects:
        if asset_of(item) is None:
            continue
        for part in boxes_of(item):
            if part.y0 < BODY_HEIGHT and part.y1 > STEP:
                wide = part.rect.grown(grown)
                found.append(box(wide.x0, wide.z0, wide.x1, wide.z1))
    return found


def door_swing(house: House, door: Door) -> Polygon | None:
    """The floor that a door's leaf sweeps into room1; None without a leaf or where it opens outwards."""
    if not door.openable or door.room0 == door.room1:
        return None
    wall = walls_by_id(house)[door.wall1]
    x0, _, x1, _ = door.hole_on(wall)
    leaf = (x1 - x0) / (2 if "Double" in door.asset_id else 1)
    return _strip(wall, x0, x1, 0.0, leaf)


def is_shut(door: Door) -> bool:
    """Whether an inner door keeps its rooms apart: a closed leaf that cannot be opened."""
    return door.room0 != door.room1 and door.openable is False and not door.openness


def threshold(door: Door, wall: Wall, depth: float) -> Polygon:
    """The floor right before a door, `depth` [m] into the room of `wall`, which is one of its walls."""
    x0, _, x1, _ = door.hole_on(wall)
    return _strip(wall, x0, x1, 0.0, depth)


def _passage(wall: Wall, start: float, end: float, radius: float) -> Polygon:
    """The middle of a hole, from one room's shrunken floor into the other's."""
    return _strip(wall, start, max(start, end), -radius - 1e-6, radius + 1e-6)


def _strip(wall: Wall, start: float, end: float, near: float, far: float) -> Polygon:
    """Floor along a wall from `start` to `end`, between two distances to it, positive within the room."""
    (x0, z0), (x1, z1) = wall.ends
    ax, az = (x1 - x0) / wall.length, (z1 - z0) / wall.length
    nx, nz = az, -ax
    corners = [(start, near), (end, near), (end, far), (start, far)]
    return Polygon([(x0 + ax * t + nx * d, z0 + az * t + nz * d) for t, d in corners])
