"""Checks of what is in the rooms: furniture, small objects, things on walls. `scenes/house/checks/check.py`
lists them."""

import math

import numpy as np
import shapely

from scenes.house.asset_table import Asset, asset_table
from scenes.house.bodies import Bodies, bodies_of, depths, near_pairs, tilted, to_local, upright_size
from scenes.house.boxes import Rect, asset_of, solid_parts, turned
from scenes.house.checks.survey import TOLERANCE, Finding, Found, Survey, note
from scenes.house.elements import HouseObject, Opening, Wall
from scenes.house.resting import LIFT, ON, SHAPED, Rest, depth_allowed, rest
from scenes.house.schema import House

HUNG = (
    *("HandTowelHolder", "LightSwitch", "Mirror", "Painting", "ShowerHead", "Television"),
    *("ToiletPaperHanger", "TowelHolder"),
)
AT_WALL = 0.05  # m between a wall and the back of what hangs on it
CARRIED = 0.5  # of a small object's footprint, at least this share is over its receptacle
RIM = 0.05  # m beyond its receptacle's box at which the middle of a small object is still on it
CORES = 0.02  # m that the solid parts of two things may be in one another
SAME = 0.25  # of a thing's least extent: two of a type whose middles are closer are in one place
POKES = 0.1  # m that a thing may be in a wall, floor or ceiling of its room and still be seen where it is


def inside(survey: Survey) -> Found:
    """An object is in one room, the one in its id if that names one, between floor and ceiling.

    What only pokes into a wall, floor or ceiling is a note.
    """
    for shape in survey.wide_rooms.values():
        shapely.prepare(shape)
    bodies = survey.bodies
    outlines = np.atleast_1d(np.asarray(shapely.polygons(bodies.corners())))
    told: set[int] = set()
    for owner, outline, (y0, y1) in zip(bodies.owner.tolist(), outlines, bodies.y.tolist(), strict=True):
        item = survey.items[owner][0]
        if owner in told:
            continue
        homes = [name for name in survey.homes(item) if survey.wide_rooms[name].contains(outline)]
        if not homes:
            told.add(owner)
            pokes = any(shape.buffer(POKES).contains(outline) for shape in survey.wide_rooms.values())
            yield (note if pokes else Finding)(item.id, f"{item.asset_id} is not inside a room")
        elif y0 < -TOLERANCE or y1 > survey.tops[homes[0]] + TOLERANCE:
            told.add(owner)
            pokes = y0 >= -POKES and y1 <= survey.tops[homes[0]] + POKES
            yield (note if pokes else Finding)(item.id, f"{item.asset_id} is at {y0:.2f} to {y1:.2f} m")


def standing(survey: Survey) -> Found:
    """What is on nothing and hangs on no wall stands on the floor."""
    for item in survey.house.objects:
        foot = _foot(item)
        if foot is not None and foot > TOLERANCE and asset_table()[item.asset_id].type not in HUNG:
            yield Finding(item.id, f"{item.asset_id} floats {foot:.2f} m above the floor")


def hanging(survey: Survey) -> Found:
    """What hangs has its back at a wall of its room, and is over no door and no window."""
    house = survey.house
    for item in house.objects:
        asset, foot = asset_of(item), _foot(item)
        if asset is None or foot is None or foot <= TOLERANCE or asset.type not in HUNG:
            continue
        homes = survey.homes(item)
        own = [wall for wall in house.walls if wall.room_id in homes and not (wall.exterior or wall.empty)]
        back = _back(item, asset.size[0], asset.size[2])
        found = [[wall for wall in own if _distance(wall, point) <= AT_WALL] for point in back]
        if not all(found):
            yield Finding(item.id, f"{item.asset_id} hangs in the air")
        for wall in dict.fromkeys(wall for at in found for wall in at):
            for opening in _openings(house, wall):
                if _covers(item, asset.size, wall, opening):
                    yield note(item.id, f"{item.asset_id} hangs over {opening.id}")


def _foot(item: HouseObject) -> float | None:
    asset = asset_of(item)
    return None if asset is None else item.position.y - upright_size(asset, item.rotation)[1] / 2


def _back(item: HouseObject, width: float, depth: float) -> list[tuple[float, float]]:
    """Left end, middle and right end of a thing's back (x, z) [m]."""
    c, s = math.cos(math.radians(item.rotation.y)), math.sin(math.radians(item.rotation.y))
    x, z = item.position.x - s * depth / 2, item.position.z - c * depth / 2
    return [(x + c * t, z - s * t) for t in (-width / 2, 0.0, width / 2)]


def _along(wall: Wall, point: tuple[float, float]) -> float:
    (ax, az), (bx, bz) = wall.ends
    return ((point[0] - ax) * (bx - ax) + (point[1] - az) * (bz - az)) / wall.length


def _distance(wall: Wall, point: tuple[float, float]) -> float:
    (ax, az), (bx, bz) = wall.ends
    t = min(max(_along(wall, point) / wall.length, 0.0), 1.0)
    return math.dist(point, (ax + (bx - ax) * t, az + (bz - az) * t))


def _openings(house: House, wall: Wall) -> list[Opening]:
    return [hole for hole in (*house.doors, *house.windows) if wall.id in (hole.wall0, hole.wall1)]


def _covers(item: HouseObject, size: tuple[float, float, float], wall: Wall, opening: Opening) -> bool:
    ends = [_along(wall, point) for point in _back(item, size[0], size[2])]
    x0, y0, x1, y1 = opening.hole_on(wall)
    low, high = item.position.y - size[1] / 2, item.position.y + size[1] / 2
    return min(min(x1, max(ends)) - max(x0, min(ends)), min(y1, high) - max(y0, low)) > TOLERANCE


def overlaps(survey: Survey) -> Found:
    """No two boxes are in one another, but for what is within its receptacle's box.

    It is an error if what is certainly solid of the two is, or if they are two of a type in one place, else
    a note: boxes are full of air.
    """
    solid = _deepest(survey, survey.cores, CORES)
    for pair, depth in solid.items():
        yield Finding(_names(survey, pair), f"are {depth:.3f} m in one another, and both are solid there")
    for pair, depth in _deepest(survey, survey.bodies, TOLERANCE).items():
        if pair not in solid:
            found = Finding if _in_one_place(survey, pair) else note
            yield found(_names(survey, pair), f"are {depth:.3f} m in one another")


def _in_one_place(survey: Survey, pair: tuple[int, int]) -> bool:
    one, two = (survey.items[i][0] for i in pair)
    asset, other = asset_of(one), asset_of(two)
    if asset is None or other is None or asset.type != other.type:
        return False
    apart = math.dist(_point(one), _point(two))
    return apart < SAME * min(*asset.size, *other.size)


def _point(item: HouseObject) -> tuple[float, float, float]:
    return item.position.x, item.position.y, item.position.z


def _names(survey: Survey, pair: tuple[int, int]) -> str:
    one, two = (survey.items[i][0] for i in pair)
    return f"{one.id} and {two.id}"


def _deepest(survey: Survey, bodies: Bodies, least: float) -> dict[tuple[int, int], float]:
    """How deep two objects are in one another [m], if over `least`, by their positions in `survey.items`."""
    pairs = near_pairs(bodies)
    found = depths(bodies.take(pairs[:, 0]), bodies.take(pairs[:, 1]))
    holders = {id(item): parent for item, parent in survey.items}
    deepest: dict[tuple[int, int], float] = {}
    for (a, b), depth in zip(bodies.owner[pairs].tolist(), found.tolist(), strict=True):
        if a != b and depth > least:
            one, two = survey.items[a][0], survey.items[b][0]
            if not (_holds(holders, one, two) or _holds(holders, two, one)):
                deepest[a, b] = max(depth, deepest.get((a, b), 0.0))
    return deepest


def _holds(holders: dict[int, HouseObject | None], outer: HouseObject, inner: HouseObject) -> bool:
    """Whether `inner` is in or on `outer`, or on something that is."""
    at = holders[id(inner)]
    while at is not None and at is not outer:
        at = holders[id(at)]
    return at is outer


def resting(survey: Survey) -> Found:
    """A small object's foot is on a board of its receptacle, its middle over it, and most of it carried.

    It is an error if it floats above its receptacle, is deep in it, is beside it, or if nothing can rest
    there. What comes to rest on a board of its own weight (`scenes/house/resting.py`) is a note.
    """
    for item, parent in survey.items:
        asset, under = asset_of(item), None if parent is None else asset_of(parent)
        if parent is None or asset is None or under is None:
            continue
        found = rest(item, parent)
        if found is None:
            yield Finding(item.id, f"nothing rests on a {under.type}")
            continue
        level, off = found.board, found.off
        height = upright_size(asset, item.rotation)[1]
        foot, bottom = item.position.y - height / 2, parent.position.y - under.size[1] / 2
        if off < -ON and abs(foot) <= LIFT:
            yield note(item.id, f"lies on the floor, and not on {parent.id}")
            continue
        if abs(off) > ON:
            error = _floats(item, asset, found, foot - bottom - under.size[1])
            error = error and not tilted(item.rotation)  # what leans or rolls is not where it stays
            yield (Finding if error else note)(item.id, f"is {off:+.3f} m above its place on {parent.id}")
        out = level.height + height - under.size[1]
        if level.inside and out > TOLERANCE:
            shut = under.type == "Fridge" and out > POKES
            yield (Finding if shut else note)(item.id, f"sticks out of {parent.id}")
        x, z = to_local(parent, item.position.x, item.position.z)
        middle = Rect(x, z, x, z)
        if not any(part.grown(RIM).contains(middle) for part in solid_parts(under)):
            yield (note if tilted(item.rotation) else Finding)(item.id, f"is not over {parent.id}")
            continue
        if not any(r.grown(TOLERANCE).contains(middle) for r in level.rects):
            yield note(item.id, f"is beside its place on {parent.id}")
        around = _around(asset, item, parent)
        if any(part.contains(around) for part in solid_parts(under)):
            continue
        carried = _carried(item, parent)
        if carried < CARRIED:
            yield note(item.id, f"hangs over the edge of {parent.id}: {carried:.0%} of it is carried")


def _floats(item: HouseObject, asset: Asset, found: Rest, above: float) -> bool:
    """Whether a thing stays in the air or in a solid; it is `above` [m] the whole of its receptacle."""
    if item.kinematic:
        return abs(found.off) > LIFT
    if above > LIFT:
        return True
    return found.off < -depth_allowed(found.board) and asset.type not in SHAPED


def _around(asset: Asset, item: HouseObject, parent: HouseObject) -> Rect:
    """The rectangle around an object, in its receptacle's own coordinates."""
    sx, _, sz = upright_size(asset, item.rotation)
    x, z = to_local(parent, item.position.x, item.position.z)
    return turned(Rect(-sx / 2, -sz / 2, sx / 2, sz / 2), item.rotation.y - parent.rotation.y, x, z)


def _carried(item: HouseObject, parent: HouseObject) -> float:
    """The share of an object's footprint that is over its receptacle."""
    print_, base = (shapely.union_all(shapely.polygons(bodies_of([one]).corners())) for one in (item, parent))
    return shapely.area(shapely.intersection(print_, base)) / shapely.area(print_)
