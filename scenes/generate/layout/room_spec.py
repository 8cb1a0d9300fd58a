"""The first stage: which rooms a house has, and their target areas."""

import math

import numpy as np

from scenes.generate.family import Family, RoomSpec, RoomType


def draw_room_spec(family: Family, rng: np.random.Generator) -> RoomSpec:
    """One of the family's specifications, by their weights."""
    weights = np.array([spec.weight for spec in family.room_specs])
    return family.room_specs[int(rng.choice(len(weights), p=weights / weights.sum()))]


def draw_areas(family: Family, rooms: tuple[RoomType, ...], rng: np.random.Generator) -> list[float]:
    """The area that each room should have [m²]: a factor common to the house, and one for each room."""
    common = math.exp(rng.normal(0.0, family.house_spread))
    specs = [family.areas[kind] for kind in rooms]
    return [common * spec.median * math.exp(rng.normal(0.0, spec.spread)) for spec in specs]
