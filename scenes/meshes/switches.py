"""Lamps and televisions in the state that their house gives them (`isOn`).

A lamp that is on has an emissive shade and a light; one that is off has neither. A television that is on
shows an image of its own and lights the room; off, its screen is dark. Materials are marked for this
(`Material.switched`): by the shapes of ours, and for library models by `scenes/assets/switched.csv`.
"""

from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float64

from scenes.meshes.geometry import Light, Material, Mesh
from scenes.meshes.pictures import SCREEN_OFF, broadcast
from scenes.seeding import rng
from scenes.srgb import to_linear

LAMPS = {"FloorLamp": (0.5, 7.0), "DeskLamp": (0.25, 5.0)}
"""Intensity, on the scale of a house's lights, and range [m] of the light of a lamp that is on."""
SCREENS = ("Television",)
PROGRAMMES = 16
"""Different pictures that televisions show: few enough that houses share them."""
WARM = (1.0, 0.84, 0.66)  # sRGB of a lamp's light
SHADE, BULB = (
    1.1,
    3.0,
)  # linear radiance of what is large and of what is small, on the scale of a house's lights
SMALL = 0.12  # m; a bulb is no larger


def switched(mesh: Mesh, kind: str, on: bool, name: str) -> Mesh:
    """The mesh of an object of type `kind` and id `name`, on or off; itself where nothing is switched."""
    if kind not in LAMPS and kind not in SCREENS:
        return mesh
    picture = int(rng(0, "programme", name).integers(PROGRAMMES)) if kind in SCREENS and on else 0
    return _switched(mesh, kind in SCREENS, on, picture)


@lru_cache(maxsize=256)
def _switched(mesh: Mesh, screen: bool, on: bool, picture: int) -> Mesh:
    marked = [i for i, material in enumerate(mesh.materials) if material.switched]
    if not marked or not (on or screen):
        return mesh
    key = f"{mesh.key}:{f'on{picture}' if on else 'off'}"
    materials = list(mesh.materials)
    for i in marked:
        if not screen:
            materials[i] = _shining(materials[i], _extent(mesh, i))
        else:
            materials[i] = broadcast(picture) if on else SCREEN_OFF
    changes: dict[str, Any] = {"key": key, "materials": tuple(materials)}
    if screen and on:
        changes |= _laid_out(mesh, np.isin(mesh.material_ids, marked))
    return replace(mesh, **changes)


def lamp_light(mesh: Mesh, kind: str, transform: Float64[np.ndarray, "4 4"], name: str) -> Light | None:
    """The light of a lamp that is on, in the middle of what shines; None for what is no lamp."""
    marked = np.isin(mesh.material_ids, [i for i, m in enumerate(mesh.materials) if m.switched])
    if kind not in LAMPS or not marked.any():
        return None
    points = mesh.vertices[mesh.faces[marked]].reshape(-1, 3)
    low, high = points.min(0), points.max(0)
    x, y, z = (transform[:3, :3] @ ((low + high) / 2) + transform[:3, 3]).tolist()
    intensity, reach = LAMPS[kind]
    r, g, b = (to_linear(np.array(WARM)) * intensity).tolist()
    half = float(np.linalg.norm(high - low)) / 2
    return Light("point", (r, g, b), (x, y, z), range=reach, shade=half + 0.02, thing=name)


def _shining(material: Material, extent: float) -> Material:
    radiance = BULB if extent < SMALL else SHADE
    r, g, b = (radiance * to_linear(np.array(material.color)) * to_linear(np.array(WARM))).tolist()
    if material.texture is None:
        return replace(material, emission=(r, g, b))
    # A shade's pattern is printed on what would be as bright without it.
    level = max(float(to_linear(material.texture.reshape(-1, 3).mean(0) / 255).mean()), 0.1)
    return replace(material, emission=(r / level, g / level, b / level))


def _extent(mesh: Mesh, material: int) -> float:
    """Longest side of the box about the faces of one material [m]."""
    points = mesh.vertices[mesh.faces[mesh.material_ids == material]].reshape(-1, 3)
    return float(np.ptp(points, axis=0).max()) if len(points) else 0.0


def _laid_out(mesh: Mesh, shown: np.ndarray) -> dict[str, np.ndarray]:
    """Fields of a mesh whose `shown` faces have corners of their own, on which one picture lies seen from
    the front (+z)."""
    corners = mesh.faces[shown].ravel()
    points = mesh.vertices[corners]
    low, high = points.min(0), points.max(0)
    uvs = ((points - low) / np.maximum(high - low, 1e-6))[:, :2]
    faces = mesh.faces.copy()
    faces[shown] = len(mesh.vertices) + np.arange(len(corners), dtype=np.int32).reshape(-1, 3)
    return {
        "vertices": np.concatenate([mesh.vertices, points]),
        "normals": np.concatenate([mesh.normals, mesh.normals[corners]]),
        "uvs": np.concatenate([mesh.uvs, uvs * 0.996 + 0.002]).astype(np.float32),
        "faces": faces,
    }
