"""A space on a device: shared meshes, the space's table of parts, and hierarchies over their boxes."""

import math
from typing import Any

import numpy as np
import warp as wp
from jaxtyping import Float32, Float64

from agents.raycast import kernel_types as kt
from agents.raycast.device_meshes import CachedMesh, SubMesh, mesh_cache
from agents.raycast.warp_runtime import start_warp
from agents.srgb import SRGB_TO_LINEAR
from scenes.meshes.geometry import Instance, Light, SceneGeometry
from scenes.srgb import to_srgb

TONE_CURVE_STEPS = 2048
_KINDS = {"point": 0, "spot": 1, "directional": 2}


class DeviceScene:
    """A space put on a device. `space` is the struct that kernels take; this object owns its arrays."""

    def __init__(self, geometry: SceneGeometry, device: str) -> None:
        start_warp()
        _check(geometry)
        self.geometry = geometry
        self.device = device
        cache = mesh_cache(device)
        self._meshes = [cache.get(mesh) for mesh in geometry.meshes]
        cache.trim()
        self.space = kt.DeviceSpace()
        self._rows: list[Any] = []
        self._hierarchies: list[wp.Bvh] = []
        self._box = np.zeros((2, 3))
        materials: list[Any] = []
        first_material: list[int] = []
        for mesh in self._meshes:
            first_material.append(len(materials))
            materials.extend(mesh.materials)
        self.space.materials = self._array(materials, kt.DeviceMaterial)
        self._fill("opaque", [m.opaque for m in self._meshes], first_material)
        self._fill("glass", [m.glass for m in self._meshes], first_material)
        self.space.meshes = self._array(self._rows, kt.DeviceMesh)
        self.space.lights = self._array([_light(light) for light in geometry.lights], kt.DeviceLight)
        self.space.srgb_to_linear = wp.array(SRGB_TO_LINEAR, dtype=float, device=device)
        self.space.captured = int(geometry.captured)
        self.space.tone_curve = wp.array(tone_curve(), dtype=float, device=device)
        for name in ("zenith", "horizon", "ground"):
            setattr(self.space, name, wp.vec3(*getattr(geometry.sky, name)))

    @property
    def meshes(self) -> list[CachedMesh]:
        """The meshes on the device, in the order of the geometry's."""
        return self._meshes

    def bounds(self) -> tuple[Float64[np.ndarray, "3"], Float64[np.ndarray, "3"]]:
        """Low and high corner of the rooms, or of everything where there are no rooms [m]."""
        floor = self.geometry.floor
        if not floor:
            return self._box[0], self._box[1]
        x, z = np.concatenate([region.polygon for region in floor]).T
        y = np.array([(region.floor_y, region.ceiling_y) for region in floor])
        return np.array([v.min() for v in (x, y, z)]), np.array([v.max() for v in (x, y, z)])

    def _array(self, rows: list, dtype: Any) -> wp.array:
        return (
            wp.array(rows, dtype=dtype, device=self.device)
            if rows
            else wp.empty(0, dtype, device=self.device)
        )

    def _fill(self, kind: str, submeshes: list[SubMesh | None], first_material: list[int]) -> None:
        """Set the parts of one kind and their hierarchies; small opaque parts are merged into one mesh."""
        space: Any = self.space
        placed = [(i, sub) for i in self.geometry.instances if (sub := submeshes[i.mesh]) is not None]
        merges = kind == "opaque"
        # Large parts come first: an item of the hierarchy over them is then an index into the whole table.
        placed.sort(key=lambda p: merges and p[1].corners is not None)
        row_of: dict[int, int] = {}
        boxes = np.zeros((len(placed), 2, 3))
        for k, (instance, sub) in enumerate(placed):
            if instance.mesh not in row_of:
                row_of[instance.mesh] = len(self._rows)
                self._rows.append(sub.row)
            # Rounding may make a ray miss a box without thickness, so boxes are widened by a millimetre.
            for axis, row in enumerate(instance.transform[:3]):
                along = row[:3].astype(np.float32) @ sub.points
                boxes[k, :, axis] = along.min() + row[3] - 1e-3, along.max() + row[3] + 1e-3
        parts = _parts(placed)
        parts["box_volume"] = np.prod(boxes[:, 1] - boxes[:, 0], axis=1)
        parts["mesh_index"] = [row_of[instance.mesh] for instance, _ in placed]
        parts["first_material"] = [first_material[instance.mesh] for instance, _ in placed]
        setattr(space, f"{kind}_count", len(parts))
        setattr(space, f"{kind}_parts", wp.array(parts, dtype=kt.Part, device=self.device))
        if not merges:
            space.glass_bvh = self._hierarchy(boxes)
            return
        if len(boxes):
            self._box = np.stack([boxes[:, 0].min(0), boxes[:, 1].max(0)])
        large = sum(sub.corners is None for _, sub in placed)
        space.large_count = large
        space.opaque_bvh = self._hierarchy(boxes[:large])
        space.all_opaque_bvh = self._hierarchy(boxes)
        self._merge(placed[large:], large)

    def _hierarchy(self, boxes: np.ndarray) -> int:
        """Id of a new BVH over boxes [n, 2, 3]; 0 for none."""
        if not len(boxes):
            return 0
        low, high = (
            wp.array(np.ascontiguousarray(boxes[:, k], np.float32), dtype=wp.vec3, device=self.device)
            for k in (0, 1)
        )
        self._hierarchies.append(wp.Bvh(low, high))
        return self._hierarchies[-1].id

    def _merge(self, placed: list[tuple[Instance, SubMesh]], first_part: int) -> None:
        space: Any = self.space
        triangles, faces = [np.zeros((0, 3, 3))], [np.zeros(0, np.int32)]
        for instance, sub in placed:
            assert sub.corners is not None
            triangles.append(sub.corners @ instance.transform[:3, :3].T + instance.transform[:3, 3])
            faces.append(np.arange(len(sub.corners), dtype=np.int32))
        points = np.concatenate(triangles).reshape(-1, 3).astype(np.float32)
        owners = np.repeat(np.arange(first_part - 1, first_part + len(placed)), [len(f) for f in faces])
        space.merged_part = wp.array(owners.astype(np.int32), dtype=wp.int32, device=self.device)
        space.merged_face = wp.array(np.concatenate(faces), dtype=wp.int32, device=self.device)
        if len(points):
            self._merged = wp.Mesh(
                points=wp.array(points, dtype=wp.vec3, device=self.device),
                indices=wp.array(np.arange(len(points), dtype=np.int32), dtype=wp.int32, device=self.device),
            )
            space.merged_mesh = self._merged.id


def tone_curve() -> Float32[np.ndarray, "steps"]:
    """Table of the tone curve: sRGB in [0, 1], float32 [TONE_CURVE_STEPS].

    Entries are evenly spaced in the square root of exposed radiance, from 0 to TONE_CURVE_END. The curve is
    the mean of two, applied to each channel: that of Reinhard et al. (2002; white at 6), whose contrast alone
    is low, and Narkowicz's fit (2016) of the Academy's reference transform, which alone saturates colours.
    """
    light = np.linspace(0.0, kt.TONE_CURVE_END, TONE_CURVE_STEPS) ** 2
    reinhard = light * (1.0 + light / 36.0) / (1.0 + light)
    x = 0.65 * light
    aces = x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14)
    return to_srgb((reinhard + aces) / 2).astype(np.float32)


def _parts(placed: list[tuple[Instance, SubMesh]]) -> np.ndarray:
    """Rows of `kernel_types.Part`; `box_volume`, `mesh_index` and `first_material` are left at zero."""
    struct: Any = kt.Part
    layout: np.dtype[Any] = np.dtype(struct.numpy_dtype())
    rows = np.zeros(len(placed), layout)
    if not placed:
        return rows
    transforms = np.array([instance.transform for instance, _ in placed])
    forward, shift = transforms[:, :3, :3], transforms[:, :3, 3]
    inverse = np.linalg.inv(forward)
    scales = np.linalg.svd(forward, compute_uv=False)
    rows["mesh"] = [sub.mesh.id for _, sub in placed]
    rows["inverse"] = inverse
    rows["offset"] = -(inverse @ shift[:, :, None])[:, :, 0]
    rows["forward"] = forward
    rows["determinant"] = np.linalg.det(forward)
    rows["min_scale"] = scales[:, -1]
    rows["uniform"] = scales[:, 0] <= 1.0001 * scales[:, -1]
    rows["class_id"] = [instance.class_id for instance, _ in placed]
    rows["instance_id"] = [instance.instance_id for instance, _ in placed]
    return rows


def _light(light: Light) -> Any:
    row = kt.DeviceLight()
    row.kind = _KINDS[light.kind]
    row.color = wp.vec3(*light.color)
    row.position = wp.vec3(*light.position)
    row.direction = wp.vec3(*(np.array(light.direction) / np.linalg.norm(light.direction)).tolist())
    row.max_range = float(light.range)
    row.cos_outer = math.cos(math.radians(light.spot_angle / 2))
    row.shadows = int(light.shadows)
    row.shade = float(light.shade)
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
    transforms = np.array([i.transform for i in geometry.instances]).reshape(-1, 4, 4)
    mirrored = np.flatnonzero(np.linalg.det(transforms[:, :3, :3]) <= 0)
    if len(mirrored):
        first = geometry.instances[mirrored[0]].name
        raise ValueError(f"{name}: the transform of {first!r} mirrors or flattens; bake it into its mesh")
