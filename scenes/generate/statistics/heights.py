"""How high on its receptacle a small object is: on its top, on a seat or shelf below, or inside."""

from collections import Counter
from typing import Literal

from scenes.house.elements import HouseObject
from scenes.house.resting import rest

HeightClass = Literal["top", "below", "inside"]
_CLASSES: dict[str, HeightClass] = {
    "top": "top",
    "seat": "below",
    "shelf": "below",
    "basin": "below",
    "drawer": "inside",
    "inside": "inside",
}


def height_class(item: HouseObject, parent: HouseObject) -> HeightClass | None:
    """Where an object is on its receptacle; None where nothing is known to rest."""
    found = rest(item, parent)
    return None if found is None else _CLASSES[found.board.kind]


def height_shares(counted: Counter[str]) -> dict[str, float]:
    """The share of small objects in each class, of all that have one."""
    total = max(counted.total(), 1)
    return {name: round(counted[name] / total, 3) for name in ("top", "below", "inside")}
