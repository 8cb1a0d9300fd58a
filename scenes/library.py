"""Which geometry an asset gets."""

from functools import cache

from scenes.asset_table import Asset
from scenes.geometry import Credit, Mesh
from scenes.shapes import build_shape


class AssetLibrary:
    """Meshes of assets, made when first asked for and kept for the life of the process."""

    def __init__(self) -> None:
        self._meshes: dict[str, Mesh] = {}

    def mesh(self, asset: Asset) -> Mesh:
        """The asset's mesh: centred on its box, as large as its box, its front along +z."""
        if asset.id not in self._meshes:
            self._meshes[asset.id] = build_shape(asset)
        return self._meshes[asset.id]

    def credit(self, asset: Asset) -> Credit | None:
        """Whose model it is; None for a shape of ours."""
        return None

    def describe(self) -> str:
        """One line for people."""
        return "parametric shapes only"


@cache
def default_library() -> AssetLibrary:
    """The library of this machine, opened once a process."""
    return AssetLibrary()
