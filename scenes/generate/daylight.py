"""Lights and time of day: sun, sky, and a lamp in each room.

Values come from `scenes/assets/daylight.yaml`.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scenes.generate.family import Family
from scenes.generate.layout.floorplan import PlanRoom
from scenes.house.elements import Light, Rgb, Shadow, Vec3

TABLE = Path(__file__).parents[1] / "assets" / "daylight.yaml"


@cache
def _table() -> dict[str, Any]:
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def times_of_day() -> dict[str, Any]:
    """Sun, lamps and skies by the hour's name."""
    return _table()["times_of_day"]


def draw_lights(
    family: Family, rooms: list[PlanRoom], ceiling: float, layers: dict[int, str], rng: np.random.Generator
) -> tuple[str, tuple[Light, ...]]:
    """The sky's id and the lights: the sun, and a lamp below the ceiling [m] in the middle of each room."""
    hours = sorted(family.times_of_day)
    weights = np.array([family.times_of_day[hour] for hour in hours])
    hour = times_of_day()[hours[int(rng.choice(len(hours), p=weights / weights.sum()))]]
    sky = hour["skies"][int(rng.integers(len(hour["skies"])))]
    sun = Light(
        id="DirectionalLight",
        type="directional",
        position=Vec3(x=0.84, y=0.1855, z=-1.09),
        rotation=Vec3(x=hour["pitch"], y=hour["yaw"], z=0.0),
        intensity=hour["sun"],
        indirect_multiplier=1.0,
        rgb=_rgb(hour["rgb"]),
        shadow=_shadow(bias=0.0),
    )
    every = sorted(set(layers.values()))
    lamps = []
    for room in rooms:
        x, z = lamp_place(room)
        lamps.append(
            Light(
                id=f"light_{room.number}",
                type="point",
                position=Vec3(x=x, y=ceiling - 0.2, z=z),
                intensity=hour["lamps"],
                range=15.0,
                rgb=_rgb(_table()["lamp_rgb"]),
                shadow=_shadow(bias=0.05),
                layer=layers[room.number],
                culling_mask_off=tuple(layer for layer in every if layer != layers[room.number]),
            )
        )
    return sky, (sun, *lamps)


def lamp_place(room: PlanRoom) -> tuple[float, float]:
    """The centroid; for a room bent around it, the middle of its largest rectangle (x, z) [m]."""
    x, z = room.center
    if not any(r.x0 + 0.3 < x < r.x1 - 0.3 and r.z0 + 0.3 < z < r.z1 - 0.3 for r in room.rects):
        x, z = max(room.rects, key=lambda r: r.width * r.depth).center
    return round(x, 3), round(z, 3)


def _rgb(values: list[float]) -> Rgb:
    return Rgb(r=values[0], g=values[1], b=values[2])


def _shadow(bias: float) -> Shadow:
    quality = "FromQualitySettings"
    return Shadow(type="Soft", strength=1.0, bias=bias, normal_bias=0.0, near_plane=0.2, resolution=quality)
