"""AI2-THOR's assets that ProcTHOR draws from: their ids, types, sizes and split (scenes/assets/README.md)."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

TABLE = Path(__file__).parent / "assets" / "assets.csv"


@dataclass(frozen=True)
class Asset:
    """One asset, as it lies at rotation 0: it faces +z."""

    id: str
    type: str  # AI2-THOR object type, as "DiningTable"
    size: tuple[float, float, float]  # bounding box along x, y, z [m]
    split: str  # "train", "val", "test" or "none"
    primary_property: str  # "CanPickup", "Static", "Moveable" ... in AI2-THOR's words


@cache
def asset_table() -> Mapping[str, Asset]:
    """All assets by id, in the order of the file."""
    with TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assets = [
        Asset(
            id=row["asset_id"],
            type=row["object_type"],
            size=(float(row["size_x_m"]), float(row["size_y_m"]), float(row["size_z_m"])),
            split=row["split"] or "none",
            primary_property=row["primary_property"],
        )
        for row in rows
    ]
    return MappingProxyType({asset.id: asset for asset in assets})


@cache
def assets_of_type(object_type: str, splits: tuple[str, ...] | None = None) -> tuple[Asset, ...]:
    """The assets of one type in the given splits (None: all), sorted by id."""
    found = [a for a in asset_table().values() if a.type == object_type and (splits is None or a.split in splits)]
    return tuple(sorted(found, key=lambda asset: asset.id))
