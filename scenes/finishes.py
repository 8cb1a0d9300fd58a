"""Wall, floor and ceiling materials, and the time of day: names from `scenes/assets/finishes.yaml`.

As in ProcTHOR: now and then all rooms have the same walls or floors; half of the walls are painted plain.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from scenes.family import Family
from scenes.floorplan import PlanRoom
from scenes.house import Light, Material, Rgb, Shadow, Vec3

TABLE = Path(__file__).parent / "assets" / "finishes.yaml"
SAME_WALLS, SAME_FLOORS, PAINTED = 0.35, 0.15, 0.5  # probabilities
PAINT = "PureWhite"  # the material that a wall colour tints
EXTERIOR = Material(name="WallDrywallWhite")


@dataclass(frozen=True)
class Finishes:
    """What covers the surfaces of a house."""

    walls: dict[int, Material]  # by room number
    floors: dict[int, Material]
    ceiling: Material


@cache
def _table() -> dict[str, Any]:
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def times_of_day() -> dict[str, Any]:
    """Sun, lamps and skies by the hour's name, as `scenes/assets/finishes.yaml` gives them."""
    return _table()["times_of_day"]


@cache
def choices(kind: Literal["walls", "floors", "tiles", "wall_colors"], pool: str) -> tuple[Any, ...]:
    """What one pool may draw: a third of all names is held out, the same in every list; paint is for all."""
    entries = [entry for entry in _table()[kind] if entry != PAINT]
    return tuple(e for e in entries if (zlib.crc32(str(e).encode()) % 3 == 2) == (pool == "heldout"))


def draw_finishes(family: Family, rooms: list[PlanRoom], rng: np.random.Generator) -> Finishes:
    """Materials of all walls, floors and the ceiling."""
    same_wall, same_floor = _wall(family, rng), _floor(family, rng)
    all_walls, all_floors = rng.random() < SAME_WALLS, rng.random() < SAME_FLOORS
    walls, floors = {}, {}
    for room in rooms:
        walls[room.number] = same_wall if all_walls else _wall(family, rng)
        floors[room.number] = same_floor if all_floors else _floor(family, rng)
        if room.type in ("Kitchen", "Bathroom") and rng.random() < family.tiles:
            floors[room.number] = Material(name=_one(choices("tiles", family.pool), rng))
    ceiling = same_wall if all_walls else _wall(family, rng)
    return Finishes(walls, floors, ceiling)


def _one(entries: tuple[Any, ...], rng: np.random.Generator) -> Any:
    return entries[int(rng.integers(len(entries)))]


def _wall(family: Family, rng: np.random.Generator) -> Material:
    if rng.random() < PAINTED:
        r, g, b = _one(choices("wall_colors", family.pool), rng)
        return Material(name=PAINT, color=Rgb(r=r / 255, g=g / 255, b=b / 255))
    return Material(name=_one(choices("walls", family.pool), rng))


def _floor(family: Family, rng: np.random.Generator) -> Material:
    return Material(name=_one(choices("floors", family.pool), rng))


def draw_lights(
    family: Family, rooms: list[PlanRoom], ceiling: float, layers: dict[int, str], rng: np.random.Generator
) -> tuple[str, tuple[Light, ...]]:
    """The sky's id and the lights: the sun, and a lamp below the ceiling [m] in the middle of each room."""
    hours = sorted(family.times_of_day)
    weights = np.array([family.times_of_day[hour] for hour in hours])
    hour = times_of_day()[hours[int(rng.choice(len(hours), p=weights / weights.sum()))]]
    sky = _one(tuple(hour["skies"]), rng)
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
