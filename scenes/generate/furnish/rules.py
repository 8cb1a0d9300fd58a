"""Placement rules by object type, and numbers of objects drawn from ProcTHOR's statistics."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from scenes.generate.family import Family, RoomType
from scenes.generate.statistics.statistics import recorded
from scenes.house.asset_table import Asset, assets_of_type

Place = Literal["wall", "corner", "middle"]


@dataclass(frozen=True)
class Rule:
    """How pieces of a type are placed."""

    places: tuple[Place, ...]  # in order of preference
    front: float = 0.0  # m that stay free before it
    kinematic: bool = True  # too heavy to be pushed
    share: float = 0.3  # of the room's area, at most


# In the order in which they are placed: what a room cannot do without comes first.
RULES: dict[str, Rule] = {
    "CounterTop": Rule(("corner", "wall"), front=0.7, share=0.35),
    "Bed": Rule(("wall",), front=0.3, share=0.4),
    "Toilet": Rule(("wall",), front=0.4),
    "Sink": Rule(("wall",), front=0.4),
    "Fridge": Rule(("corner", "wall"), front=0.6),
    "TVStand": Rule(("wall",), front=0.6),
    "Sofa": Rule(("wall", "middle"), front=0.4),
    "WashingMachine": Rule(("corner", "wall"), front=0.5),
    "ClothesDryer": Rule(("corner", "wall"), front=0.5),
    "Dresser": Rule(("wall",), front=0.4),
    "DiningTable": Rule(("middle", "wall")),
    "Desk": Rule(("wall",), front=0.5),
    "ShelvingUnit": Rule(("wall",), front=0.3),
    "ArmChair": Rule(("wall", "corner"), front=0.3),
    "Chair": Rule(("wall",), front=0.2),
    "SideTable": Rule(("wall", "corner")),
    "CoffeeTable": Rule(("middle",)),
    "Cart": Rule(("wall",), kinematic=True),
    "Ottoman": Rule(("wall", "middle"), kinematic=False),
    "FloorLamp": Rule(("corner", "wall"), kinematic=False),
    "Stool": Rule(("wall",), kinematic=False),
    "Safe": Rule(("corner", "wall"), kinematic=False),
    "RoomDecor": Rule(("corner", "wall"), kinematic=False),
    "HousePlant": Rule(("corner", "wall"), kinematic=False),
    "LaundryHamper": Rule(("corner", "wall"), kinematic=False),
    "GarbageCan": Rule(("corner", "wall"), kinematic=False),
    "GarbageBag": Rule(("corner", "wall"), kinematic=False),
    "DogBed": Rule(("corner", "wall"), kinematic=False),
    "VacuumCleaner": Rule(("corner", "wall"), kinematic=False),
    "Box": Rule(("wall", "corner"), kinematic=False),
    "Plunger": Rule(("corner", "wall"), kinematic=False),
    "Boots": Rule(("wall", "corner"), kinematic=False),
    "BaseballBat": Rule(("corner",), kinematic=False),
    "BasketBall": Rule(("corner", "wall"), kinematic=False),
}
ON_WALLS = ("Painting", "Television")
# Drawn together, so that who has chairs has a table to put them at; each type's own fraction stays as it is.
TOGETHER = {"Chair": "DiningTable", "Sofa": "TVStand", "FloorLamp": "ArmChair"}
ESSENTIAL = 0.75  # a type that at least this share of rooms has is not thinned out or multiplied
FLOOR_PLANT = 0.45  # m; lower house plants stand on furniture
PEDESTAL = 0.6  # m; lower sinks are basins to be set into a counter
FLOOR_BAT = 0.9  # m; the shorter "bat" lies


def draw_counts(room: RoomType, family: Family, rng: np.random.Generator) -> dict[str, int]:
    """How many of each type a room gets: by the fraction of rooms that have one, and their mean number."""
    # houses of one room have no bathroom
    table = recorded("multi_room" if room == "Bathroom" else family.like)
    fractions = table["room_has_object_type_fraction"][room]
    means = table["objects_of_type_per_room_mean"][room]
    kinds = (*RULES, *ON_WALLS)
    chances = dict(zip(kinds, rng.random(len(kinds)).tolist(), strict=True))
    counts = {}
    for kind in kinds:
        fraction = fractions.get(kind, 0.0)
        chance, more = chances[TOGETHER.get(kind, kind)], 0
        if fraction > 0:
            more = int(rng.poisson(max(0.0, means[kind] / fraction - 1)))
        if fraction < ESSENTIAL:
            fraction = min(1.0, fraction * family.furniture)
        if chance < fraction:
            counts[kind] = 1 + more
    return counts


def essentials(room: RoomType, family: Family) -> set[str]:
    """What nearly every room of the type has."""
    table = recorded("multi_room" if room == "Bathroom" else family.like)
    fractions = table["room_has_object_type_fraction"][room]
    return {kind for kind in RULES if fractions.get(kind, 0.0) > 0.9}


@cache
def candidates(kind: str, pool: Literal["train", "heldout"]) -> tuple[Asset, ...]:
    """The assets of a type that stand on the floor."""
    lowest = {"HousePlant": FLOOR_PLANT, "Sink": PEDESTAL, "BaseballBat": FLOOR_BAT}.get(kind, 0.0)
    return tuple(asset for asset in assets_of_type(kind, pool) if asset.size[1] >= lowest)
