"""What a valid house is, and what is wrong with one that is not.

    for fault in check_house(house):
        print(fault)

Each check reads the house as it is written, and none of the generator's own bookkeeping.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import shapely
from shapely.geometry import Point, Polygon, box

from scenes.asset_table import asset_table
from scenes.boxes import Box, boxes_of, turned
from scenes.house import House, HouseObject, walls_by_id
from scenes.surfaces import surface
from scenes.walkable import door_swing, obstacles, walkable

TOLERANCE = 0.01  # m
STANDING = 0.1  # m² of floor that a body must be able to reach in each room


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    rule: str  # the name of the check
    where: str  # the ids of who is concerned
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}"


def check_house(house: House) -> list[Fault]:
    """Every fault of a house; none for a valid one."""
    checks = (_ids, _assets, _holes, _inside, _overlaps, _resting, _swings, _reachable)
    return [fault for check in checks for fault in check(house)]


def _ids(house: House) -> Iterator[Fault]:
    kinds = (house.rooms, house.walls, house.doors, house.windows, [item for item, _ in house.all_objects()])
    for things in kinds:
        seen: set[str] = set()
        for thing in things:
            if thing.id in seen:
                yield Fault("ids", thing.id, "is the id of two things")
            seen.add(thing.id)


def _assets(house: House) -> Iterator[Fault]:
    owners = [*house.doors, *house.windows, *(item for item, _ in house.all_objects())]
    for owner in owners:
        if owner.asset_id not in asset_table():
            yield Fault("assets", owner.id, f"asset {owner.asset_id} is not in the asset table")


def _holes(house: House) -> Iterator[Fault]:
    """A hole lies within both of its walls, which stand in the same place, and is the only one there."""
    walls = walls_by_id(house)
    used: dict[str, str] = {}
    for opening in (*house.doors, *house.windows):
        missing = [wall for wall in (opening.wall0, opening.wall1) if wall not in walls]
        if missing:
            yield Fault("holes", opening.id, f"is in {missing[0]}, which is not there")
            continue
        sides = [walls[opening.wall0], walls[opening.wall1]]
        places = []
        for wall in sides:
            x0, y0, x1, y1 = opening.hole_on(wall)
            if min(x0, y0) < -TOLERANCE or x1 > wall.length + TOLERANCE or y1 > wall.height + TOLERANCE:
                yield Fault("holes", opening.id, f"reaches beyond {wall.id}")
            (ax, az), (bx, bz) = wall.ends
            ends = [(ax + (bx - ax) * t / wall.length, az + (bz - az) * t / wall.length) for t in (x0, x1)]
            places.append(sorted(ends))
            if wall.id in used:
                yield Fault("holes", opening.id, f"shares {wall.id} with {used[wall.id]}")
            used[wall.id] = opening.id
        apart = max(abs(a - b) for p, q in zip(*places, strict=True) for a, b in zip(p, q, strict=True))
        if apart > TOLERANCE:
            yield Fault("holes", opening.id, f"the holes of its two walls are {apart:.3f} m apart")


def _inside(house: House) -> Iterator[Fault]:
    """An object stands in one room, the one in its id if that names one, between floor and ceiling."""
    shapes = {room.id: Polygon(room.polygon).buffer(TOLERANCE, join_style="mitre") for room in house.rooms}
    for room in shapes.values():
        shapely.prepare(room)
    ceiling = max(wall.height for wall in house.walls)
    for item, parent in house.all_objects():
        named = f"room|{_room_number(item)}"
        homes = [shapes[named]] if named in shapes else list(shapes.values())
        for part in boxes_of(item):
            rect = box(part.rect.x0, part.rect.z0, part.rect.x1, part.rect.z1)
            if not any(home.contains(rect) for home in homes):
                yield Fault("inside", item.id, f"{item.asset_id} is not inside a room")
                break
            if part.y0 < -TOLERANCE or part.y1 > ceiling + TOLERANCE:
                yield Fault("inside", item.id, f"{item.asset_id} is at {part.y0:.2f} to {part.y1:.2f} m")
                break
            if parent is None and item.asset_id in asset_table() and part.y0 > TOLERANCE and not _hangs(item):
                yield Fault("inside", item.id, f"{item.asset_id} floats {part.y0:.2f} m above the floor")
                break


def _room_number(item: HouseObject) -> str:
    parts = item.id.split("|")
    return parts[1] if parts[0] == "small" and len(parts) > 1 else parts[0]


def _hangs(item: HouseObject) -> bool:
    return asset_table()[item.asset_id].type in ("Painting", "Television")


def _overlaps(house: House) -> Iterator[Fault]:
    """No two boxes are in one another, but for what is inside its receptacle's box."""
    rows: list[tuple[HouseObject, HouseObject | None, Box]] = [
        (item, parent, part) for item, parent in house.all_objects() for part in boxes_of(item)
    ]
    tree = shapely.STRtree([box(p.rect.x0, p.rect.z0, p.rect.x1, p.rect.z1) for _, _, p in rows])
    pairs = tree.query(tree.geometries, predicate="intersects")
    for a, b in sorted(zip(*pairs.tolist(), strict=True)):
        (one, one_parent, one_box), (two, two_parent, two_box) = rows[a], rows[b]
        if a >= b or one is two or one is two_parent or two is one_parent:
            continue
        depth = one_box.overlap(two_box)
        if depth > TOLERANCE:
            yield Fault("overlaps", f"{one.id} and {two.id}", f"are {depth:.3f} m in one another")


def _resting(house: House) -> Iterator[Fault]:
    """A small object's foot is on its receptacle's surface, and over it."""
    table = asset_table()
    for item, parent in house.all_objects():
        if parent is None or item.asset_id not in table or parent.asset_id not in table:
            continue
        level = surface(table[parent.asset_id])
        if level is None:
            yield Fault("resting", item.id, f"nothing rests on a {table[parent.asset_id].type}")
            continue
        foot = item.position.y - table[item.asset_id].size[1] / 2
        height = parent.position.y - table[parent.asset_id].size[1] / 2 + level.height
        if abs(foot - height) > TOLERANCE:
            yield Fault("resting", item.id, f"is {foot - height:+.3f} m above its place on {parent.id}")
        spots = [
            turned(rect, parent.rotation.y, parent.position.x, parent.position.z).grown(TOLERANCE)
            for rect in level.rects
        ]
        middle = Point(item.position.x, item.position.z)
        if not any(box(s.x0, s.z0, s.x1, s.z1).contains(middle) for s in spots):
            yield Fault("resting", item.id, f"is not over {parent.id}")


def _swings(house: House) -> Iterator[Fault]:
    things = shapely.union_all(obstacles(house, -TOLERANCE))
    for door in house.doors:
        sweep = door_swing(house, door)
        if sweep is not None and sweep.intersects(things):
            yield Fault("swings", door.id, "its leaf hits something")


def _reachable(house: House) -> Iterator[Fault]:
    """From the largest piece of walkable floor, a body of radius 0.2 m gets into every room."""
    floor = walkable(house)
    pieces = [piece for piece in shapely.get_parts(floor) if piece.area > 0]
    if not pieces:
        yield Fault("reachable", house.space_id, "there is no floor to stand on")
        return
    largest = max(pieces, key=lambda piece: piece.area)
    for room in house.rooms:
        reached = Polygon(room.polygon).intersection(largest).area
        if reached < STANDING:
            yield Fault("reachable", room.id, f"only {reached:.2f} m² of the {room.room_type} can be reached")
