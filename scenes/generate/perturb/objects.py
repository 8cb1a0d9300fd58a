"""Small objects moved elsewhere: on the same furniture, or on other furniture in the room.

An object may move if it is small (a child type in ProcTHOR's statistics), can be picked up or pushed, stands
upright, and its asset and that of its receptacle are known. It moves to a receptacle on which those
statistics have its type, where it fits: on the surface, off all other objects, below the ceiling.
"""

import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import shapely
from shapely.geometry import Polygon

from scenes.generate.statistics.statistics import Part, recorded
from scenes.house.asset_table import Asset
from scenes.house.bodies import Bodies, bodies_of, depths, to_world
from scenes.house.boxes import Rect, asset_of, turned
from scenes.house.elements import HouseObject
from scenes.house.schema import House
from scenes.house.surfaces import NOT_IN_DRAWERS, Surface, surfaces
from scenes.seeding import rng

FIXED = ("Faucet", "Television")  # are where they are for a reason
GAP = 0.012  # m between small things
AIR = 0.05  # m between a thing's top and the ceiling; a shelf's worth within a closed thing
# A move of so many metres counts, in so many tries on a receptacle; less is asked for where all is full.
ROUNDS = ((0.1, 16), (0.03, 16), (0.01, 160))


def draw_moves(house: House, strength: float, seed: int, digest: str) -> list[dict[str, Any]]:
    """Where a share `strength` of the small objects goes, in the house's order (see
    `scenes/generate/perturb/perturb.py`)."""
    home = _Household(house)
    movable = home.movable()
    wanted = round(strength * len(movable))
    streams = {i: rng(seed, "perturb", digest, "objects", home.items[i][0].id) for i in movable}
    queue = sorted(movable, key=lambda i: streams[i].random())
    moved: set[int] = set()
    for far, tries in ROUNDS:  # what found no room may do so once others have moved
        for i in queue:
            if len(moved) < wanted and i not in moved and home.move(i, far, tries, streams[i]):
                moved.add(i)
    return [home.change(i) for i in movable if i in moved]


@cache
def _where() -> dict[str, Counter[str]]:
    """How often each small type was found on each type of receptacle."""
    found: dict[str, Counter[str]] = {}
    parts: tuple[Part, ...] = ("multi_room", "single_room")
    for part in parts:
        for receptacle, kinds in recorded(part)["child_types_of_receptacle"].items():
            for kind, count in kinds.items():
                if kind not in FIXED:
                    found.setdefault(kind, Counter())[receptacle] += count
    return found


@dataclass(frozen=True, eq=False)
class _Receptacle:
    """What small things may be put on, and what they must keep within."""

    item: HouseObject
    asset: Asset
    level: Surface
    room: int  # position among the house's rooms
    foot: float  # m, height of the surface
    top: float  # m, what is put there ends below
    share: float  # of what is put on the item, as much as public houses have on this board
    holders: tuple[int, ...]  # itself, and what it is in: positions among the house's objects


class _Household:
    """Where everything is, while things move."""

    def __init__(self, house: House) -> None:
        self.items = list(house.all_objects())
        self.bodies = bodies_of([item for item, _ in self.items])
        self.index = {id(item): i for i, (item, _) in enumerate(self.items)}
        names = Counter(item.id for item, _ in self.items)
        self.unique = {name for name, count in names.items() if count == 1}
        self.floors = [Polygon(room.polygon if len(room.polygon) > 2 else ()) for room in house.rooms]
        ceilings: dict[str, float] = {}
        for wall in house.walls:
            ceilings[wall.room_id] = max(wall.height, ceilings.get(wall.room_id, 0.0))
        self.ceilings = [ceilings.get(room.id, math.inf) for room in house.rooms]
        found = {id(item): self._receptacles(i) for i, (item, _) in enumerate(self.items)}
        self.receptacles = {key: boards for key, boards in found.items() if boards}
        self.moved: dict[int, tuple[HouseObject, _Receptacle]] = {}  # as it is now, and on what

    def _receptacles(self, i: int) -> tuple[_Receptacle, ...]:
        """The boards of object `i`, the lowest first; none where nothing is put."""
        item, parent = self.items[i]
        asset = asset_of(item)
        levels = () if asset is None else surfaces(asset)
        point = shapely.Point(item.position.x, item.position.z)
        room = next((r for r, floor in enumerate(self.floors) if floor.intersects(point)), None)
        if asset is None or not levels or room is None:
            return ()
        if not _upright(item) or item.id not in self.unique:
            return ()
        bottom = item.position.y - asset.size[1] / 2
        holders = [i]
        while parent is not None:
            holders.append(self.index[id(parent)])
            parent = self.items[holders[-1]][1]
        ceiling, whole = self.ceilings[room] - AIR, sum(max(level.seen, 1) for level in levels)
        return tuple(
            _Receptacle(
                item,
                asset,
                level,
                room,
                foot=bottom + level.height,
                top=min(bottom + level.height + level.clear, ceiling),
                share=max(level.seen, 1) / whole,
                holders=tuple(holders),
            )
            for level in levels
        )

    def movable(self) -> list[int]:
        """The small objects that may move, in the house's order."""
        found = []
        for i, (item, parent) in enumerate(self.items):
            asset = asset_of(item)
            if parent is None or id(parent) not in self.receptacles or item.id not in self.unique:
                continue
            if item.kinematic or item.children or not _upright(item) or id(item) in self.receptacles:
                continue
            if asset is not None and asset.type in _where():
                found.append(i)
        return found

    def move(self, i: int, far: float, tries: int, stream: np.random.Generator) -> bool:
        """Put object `i` somewhere at least `far` [m] from where it is, if there is such a place."""
        item, parent = self.items[i]
        asset = asset_of(item)
        assert asset is not None
        assert parent is not None
        own, counts = self.receptacles[id(parent)], _where()[asset.type]
        every = [at for boards in self.receptacles.values() for at in boards if at.room == own[0].room]
        options = [at for at in every if counts[at.asset.type] or at.item is parent]
        options = [at for at in options if at.level.kind != "drawer" or asset.type not in NOT_IN_DRAWERS]
        options = options or list(own)
        weights = np.array([at.share * max(1, counts[at.asset.type]) for at in options], float)
        order = stream.choice(len(options), size=len(options), replace=False, p=weights / weights.sum())
        rest = (item.rotation.y - parent.rotation.y) % 360.0
        for option in order.tolist():
            for _ in range(tries):
                if self._lay(i, asset, options[option], _turn(rest, stream), far, stream):
                    return True
        return False

    def _lay(
        self, i: int, asset: Asset, at: _Receptacle, turn: float, far: float, stream: np.random.Generator
    ) -> bool:
        sx, sy, sz = asset.size
        size = turned(Rect(-sx / 2, -sz / 2, sx / 2, sz / 2), turn, 0.0, 0.0)
        areas = np.array([rect.width * rect.depth for rect in at.level.rects])
        rect = at.level.rects[int(stream.choice(len(areas), p=areas / areas.sum()))]
        free_x, free_z = rect.width - size.width, rect.depth - size.depth
        u, v = stream.random(2).tolist()
        if free_x < 0 or free_z < 0 or at.foot + sy > at.top:
            return False
        x, z = to_world(at.item, rect.x0 + size.width / 2 + u * free_x, rect.z0 + size.depth / 2 + v * free_z)
        x, y, z = round(x, 4), round(at.foot + sy / 2, 5), round(z, 4)
        item = self.items[i][0]
        if math.dist((x, y, z), (item.position.x, item.position.y, item.position.z)) < far:
            return False
        yaw = round(at.item.rotation.y + turn, 2) % 360.0
        position = item.position.model_copy(update={"x": x, "y": y, "z": z})
        rotation = item.rotation.model_copy(update={"y": yaw})
        there = item.model_copy(update={"position": position, "rotation": rotation})
        body = bodies_of([there])
        corners = shapely.MultiPoint(body.corners()[0])
        if not self.floors[at.room].covers(corners) or self._hits(i, at, body):
            return False
        self.moved[i] = there, at
        row = int(np.flatnonzero(self.bodies.owner == i)[0])
        for field in ("center", "axis", "y"):
            getattr(self.bodies, field)[row] = getattr(body, field)[0]
        return True

    def _hits(self, i: int, at: _Receptacle, body: Bodies) -> bool:
        """Whether the box comes closer than `GAP` to anything but its own receptacle and what that is in."""
        others = self.bodies.take(~np.isin(self.bodies.owner, (i, *at.holders)))
        wide = Bodies(body.owner, body.center, body.half + GAP, body.axis, body.y)
        return bool((depths(wide, others) > 1e-6).any())

    def change(self, i: int) -> dict[str, Any]:
        """From where to where object `i` went."""
        item, parent = self.items[i]
        there, at = self.moved[i]
        assert parent is not None
        return {"id": item.id, "from": _place(parent, item), "to": _place(at.item, there)}


def _place(receptacle: HouseObject, item: HouseObject) -> dict[str, Any]:
    return {
        "receptacle": receptacle.id,
        "position": item.position.model_dump(mode="json"),
        "yaw": item.rotation.y,
    }


def _upright(item: HouseObject) -> bool:
    return item.rotation.x % 360.0 == 0.0 and item.rotation.z % 360.0 == 0.0


def _turn(rest: float, stream: np.random.Generator) -> float:
    """How a thing is turned to its receptacle, in the manner it was [degrees]: square, forward, any way."""
    aim, any_way = float(stream.uniform(-15, 15)), float(stream.uniform(0, 360))
    if abs((rest + 45.0) % 90.0 - 45.0) < 0.5:
        return rest
    return aim if min(rest, 360.0 - rest) < 20.0 else any_way
