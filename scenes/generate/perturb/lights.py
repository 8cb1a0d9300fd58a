"""Perturbed light: sun and sky move towards another hour; lamps become brighter, warmer, or go off.

Every draw is made at any strength, so that a stronger perturbation of the same seed goes further in the same
direction.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from shapely.geometry import Point, Polygon

from scenes.generate.daylight import times_of_day
from scenes.house.asset_table import asset_table
from scenes.house.elements import Light, Rgb
from scenes.house.schema import House

WARM, COOL = (1.0, 0.76, 0.5), (0.84, 0.91, 1.0)  # sRGB of a lamp at either end
SUN_SPREAD, LAMP_SPREAD = 0.15, 0.25  # standard deviation of the logarithm of an intensity, at strength 1
TURN, RISE = 20.0, 5.0  # degrees, standard deviation of the sun's yaw and pitch beyond that of its hour
LOWEST, HIGHEST = 4.0, 86.0  # degrees, of the sun's pitch
DAYLIGHT = 0.08  # of a room's floor; with less window than that, its lamp stays on
SWITCHED = ("DeskLamp", "FloorLamp", "Television")


def draw_light_changes(house: House, strength: float, stream: np.random.Generator) -> dict[str, Any]:
    """What changes, as `sky`, `lights` and `switches` of a step (see
    `scenes/generate/perturb/perturb.py`)."""
    parameters = house.procedural_parameters
    hours = times_of_day()
    others = [name for name in hours if name != _hour(parameters.skybox_id, parameters.lights)]
    hour = hours[others[int(stream.integers(len(others)))]]
    sky, sky_late = hour["skies"][int(stream.integers(len(hour["skies"])))], stream.random()
    needed = _needed(house)
    after = [_light(light, hour, strength, light.id in needed, stream) for light in parameters.lights]
    lights = []
    for light, fields in zip(parameters.lights, after, strict=True):
        before = light.model_dump(mode="json", by_alias=True, exclude_unset=True)
        to = {name: value for name, value in fields.items() if before[name] != value}
        if to:
            lights.append({"id": light.id, "from": {name: before[name] for name in to}, "to": to})
    switches = []
    for item, _ in house.all_objects():
        late, on = stream.random(), bool(stream.random() < 0.5)
        asset = asset_table().get(item.asset_id)
        if asset is not None and asset.type in SWITCHED and late < strength and on != bool(item.is_on):
            switches.append({"id": item.id, "from": item.is_on, "to": on})
    changed = sky_late < strength and sky != parameters.skybox_id
    return {
        "sky": {"from": parameters.skybox_id, "to": sky} if changed else None,
        "lights": _unique(lights, [light.id for light in parameters.lights]),
        "switches": _unique(switches, [item.id for item, _ in house.all_objects()]),
    }


def _hour(sky: str, lights: tuple[Light, ...]) -> str:
    """The hour that a house shows: by its sky, else by how high its sun stands."""
    hours = times_of_day()
    for name, hour in hours.items():
        if sky in hour["skies"]:
            return name
    pitch = next((s.rotation.x for s in lights if s.type == "directional" and s.rotation), 66.0)
    return min(hours, key=lambda name: abs(hours[name]["pitch"] - pitch))


def _needed(house: House) -> set[str]:
    """The lamps of rooms with little or no window: with them off, one would see nothing there."""
    panes = dict.fromkeys((room.id for room in house.rooms), 0.0)
    for window in house.windows:
        x0, y0, x1, y1 = window.hole
        panes[window.room0] = panes.get(window.room0, 0.0) + (x1 - x0) * (y1 - y0)
    floors = [(panes[room.id], Polygon(room.polygon)) for room in house.rooms if len(room.polygon) > 2]
    dim = [floor for pane, floor in floors if pane < DAYLIGHT * floor.area]
    lamps = [light for light in house.procedural_parameters.lights if light.type != "directional"]
    return {
        lamp.id for lamp in lamps if any(r.intersects(Point(lamp.position.x, lamp.position.z)) for r in dim)
    }


def _light(
    light: Light, hour: Mapping[str, Any], strength: float, needed: bool, stream: np.random.Generator
) -> dict[str, Any]:
    """Fields of a light at `strength` on its way to an hour, as in JSON; `needed` ones are not put out."""
    draws, late, on = stream.standard_normal(4).tolist(), stream.random(), stream.random()
    if strength == 0.0:
        return {}
    if light.type == "directional":
        glare = math.exp(SUN_SPREAD * strength * draws[0])
        fields: dict[str, Any] = {
            "intensity": round(glare * _mix(light.intensity, hour["sun"], strength), 4),
            "rgb": _mixed(light.rgb, hour["rgb"], strength),
        }
        if light.rotation is not None:
            around = (hour["yaw"] - light.rotation.y + 180.0) % 360.0 - 180.0
            yaw = light.rotation.y + strength * (around + TURN * draws[1])
            pitch = _mix(light.rotation.x, hour["pitch"], strength) + strength * RISE * draws[2]
            turned = {
                "x": round(min(max(pitch, LOWEST), HIGHEST), 2),
                "y": round((yaw + 180) % 360 - 180, 2),
            }
            fields["rotation"] = light.rotation.model_copy(update=turned).model_dump(mode="json")
        return fields
    lit = light.intensity > 0
    if late < strength:
        lit = needed or on < hour["lamps"]  # the brighter its lamps, the more of them an hour has on
    tint = min(max(draws[1] / 2, -1.0), 1.0)
    full = _mix(light.intensity or hour["lamps"], hour["lamps"], strength)
    return {
        "intensity": round(full * math.exp(LAMP_SPREAD * strength * draws[0]), 4) if lit else 0.0,
        "rgb": _mixed(light.rgb, COOL if tint > 0 else WARM, strength * abs(tint)),
    }


def _mix(a: float, b: float, share: float) -> float:
    return a + (b - a) * share


def _mixed(color: Rgb, to: Sequence[float], share: float) -> dict[str, float]:
    mixed = (_mix(a, b, share) for a, b in zip((color.r, color.g, color.b), to, strict=True))
    return dict(zip("rgb", (round(channel, 4) for channel in mixed), strict=True))


def _unique(changes: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Without those whose id is that of two things: which one changed could not be told."""
    return [change for change in changes if names.count(change["id"]) == 1]
