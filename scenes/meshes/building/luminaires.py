"""A house's lights and sky in world coordinates, and a ceiling fixture for every lamp without an object."""

import hashlib

import numpy as np
import shapely

from scenes.house.elements import Light as HouseLight
from scenes.house.schema import House
from scenes.meshes.building.assembly import Assembly, world_point, world_rotation
from scenes.meshes.building.walls import Side, levels, room_shape
from scenes.meshes.geometry import Light, Sky
from scenes.meshes.looks import finish, glow
from scenes.meshes.mesh_builder import MeshBuilder

# Zenith, horizon, ground: linear radiance. The words are those of AI2-THOR's skybox names.
_DAY = ((0.22, 0.42, 0.85), (0.80, 0.88, 0.96), (0.27, 0.26, 0.23))
_SKIES = (
    ("night|dusk|blue", ((0.02, 0.04, 0.12), (0.10, 0.13, 0.26), (0.03, 0.03, 0.04))),
    ("sunset|gold|dawn", ((0.20, 0.28, 0.55), (0.95, 0.62, 0.38), (0.22, 0.18, 0.14))),
    ("garden|mountain|tropical", ((0.20, 0.42, 0.85), (0.78, 0.88, 0.92), (0.16, 0.24, 0.10))),
)


def house_lights(house: House) -> tuple[Light, ...]:
    """Every light of the house that is not dark: colour is linear rgb times the house's intensity."""
    return tuple(_light(item) for item in house.procedural_parameters.lights if item.intensity > 0)


def _light(item: HouseLight) -> Light:
    srgb = np.clip([item.rgb.r, item.rgb.g, item.rgb.b], 0.0, 1.0)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4) * item.intensity
    forward = np.array([0.0, 0.0, -1.0])  # the house's +z
    if item.rotation is not None:
        forward = world_rotation(item.rotation) @ forward
    return Light(
        kind=item.type,
        color=_triple(linear),
        position=_triple(world_point(item.position)),
        direction=_triple(forward) if item.type != "point" else (0.0, -1.0, 0.0),
        range=float(item.range or 0.0) if item.type != "directional" else 0.0,
        spot_angle=60.0 if item.type == "spot" else 0.0,
        shadows=item.shadow is None or (item.shadow.type != "None" and item.shadow.strength > 0),
    )


def house_sky(house: House) -> Sky:
    """A sky in the mood of the skybox's name; names of one mood differ a little in brightness."""
    name = house.procedural_parameters.skybox_id
    words = name.lower()
    colors = next((c for keys, c in _SKIES if any(key in words for key in keys.split("|"))), _DAY)
    gain = 0.85 + 0.3 * hashlib.sha256(name.encode()).digest()[0] / 255
    zenith, horizon, ground = (_triple(np.array(c) * gain) for c in colors)
    return Sky(zenith, horizon, ground)


def build_fixtures(house: House, sides: dict[str, Side], out: Assembly) -> None:
    """A flat disc on the ceiling above each point light close below one, shining unless the light is off: the
    format has no such object."""
    rooms = [(room_shape(room), levels(room, sides)[1]) for room in house.rooms]
    for item in house.procedural_parameters.lights:
        if item.type != "point":
            continue
        x, y, z = world_point(item.position)
        ceiling = next((top for shape, top in rooms if shape.contains(shapely.Point(x, z))), None)
        if ceiling is None or not 0.04 < ceiling - y < 0.8:
            continue
        color = (item.rgb.r, item.rgb.g, item.rgb.b)
        glass = glow(color, 2.5) if item.intensity > 0 else finish("plain", (0.85, 0.84, 0.8))
        builder = MeshBuilder()
        builder.turned([(0.001, -0.03), (0.14, -0.028), (0.16, -0.015), (0.16, 0.0)], (x, ceiling, z), glass)
        builder.turned(
            [(0.16, -0.02), (0.175, -0.02), (0.175, 0.0)], (x, ceiling, z), finish("plain", (0.9, 0.9, 0.9))
        )
        out.build(f"fixture|{item.id}", "CeilingLamp", builder)


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z
