"""The library of houses whose assets are partly the user's: `given_library(options)`."""

import math
from functools import cache
from pathlib import Path

import numpy as np

from scenes.formats.assets.given import GivenAssets, given_assets
from scenes.formats.assets.kinds import UNKNOWN
from scenes.formats.space_format import SpaceOptions, UnknownAssets
from scenes.house.asset_table import Asset
from scenes.house.elements import HouseObject
from scenes.meshes.geometry import Credit, Mesh
from scenes.meshes.libraries.library import AssetLibrary, AssetSource, default_library
from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder

SIDE = 0.3
"""Of a box whose size nobody tells [m]."""
_GREY = (0.62, 0.62, 0.62)


class GivenLibrary:
    """Meshes of the user's assets, then of the library's; unknown ones as `unknown` says."""

    def __init__(self, base: AssetLibrary, assets: GivenAssets | None, unknown: UnknownAssets) -> None:
        self._base, self._assets, self._unknown = base, assets, unknown
        self._boxes: dict[str, Mesh] = {}

    def asset(self, item: HouseObject) -> Asset | None:
        """The asset of an object; None for one that is left out.

        Raises ValueError for one that nobody knows, where that is asked.
        """
        given = None if self._assets is None else self._assets.asset(item.asset_id)
        if given is not None:
            return given
        if self.has(item) or self._unknown == "refuse":
            return self._base.asset(item)  # which refuses an unknown one
        return None if self._unknown == "skip" else self._boxed(item)

    def has(self, item: HouseObject) -> bool:
        """Whether the user's assets or the asset table have the object's."""
        return (self._assets is not None and self._assets.has(item.asset_id)) or self._base.has(item)

    def mesh(self, asset: Asset) -> Mesh:
        """The asset's mesh: centred on its box, as large as its box, its front along +z."""
        if asset.id in self._boxes:
            return self._boxes[asset.id]
        if self._assets is not None and self._assets.has(asset.id):
            return self._assets.mesh(asset.id)
        return self._base.mesh(asset)

    def credit(self, asset: Asset) -> Credit | None:
        """Whose model the asset's mesh is, where that is known."""
        if asset.id in self._boxes:
            return None
        if self._assets is not None and self._assets.has(asset.id):
            return self._assets.credit(asset.id)
        return self._base.credit(asset)

    def _boxed(self, item: HouseObject) -> Asset:
        """An asset of no kind: a box of the size that annotations or the house tell.

        The key of such an asset holds its size, since two objects of one asset may tell two.
        """
        size = None if self._assets is None else self._assets.size_told(item.asset_id)
        x, y, z = size or size_in_house(item)
        name = f"box:{item.asset_id}:{x:.3f}x{y:.3f}x{z:.3f}"
        if name not in self._boxes:
            builder = MeshBuilder()
            builder.box((-x / 2, -y / 2, -z / 2), (x / 2, y / 2, z / 2), finish("plain", _GREY))
            self._boxes[name] = builder.mesh(name)
        return Asset(name, UNKNOWN, (x, y, z), "none", "train", "")


def size_in_house(item: HouseObject) -> tuple[float, float, float]:
    """Extents [m] of an object of an unknown asset: Holodeck writes the footprint's corners [cm] as
    `vertices`, turned as it stands, and puts things on the floor at half their height; a cube of SIDE where
    neither is told.
    """
    corners = (item.model_extra or {}).get("vertices")
    x = z = SIDE
    try:
        ring = np.asarray(corners, np.float64)[:, :2] / 100
        width, depth = np.ptp(ring, axis=0).tolist()
        if math.isfinite(width) and math.isfinite(depth) and min(width, depth) > 0:
            sideways = round(item.rotation.y / 90) % 2 == 1
            x, z = (depth, width) if sideways else (width, depth)
    except (TypeError, ValueError, IndexError):
        pass
    y = 2 * item.position.y if 0.02 < 2 * item.position.y < 2.5 and corners is not None else SIDE
    return x, y, z


def given_library(options: SpaceOptions) -> AssetSource:
    """The library that the options ask for. Raises ValueError for assets that are not there."""
    if options.assets is None and options.unknown_assets == "refuse":
        return default_library()
    return _library(options.assets, options.unknown_assets)


@cache
def _library(path: Path | None, unknown: UnknownAssets) -> GivenLibrary:
    return GivenLibrary(default_library(), None if path is None else given_assets(path), unknown)
