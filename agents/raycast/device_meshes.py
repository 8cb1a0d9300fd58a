"""Meshes and textures on a device: one copy per process, shared by every space that holds them.

`mesh_cache(device)` returns a `CachedMesh` by `Mesh.key`. A space keeps references to the meshes that it
uses. Each house has walls of its own, so the cache is bounded: beyond its limit it drops the least recently
used.
"""

from collections import OrderedDict
from functools import cache
from typing import Any
from weakref import WeakValueDictionary

import numpy as np
import warp as wp
from jaxtyping import Int64

from agents.raycast import kernel_types as kt
from agents.raycast.device_textures import DeviceTexture, packed
from scenes.meshes.geometry import Material, Mesh
from scenes.meshes.libraries.mesh_store import texture_digest
from scenes.meshes.meshing import used_vertices
from scenes.srgb import to_linear

CACHE_BYTES = 3 << 30
"""Bytes of meshes and textures that a process keeps on a device, in use or not."""

SMALL = 512
"""Most faces of a part that is merged with the other small parts of its space into one mesh."""

_NO_COLORS = np.zeros((0, 3), np.uint8)


class SubMesh:
    """The opaque or the glass faces of a mesh, with a BVH of their own."""

    def __init__(
        self, mesh: Mesh, faces: Int64[np.ndarray, " k"], arrays: tuple[wp.array, ...], device: str
    ) -> None:
        points, normals, uvs, colors = arrays
        corners = mesh.faces[faces]
        indices = _uploaded(corners.ravel(), wp.int32, device)
        self.mesh = wp.Mesh(points=points, indices=indices)
        row = kt.DeviceMesh()
        row.id = self.mesh.id
        row.points, row.indices, row.normals, row.uvs = points, indices, normals, uvs
        row.colors = colors
        row.face_material = _uploaded(mesh.material_ids[faces], wp.int32, device)
        self.row = row
        # World boxes are fitted to these vertices; the box of a transformed local box would be looser.
        used = mesh.vertices[used_vertices(corners, len(mesh.vertices))]
        self.points = np.ascontiguousarray(used.T, np.float32)  # [3, v]
        self.corners = mesh.vertices[corners] if len(faces) <= SMALL else None  # [f, 3, 3]
        self.bytes = 4 * corners.size * 6  # indices, and Warp's BVH of about five times their size


class CachedMesh:
    """A mesh on a device: its sub-meshes (None where it has no such faces) and its materials.

    Raises ValueError, with the mesh's key, for arrays that do not fit together.
    """

    def __init__(self, mesh: Mesh, device: str, textures: "WeakValueDictionary[str, DeviceTexture]") -> None:
        _check(mesh)
        arrays = (
            _uploaded(mesh.vertices, wp.vec3, device),
            _uploaded(mesh.normals, wp.vec3, device),
            _uploaded(mesh.uvs, wp.vec2, device),
            _uploaded(packed(_NO_COLORS if mesh.colors is None else mesh.colors), wp.uint32, device),
        )
        is_glass = np.array([m.opacity < 0.999 for m in mesh.materials])[mesh.material_ids]
        opaque, glass = np.flatnonzero(~is_glass), np.flatnonzero(is_glass)
        self.opaque = SubMesh(mesh, opaque, arrays, device) if len(opaque) else None
        self.glass = SubMesh(mesh, glass, arrays, device) if len(glass) else None
        self.textures: list[DeviceTexture] = []
        self.materials = [self._material(m, device, textures) for m in mesh.materials]
        self.bytes = mesh.vertices.nbytes * 3 + sum(
            sub.bytes for sub in (self.opaque, self.glass) if sub is not None
        )
        self.bytes += sum(t.bytes for t in self.textures)

    def _material(
        self, material: Material, device: str, textures: "WeakValueDictionary[str, DeviceTexture]"
    ) -> Any:
        row = kt.DeviceMaterial()
        row.color = wp.vec3(*to_linear(np.array(material.color)).tolist())
        row.emission = wp.vec3(*material.emission)
        row.opacity = float(material.opacity)
        if material.texture is not None:
            digest = texture_digest(material.texture)
            texture = textures.get(digest)
            if texture is None:
                texture = textures[digest] = DeviceTexture(material.texture, digest, device)
            self.textures.append(texture)
            row.texture = texture.row
        else:
            row.texture = _no_texture(device)
        return row


def _uploaded(values: np.ndarray, dtype: Any, device: str) -> wp.array:
    """The values on a device; on the CPU they are not copied: a mesh's arrays are never changed."""
    scalar = {wp.int32: np.int32, wp.uint32: np.uint32}.get(dtype, np.float32)
    return wp.array(np.ascontiguousarray(values, scalar), dtype=dtype, device=device, copy=False)


@cache
def _no_texture(device: str) -> Any:
    row = kt.Texture()
    row.texels = wp.zeros(1, dtype=wp.uint32, device=device)
    row.starts = wp.zeros(1, dtype=wp.int32, device=device)
    return row


def _check(mesh: Mesh) -> None:
    faces, count = len(mesh.faces), len(mesh.vertices)
    if not faces:
        raise ValueError(f"mesh {mesh.key!r} has no faces; leave out instances that have nothing to show")
    if mesh.faces.min() < 0 or mesh.faces.max() >= count:
        raise ValueError(f"mesh {mesh.key!r} has faces that name vertices outside 0 to {count - 1}")
    if len(mesh.normals) != count or len(mesh.uvs) != count or len(mesh.material_ids) != faces:
        raise ValueError(f"mesh {mesh.key!r}: normals and uvs go with vertices, material_ids with faces")
    if mesh.material_ids.min() < 0 or mesh.material_ids.max() >= len(mesh.materials):
        raise ValueError(f"mesh {mesh.key!r} has material_ids outside its {len(mesh.materials)} materials")
    if mesh.colors is not None and (mesh.colors.shape != (count, 3) or mesh.colors.dtype != np.uint8):
        raise ValueError(f"mesh {mesh.key!r}: colors are uint8 [vertices, 3], got {mesh.colors.shape}")
    if not np.isfinite(mesh.vertices).all():
        raise ValueError(f"mesh {mesh.key!r} has vertices that are not finite")


class MeshCache:
    """Meshes of one device by key, least recently used first, up to `limit_bytes` after `trim`."""

    def __init__(self, device: str, limit_bytes: int = CACHE_BYTES) -> None:
        self.device = device
        self.limit_bytes = limit_bytes
        self._meshes: OrderedDict[str, CachedMesh] = OrderedDict()
        self._textures: WeakValueDictionary[str, DeviceTexture] = WeakValueDictionary()

    def get(self, mesh: Mesh) -> CachedMesh:
        """Return the mesh on the device, uploading it at its first use. Raises ValueError as `CachedMesh`."""
        found = self._meshes.pop(mesh.key, None)
        if found is None:
            found = CachedMesh(mesh, self.device, self._textures)
        self._meshes[mesh.key] = found
        return found

    def trim(self) -> None:
        """Drop the least recently used meshes until the cache is within its limit."""
        held = self.held_bytes
        while held > self.limit_bytes and len(self._meshes) > 1:
            held -= self._meshes.popitem(last=False)[1].bytes

    @property
    def held_bytes(self) -> int:
        """Estimated size of what the cache keeps on the device; a shared texture counts once per mesh."""
        return sum(m.bytes for m in self._meshes.values())


@cache
def mesh_cache(device: str) -> MeshCache:
    """Return this process's cache of a device ("cpu", "cuda:0")."""
    return MeshCache(device)
