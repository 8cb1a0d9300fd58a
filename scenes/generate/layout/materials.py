"""Wall, floor and ceiling materials: names from `scenes/assets/materials.yaml`.

As in ProcTHOR, a share of houses has the same walls or floors in all rooms, and half of the walls are plain
paint.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml

from scenes.generate.family import Family
from scenes.generate.layout.floorplan import PlanRoom
from scenes.house.elements import Material, Rgb

TABLE = Path(__file__).parents[2] / "assets" / "materials.yaml"
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
