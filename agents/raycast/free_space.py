"""Free space: where a camera may be, inside a room, clear of every surface, and not inside an object."""

from typing import Any

import numpy as np
import shapely
import warp as wp
from jaxtyping import Bool, Float, Int

from agents.raycast import kernel_distances as kd
from agents.raycast.device_scene import DeviceScene
from agents.raycast.light_probes import fibonacci_sphere
from scenes.meshes.geometry import FloorRegion

DIRECTIONS = 26
ENCLOSED = 0.75
"""A point is inside an object when at least this fraction of the directions from it hit that object.
Furniture models are seldom closed surfaces, so neither the parity of a ray's crossings nor the facing of a
hit would tell."""
SHELL = 0.5
"""An object whose box has at least this fraction of the room's volume, such as a scan, is the room's shell
and encloses no point."""


class FreeSpace:
    """Rooms of a space, and distances within it. Points are in world coordinates [m]."""

    def __init__(self, scene: DeviceScene) -> None:
        self._scene = scene
        self._polygons = [shapely.Polygon(region.polygon) for region in self.floor]
        self._fan = wp.array(fibonacci_sphere(DIRECTIONS), dtype=wp.vec3, device=scene.device)

    @property
    def space(self) -> str:
        """Id of the space, for messages."""
        return self._scene.geometry.space

    @property
    def floor(self) -> tuple[FloorRegion, ...]:
        """The rooms."""
        return self._scene.geometry.floor

    @property
    def volumes(self) -> Float[np.ndarray, "r"]:
        """Volume of each room [m³]."""
        return np.array(
            [p.area * (r.ceiling_y - r.floor_y) for p, r in zip(self._polygons, self.floor, strict=True)]
        )

    def rooms(self, points: Float[np.ndarray, "n 3"]) -> Int[np.ndarray, "n"]:
        """Index of the room whose volume holds each point, -1 where none does."""
        found = np.full(len(points), -1)
        for i, (polygon, region) in enumerate(zip(self._polygons, self.floor, strict=True)):
            between = (points[:, 1] > region.floor_y) & (points[:, 1] < region.ceiling_y)
            found[between & shapely.contains_xy(polygon, points[:, 0], points[:, 2])] = i
        return found

    def contains(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """Whether each point is within a room's volume and inside no object."""
        rooms = self.rooms(points)
        inside = rooms >= 0
        inside[inside] = self._enclosed(points[inside], rooms[inside]) < ENCLOSED
        return inside

    def clearance(self, points: Float[np.ndarray, "n 3"], max_distance: float) -> Float[np.ndarray, "n"]:
        """Distance to the closest surface, glass included [m], at most `max_distance`."""
        return self._ask(kd.point_clearance, [self._vectors(points), float(max_distance)], len(points))

    def sight(
        self, points: Float[np.ndarray, "n 3"], directions: Float[np.ndarray, "n 3"], max_distance: float
    ) -> Float[np.ndarray, "n"]:
        """Distance along each direction to the closest surface, glass too [m], at most `max_distance`."""
        inputs = [self._vectors(points), self._vectors(directions), float(max_distance)]
        return self._ask(kd.ray_distance, inputs, len(points))

    def _enclosed(self, points: np.ndarray, rooms: np.ndarray) -> np.ndarray:
        device = self._scene.device
        shells = wp.array((SHELL * self.volumes[rooms]).astype(np.float32), dtype=float, device=device)
        return self._ask(kd.point_enclosed, [self._vectors(points), self._fan, shells], len(points))

    def _vectors(self, values: np.ndarray) -> wp.array:
        values = np.ascontiguousarray(values, np.float32).reshape(-1, 3)
        return wp.array(values, dtype=wp.vec3, device=self._scene.device)

    def _ask(self, kernel: Any, inputs: list, count: int) -> np.ndarray:
        if not count:
            return np.zeros(0)
        out = wp.zeros(count, dtype=float, device=self._scene.device)
        device = self._scene.device
        wp.launch(kernel, count, [self._scene.space, *inputs], [out], device=device, block_dim=kd.BLOCK_DIM)
        return out.numpy().astype(np.float64)
