"""Parametric shapes, one recipe for each AI2-THOR object type."""

from scenes.asset_table import Asset
from scenes.looks import finish
from scenes.geometry import Mesh
from scenes.solids import Bench


def build_shape(asset: Asset, key: str) -> Mesh:
    """A mesh centred on the asset's box, its front along +z."""
    bench = Bench()
    half = [s / 2 for s in asset.size]
    bench.box([-h for h in half], half, finish("plain", (0.6, 0.5, 0.4)))
    return bench.mesh(key)
