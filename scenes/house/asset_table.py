"""AI2-THOR's assets that ProcTHOR draws from: their ids, types, sizes and split (scenes/assets/README.md)."""

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal

# No asset is in both. "heldout" is ProcTHOR's val and test. Types that ProcTHOR does not split are dealt
# out in turn, by id, the first to "train"; of a type with one asset, "heldout" has none.
Pool = Literal["train", "heldout"]

TABLE = Path(__file__).parents[1] / "assets" / "assets.csv"


@dataclass(frozen=True)
class Asset:
    """One asset, as it lies at rotation 0: it faces +z."""

    id: str
    type: str  # AI2-THOR object type, as "DiningTable"
    size: tuple[float, float, float]  # bounding box along x, y, z [m]
    split: str  # ProcTHOR's: "train", "val", "test" or "none"
    pool: Pool  # ours: which families may draw it
    primary_property: str  # "CanPickup", "Static", "Moveable" or empty


@cache
def asset_table() -> Mapping[str, Asset]:
    """All assets by id, sorted by id."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: row["asset_id"])
    seen: Counter[str] = Counter()
    assets: dict[str, Asset] = {}
    for row in rows:
        split, object_type = row["split"] or "none", row["object_type"]
        if split == "none":
            pool: Pool = "train" if seen[object_type] % 2 == 0 else "heldout"
            seen[object_type] += 1
        else:
            pool = "train" if split == "train" else "heldout"
        size = (float(row["size_x_m"]), float(row["size_y_m"]), float(row["size_z_m"]))
        name = row["asset_id"]
        assets[name] = Asset(name, object_type, size, split, pool, row["primary_property"])
    return MappingProxyType(assets)


@cache
def assets_of_type(object_type: str, pool: Pool | None = None) -> tuple[Asset, ...]:
    """The assets of one type in a pool (None: all), sorted by id."""
    return tuple(a for a in asset_table().values() if a.type == object_type and pool in (None, a.pool))
