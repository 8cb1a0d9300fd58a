"""The boards of receptacles on which small objects rest: tops, shelves, drawers, seats, the insides of
fridges.

`scenes/assets/boards.csv` holds what public ProcTHOR houses show of AI2-THOR's receptacles
(scenes/assets/README.md): at which heights things rest on each asset, over which part of it, and how many
were seen there. An asset that the table does not have has one board, by rule (`scenes/house/surfaces.py`).
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, get_args

from scenes.house.asset_table import Asset
from scenes.house.boxes import Rect

Kind = Literal["top", "shelf", "drawer", "seat", "inside", "basin"]

TABLE = Path(__file__).parents[1] / "assets" / "boards.csv"


@dataclass(frozen=True)
class SeenBoard:
    """A row of the table, in the asset's own coordinates (centre at the origin, front to +z)."""

    height: float  # m above the asset's bottom
    kind: Kind
    seen: int  # small objects counted on it
    tallest: float  # m, height of the tallest of them; 0 where no height was counted
    region: Rect  # around their footprints


@cache
def seen_boards() -> Mapping[str, tuple[SeenBoard, ...]]:
    """The boards of each asset id in the table, the lowest first."""
    found: dict[str, list[SeenBoard]] = {}
    with TABLE.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            kind = next(kind for kind in get_args(Kind) if kind == row["kind"])
            region = Rect(*(float(row[edge]) for edge in ("x0_m", "z0_m", "x1_m", "z1_m")))
            board = SeenBoard(float(row["height_m"]), kind, int(row["seen"]), float(row["tallest_m"]), region)
            found.setdefault(row["asset_id"], []).append(board)
    return MappingProxyType(
        {name: tuple(sorted(rows, key=lambda b: b.height)) for name, rows in found.items()}
    )


def boards_seen_on(asset: Asset) -> tuple[SeenBoard, ...]:
    """The table's boards of an asset, the lowest first; none if it has no row."""
    return seen_boards().get(asset.id, ())
