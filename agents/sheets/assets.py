"""`tst houses assets`: a picture of every object type, and the source of its geometry.

tst houses assets --out docs/pictures/asset-types.jpg --table docs/tables/asset-geometry.md
tst houses assets --of models --arrows --yaw-deg 20 --out models.png      # check which way each model faces
tst houses assets --of assets --types Chair Sofa --out chairs.png
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont
from pydantic import Field

from agents.sheets.studio import photograph
from scenes.config import Config
from scenes.house.asset_table import Asset, asset_table, assets_of_type
from scenes.meshes.libraries.asset_counts import count_types, counts_table
from scenes.meshes.libraries.library import GROTESQUE, AssetLibrary, default_library

PAGE = """# What assets are made of

Written by `tst houses assets`, as is the picture. An asset's geometry is a model of the Sweet Home 3D
libraries where one of its type and pool fits its box without being stretched beyond {grotesque} (largest over
smallest scale along the three axes), else a parametric shape. The pools share no model. Without the libraries
every asset is a shape.

![one asset of every object type]({picture})

{counts}"""


class AssetSheetConfig(Config):
    """Draw assets on a labelled sheet."""

    out: Path
    """The picture to write: .png or .jpg."""
    of: Literal["types", "models", "assets"] = "types"
    """One picture per type, per library model (at its largest stretch), or per asset."""
    types: tuple[str, ...] = ()
    """Object types to draw; none named: all."""
    size: int = Field(default=150, ge=32)
    """Height and width of a picture [pixels]."""
    columns: int = Field(default=11, ge=1)
    """Pictures side by side."""
    yaw_deg: float = 32.0
    """Direction of the camera, to the right of the object's front [degrees]."""
    arrows: bool = False
    """Whether a red bar on the floor points the way the front faces."""
    table: tyro.conf.OmitArgPrefixes[Path | None] = None
    """A Markdown page to write, with the sheet and the counts by type."""


@dataclass(frozen=True)
class Entry:
    """One picture: an asset and the two lines below it."""

    asset: Asset
    title: str
    note: str


def asset_sheet(config: AssetSheetConfig) -> None:
    """Write the sheet, and the table where one is asked for. Raises ValueError for an unknown type."""
    library = default_library()
    known = sorted({asset.type for asset in asset_table().values()})
    unknown = [t for t in config.types if t not in known]
    if unknown:
        raise ValueError(f"unknown object types {', '.join(unknown)}; there are {', '.join(known)}")
    entries = _ENTRIES[config.of](library, list(config.types) or known)
    pictures = photograph(
        [library.mesh(e.asset) for e in entries], config.size, config.yaw_deg, arrows=config.arrows
    )
    config.out.parent.mkdir(parents=True, exist_ok=True)
    sheet(entries, pictures, config.columns).save(config.out, quality=88)
    print(f"{config.out}: {len(entries)} pictures")
    if config.table is not None:
        picture = os.path.relpath(config.out, config.table.parent)
        page = PAGE.format(grotesque=GROTESQUE, picture=picture, counts=counts_table(library))
        config.table.write_text(page, encoding="utf-8")
        print(config.table)


def sheet(entries: list[Entry], pictures: UInt8[np.ndarray, "n size size 3"], columns: int) -> Image.Image:
    """Arrange the pictures in a grid, each with its entry's lines below."""
    size = pictures.shape[1]
    font = ImageFont.load_default(size=max(9, size // 13))
    line = max(11, size // 11)
    cell = (size + 4, size + 2 * line + 6)
    whole = Image.new("RGB", (columns * cell[0], -(-len(entries) // columns) * cell[1]), "white")
    draw = ImageDraw.Draw(whole)
    for k, (entry, picture) in enumerate(zip(entries, pictures, strict=True)):
        x, y = (k % columns) * cell[0] + 2, (k // columns) * cell[1] + 2
        whole.paste(Image.fromarray(picture), (x, y))
        draw.text((x + 1, y + size), entry.title[:24], fill="black", font=font)
        draw.text((x + 1, y + size + line), entry.note, fill=(90, 90, 90), font=font)
    return whole


def _by_type(library: AssetLibrary, types: list[str]) -> list[Entry]:
    """The median asset of each type, of those with a library model where there are any."""
    rows = {row.type: row for row in count_types(library)}
    entries = []
    for object_type in types:
        assets = assets_of_type(object_type)
        modelled = [a for a in assets if library.choose(a) is not None] or assets
        entries.append(Entry(modelled[len(modelled) // 2], object_type, rows[object_type].summary))
    return entries


def _by_model(library: AssetLibrary, types: list[str]) -> list[Entry]:
    """Each library model with the asset that stretches it most."""
    worst: dict[tuple[str, str], tuple[float, Asset]] = {}
    for object_type in types:
        for asset in assets_of_type(object_type):
            choice = library.choose(asset)
            if choice is not None:
                key = object_type, choice.piece.id
                worst[key] = max(worst.get(key, (0.0, asset)), (choice.distortion, asset), key=lambda w: w[0])
    return [
        Entry(asset, f"{kind} x{stretch:.2f}", f"{model.split('#')[-1]} {asset.pool[0]}")
        for (kind, model), (stretch, asset) in worst.items()
    ]


def _by_asset(library: AssetLibrary, types: list[str]) -> list[Entry]:
    entries = []
    for object_type in types:
        for asset in assets_of_type(object_type):
            choice = library.choose(asset)
            note = "shape" if choice is None else f"{choice.piece.id.split('#')[-1]} x{choice.distortion:.2f}"
            entries.append(Entry(asset, asset.id, note))
    return entries


_ENTRIES = {"types": _by_type, "models": _by_model, "assets": _by_asset}
