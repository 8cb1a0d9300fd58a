"""Meshes of assets kept on disk: arrays by asset, textures by content.

    mesh = kept_mesh(key, lambda: build(asset, key))

Many assets share a model's textures. A texture is an entry of its own, named by its content, and one array
per process, so that meshes that were read from disk share it as those that were built do.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any
from weakref import WeakValueDictionary, ref

import numpy as np
from jaxtyping import UInt8

from scenes.disk_cache import DiskCache, Entry, default_cache, scenes_key
from scenes.meshes.geometry import Material, Mesh

_ARRAYS = ("vertices", "faces", "normals", "uvs", "material_ids")
_textures: WeakValueDictionary[str, np.ndarray] = WeakValueDictionary()
_digests: dict[int, tuple[ref[np.ndarray], str]] = {}  # of images by their id


def kept_mesh(key: str, build: Callable[[], Mesh], cache: DiskCache | None = None) -> Mesh:
    """Return the mesh that `build` returns, read from the disk where an earlier process built it.

    `key` names everything that the mesh depends on besides the code: asset, model libraries, options. It need
    not be the mesh's own key, which is kept with it.
    """
    cache = default_cache() if cache is None else cache
    name = f"mesh {key} {scenes_key()}"
    entry = cache.get(name)
    if entry is not None:
        mesh = _decoded(entry, cache)
        if mesh is not None:
            return mesh
    mesh = build()
    if cache.folder is not None:
        cache.put(name, _encoded(mesh, cache))
    return mesh


def texture_digest(texture: UInt8[np.ndarray, "h w 3"]) -> str:
    """Return the digest of an image's shape and content, computed once an array: images are never changed."""
    known = _digests.get(id(texture))
    if known is not None and known[0]() is texture:
        return known[1]
    data = np.ascontiguousarray(texture)
    digest = hashlib.blake2b(repr(data.shape).encode() + data.tobytes(), digest_size=16).hexdigest()
    _remember(texture, digest)
    return digest


def _remember(texture: np.ndarray, digest: str) -> None:
    number = id(texture)
    _digests[number] = ref(texture, lambda _: _digests.pop(number, None)), digest


def _encoded(mesh: Mesh, cache: DiskCache) -> Entry:
    looks = []
    for material in mesh.materials:
        look: dict[str, Any] = {f.name: getattr(material, f.name) for f in fields(material)}
        if material.texture is not None:
            digest = look["texture"] = texture_digest(material.texture)
            _textures.setdefault(digest, material.texture)
            if f"texture {digest}" not in cache:
                cache.put(f"texture {digest}", Entry({"image": material.texture}))
        looks.append(look)
    arrays = {name: getattr(mesh, name) for name in _ARRAYS}
    if mesh.colors is not None:
        arrays["colors"] = mesh.colors
    return Entry(arrays, {"key": mesh.key, "materials": json.dumps(looks)})


def _decoded(entry: Entry, cache: DiskCache) -> Mesh | None:
    """The mesh; None where one of its textures is no longer kept."""
    materials = []
    for look in json.loads(entry.facts["materials"]):
        digest = look.pop("texture")
        image = None
        if digest is not None:
            image = _textures.get(digest)
            if image is None:
                kept = cache.get(f"texture {digest}")
                if kept is None:
                    return None
                image = _textures[digest] = kept.arrays["image"]
                _remember(image, digest)
        look |= {name: tuple(look[name]) for name in ("color", "emission")}
        materials.append(Material(**look, texture=image))
    arrays = {name: entry.arrays[name] for name in _ARRAYS}
    return Mesh(entry.facts["key"], **arrays, materials=tuple(materials), colors=entry.arrays.get("colors"))
