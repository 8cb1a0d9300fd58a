"""A space on a device: shared meshes, the space's own table of instances, and the tree over their boxes."""

import math
from typing import Any

import numpy as np
import warp as wp

from agents import kernel_trace as kt
from agents.device_meshes import SRGB_TO_LINEAR, CachedMesh, Half, mesh_cache
from scenes.geometry import Light, SceneGeometry

_KINDS = {"point": 0, "spot": 1, "directional": 2}


class DeviceScene:
    """`space` is what kernels take. Holds on to everything that it points to."""

    def __init__(self, geometry: SceneGeometry, device: str) -> None:
        _check(geometry)
        self.geometry = geometry
        self.device = device
        cache = mesh_cache(device)
        self._meshes = [cache.get(mesh) for mesh in geometry.meshes]
        cache.trim()
        self.space = kt.Space()
        self._rows: list[Any] = []
        materials: list[Any] = []
        first_material: list[int] = []
        for mesh in self._meshes:
            first_material.append(len(materials))
            materials.extend(mesh.materials)
        self.space.materials = self._array(materials, kt.DeviceMaterial)
        self._fill("solid", [m.solid for m in self._meshes], first_material)
        self._fill("glass", [m.glass for m in self._meshes], first_material)
        self.space.meshes = self._array(self._rows, kt.DeviceMesh)
        self.space.lights = self._array([_light(light) for light in geometry.lights], kt.DeviceLight)
        self.space.linear = wp.array(SRGB_TO_LINEAR, dtype=float, device=device)
        for name in ("zenith", "horizon", "ground"):
            setattr(self.space, name, wp.vec3(*getattr(geometry.sky, name)))

    @property
    def meshes(self) -> list[CachedMesh]:
        """One for each of the geometry's meshes."""
        return self._meshes

    def _array(self, rows: list, dtype: Any) -> wp.array:
        return (
            wp.array(rows, dtype=dtype, device=self.device)
            if rows
            else wp.empty(0, dtype, device=self.device)
        )

    def _fill(self, kind: str, halves: list[Half | None], first_material: list[int]) -> None:
        """The parts of one kind and the hierarchy over them."""
        row_of: dict[int, int] = {}
        parts: list[Any] = []
        lows: list[np.ndarray] = []
        highs: list[np.ndarray] = []
        for instance in self.geometry.instances:
            half = halves[instance.mesh]
            if half is None:
                continue
            if instance.mesh not in row_of:
                row_of[instance.mesh] = len(self._rows)
                self._rows.append(half.row)
            forward, shift = instance.transform[:3, :3], instance.transform[:3, 3]
            world = half.points @ forward.T + shift
            # Flat things get a box of some thickness, so that rounding cannot lose them.
            lows.append(world.min(0) - 1e-3)
            highs.append(world.max(0) + 1e-3)
            inverse = np.linalg.inv(forward)
            scales = np.linalg.svd(forward, compute_uv=False)
            part = kt.Part()
            part.mesh = half.mesh.id
            part.inverse = wp.mat33(*inverse.ravel().tolist())
            part.offset = wp.vec3(*(-inverse @ shift).tolist())
            part.forward = wp.mat33(*forward.ravel().tolist())
            part.volume = float(np.linalg.det(forward))
            part.least_scale = float(scales[-1])
            part.box_volume = float(np.prod(highs[-1] - lows[-1]))
            part.uniform = int(scales[0] <= 1.0001 * scales[-1])
            part.row = row_of[instance.mesh]
            part.first_material = first_material[instance.mesh]
            part.class_id = int(instance.class_id)
            part.instance_id = int(instance.instance_id)
            parts.append(part)
        setattr(self.space, f"{kind}_count", len(parts))
        setattr(self.space, f"{kind}_parts", self._array(parts, kt.Part))
        if parts:
            low, high = (
                wp.array(np.array(b, np.float32), dtype=wp.vec3, device=self.device) for b in (lows, highs)
            )
            hierarchy = wp.Bvh(low, high)
            setattr(self, f"_{kind}_hierarchy", hierarchy)
            setattr(self.space, kind, hierarchy.id)


def _light(light: Light) -> Any:
    row = kt.DeviceLight()
    row.kind = _KINDS[light.kind]
    row.color = wp.vec3(*light.color)
    row.position = wp.vec3(*light.position)
    row.direction = wp.vec3(*(np.array(light.direction) / np.linalg.norm(light.direction)).tolist())
    row.reach = float(light.range)
    row.cos_outer = math.cos(math.radians(light.spot_angle / 2))
    row.shadows = int(light.shadows)
    return row


def _check(geometry: SceneGeometry) -> None:
    name = geometry.space
    for instance in geometry.instances:
        if not 0 <= instance.class_id <= 255:
            raise ValueError(f"{name}: {instance.name!r} has class {instance.class_id}; labels hold 0 to 255")
        if not 1 <= instance.instance_id <= 65535:
            raise ValueError(
                f"{name}: {instance.name!r} has instance id {instance.instance_id}; frames hold 1 to 65535"
            )
        if np.linalg.det(instance.transform[:3, :3]) <= 0:
            raise ValueError(
                f"{name}: the transform of {instance.name!r} mirrors or flattens; bake it into its mesh"
            )
