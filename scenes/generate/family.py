"""Families: named distributions of houses, a YAML file each in `scenes/families`.

Two houses of a family are independent and identically distributed. A family draws its assets and
materials from one pool (`scenes/house/asset_table.py`), so two families of different pools share none.
"""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import Field

from scenes.config import Config

FAMILIES = Path(__file__).parents[1] / "families"

RoomType = Literal["Kitchen", "LivingRoom", "Bedroom", "Bathroom"]


class RoomSpec(Config):
    """Which rooms a house has."""

    name: str
    """Written into the house's metadata as `roomSpecId`."""
    weight: float = Field(gt=0)
    """How often, relative to the family's other specifications."""
    rooms: tuple[RoomType, ...] = Field(min_length=1)
    """The rooms, in any order; a type may occur more than once."""


class AreaSpec(Config):
    """Floor area of a room type, log-normal."""

    median: float = Field(gt=0)
    """Median [m²]."""
    spread: float = Field(ge=0)
    """Standard deviation of the area's logarithm, from room to room within a house."""


class Family(Config):
    """One distribution of houses."""

    name: str
    """The file's name without `.yaml`."""
    pool: Literal["train", "heldout"]
    """Which assets and materials are drawn."""
    room_specs: tuple[RoomSpec, ...] = Field(min_length=1)
    """What rooms a house may have."""
    areas: dict[RoomType, AreaSpec]
    """Floor area by room type."""
    house_spread: float = Field(ge=0)
    """Standard deviation of the logarithm of a factor common to all areas of a house."""
    cell: tuple[float, float]
    """Least and most mean spacing of the grid lines that walls follow [m]."""
    cell_jitter: float = Field(ge=0, lt=0.5)
    """How far a spacing differs from the mean, as a fraction of it."""
    aspect: tuple[float, float]
    """Least and most ratio of the boundary's longer to its shorter side."""
    notches: tuple[float, ...]
    """Probability of 0, 1, 2 ... corners cut out of the boundary."""
    extra_doors: float = Field(ge=0, le=1)
    """Probability of a door between two neighbours beyond those that join all rooms."""
    open_plan: float = Field(ge=0, le=1)
    """Probability that a kitchen and a living room, or two living rooms, share a wide frame or no wall."""
    windows: float = Field(ge=0, le=1)
    """Probability of a window in an outer wall that has room for one."""
    tiles: float = Field(ge=0, le=1)
    """Probability of a tiled floor in a bathroom or kitchen."""
    times_of_day: dict[Literal["midday", "golden", "blue"], float]
    """Relative weight of each time of day."""
    like: Literal["multi_room", "single_room"] = "multi_room"
    """Which of ProcTHOR's houses have the furniture to draw like; those of one room are fuller."""
    furniture: float = Field(default=1.0, gt=0)
    """Factor on how many pieces of furniture are drawn beyond a room's essentials."""
    clutter: float = Field(default=1.0, ge=0)
    """Factor on the mean number of small objects on a receptacle."""


def family_names() -> tuple[str, ...]:
    """The families there are."""
    return tuple(sorted(path.stem for path in FAMILIES.glob("*.yaml")))


@cache
def load_family(name: str) -> Family:
    """The family of that name. Raises ValueError naming the families there are."""
    if name not in family_names():
        raise ValueError(f"no family {name!r}; there are {', '.join(family_names())}")
    values = yaml.safe_load((FAMILIES / f"{name}.yaml").read_text(encoding="utf-8"))
    return Family.model_validate({"name": name, **values})
