"""The world inside the AI2-THOR stand-in: a house, an agent that walks in it, third-party cameras.

Places are Unity's: left-handed, metres, degrees. Nothing here moves by itself: there is no physics.
"""

import math
from dataclasses import dataclass, field

import shapely

from agents.ai2thor.unity_camera import Place
from scenes.house.elements import HouseObject
from scenes.house.schema import House
from scenes.house.walkable import walkable
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import SceneGeometry

EYE = 0.675  # m; of the camera over the agent's centre while it stands
CROUCH = 0.675  # m; by which it sinks
RADIUS = 0.2  # m; of the agent
NEAR, FAR = 0.1, 20.0  # m; the agent's clipping planes, and a camera's that names none
VISIBLE = 1.5  # m; farther objects are not `visible`, as AI2-THOR has it


@dataclass
class Camera:
    """A third-party camera."""

    position: Place
    rotation: Place
    fov: float = 90.0  # vertical, degrees
    near: float = NEAR
    far: float = FAR


@dataclass
class Agent:
    """Where the agent is."""

    position: Place = field(default_factory=lambda: {"x": 0.0, "y": 0.95, "z": 0.0})
    yaw: float = 0.0  # degrees
    horizon: float = 0.0  # degrees, downwards
    standing: bool = True
    fov: float = 90.0  # vertical, degrees

    @property
    def camera(self) -> Camera:
        """The agent's own camera."""
        rise = EYE - (0.0 if self.standing else CROUCH)
        eye = self.position | {"y": self.position["y"] + rise}
        return Camera(eye, {"x": self.horizon, "y": self.yaw, "z": 0.0}, self.fov)


@dataclass(frozen=True)
class Shown:
    """Which images an event carries besides the camera's own."""

    depth: bool = False
    normals: bool = False
    instances: bool = False
    classes: bool = False


class World:
    """The state that actions change."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height  # pixels
        self.reset("Procedural")

    def reset(self, scene: str) -> None:
        """An empty scene: no house, no cameras, the agent at the origin."""
        self.scene = scene
        self.agent = Agent()
        self.cameras: list[Camera] = []
        self.shown = Shown()
        self.grid = 0.25  # m
        self.snap = True
        self.visibility = VISIBLE
        self.object_filter: set[str] | None = None
        self.lightings = 0  # RandomizeLighting so far; seeds the next one
        self.house: House | None = None
        self.geometry = SceneGeometry("empty", "", (), (), (), ())
        self._floor: shapely.Geometry | None = None

    def build(self, house: House) -> None:
        """Puts a house into the scene. Raises ValueError for one that cannot be built."""
        self.geometry = compile_house(house)
        self.house = house
        self._floor = None

    @property
    def floor(self) -> shapely.Geometry:
        """Where the agent's centre may be, as (x, z) [m]."""
        if self._floor is None:
            self._floor = walkable(self.house, RADIUS) if self.house else shapely.Polygon()
        return self._floor

    @property
    def objects(self) -> list[tuple[HouseObject, HouseObject | None]]:
        """Every object with the receptacle it is in."""
        return list(self.house.all_objects()) if self.house else []

    def reachable(self) -> list[Place]:
        """Return the grid points that the agent can reach; of the largest floor where it stands on none."""
        pieces = list(shapely.get_parts(self.floor))
        pieces = [p for p in pieces if p.area > 0]
        if not pieces:
            return []
        here = (self.agent.position["x"], self.agent.position["z"])
        own = [p for p in pieces if shapely.intersects_xy(p, *here)]
        piece, anchor = (own[0], here) if own else (max(pieces, key=lambda p: p.area), (0.0, 0.0))
        x0, z0, x1, z1 = piece.bounds
        columns = range(math.ceil((x0 - anchor[0]) / self.grid), math.floor((x1 - anchor[0]) / self.grid) + 1)
        rows = range(math.ceil((z0 - anchor[1]) / self.grid), math.floor((z1 - anchor[1]) / self.grid) + 1)
        free = {
            (i, j)
            for i in columns
            for j in rows
            if shapely.intersects_xy(piece, anchor[0] + i * self.grid, anchor[1] + j * self.grid)
        }
        start = (0, 0) if own else min(free, default=(0, 0))
        found, waiting = {start} & free, [start]
        while waiting:
            i, j = waiting.pop()
            for step in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                if step in free and step not in found:
                    found.add(step)
                    waiting.append(step)
        y = self.agent.position["y"]
        return [
            {"x": anchor[0] + i * self.grid, "y": y, "z": anchor[1] + j * self.grid} for i, j in sorted(found)
        ]

    def can_stand(self, position: Place) -> bool:
        """Whether the agent fits there."""
        return bool(shapely.intersects_xy(self.floor, position["x"], position["z"]))

    def can_walk(self, target: Place) -> bool:
        """Whether the straight line from the agent's position is free."""
        p = self.agent.position
        way = shapely.LineString([(p["x"], p["z"]), (target["x"], target["z"])])
        return bool(shapely.covers(shapely.buffer(self.floor, 1e-6), way))
