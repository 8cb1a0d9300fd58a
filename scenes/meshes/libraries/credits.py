"""Authors and licences of furniture models, which CC-BY requires with every picture and file of them."""

from collections.abc import Iterable

from scenes.house.elements import HouseObject
from scenes.meshes.geometry import Credit
from scenes.meshes.libraries.library import AssetSource

CREDITS = "CREDITS.txt"


def credits_text(credits: Iterable[Credit]) -> str:
    """One model a line, sorted."""
    lines = sorted({f"{c.model}, by {c.author}. {c.license}. {c.source}" for c in credits})
    return "".join(f"{line}\n" for line in lines)


def credits_of(objects: Iterable[HouseObject], library: AssetSource) -> set[Credit]:
    """Credits of the models of all objects. Raises ValueError for an unknown asset."""
    assets = {o.asset_id: library.asset(o) for o in objects}
    found = {library.credit(asset) for asset in assets.values() if asset is not None}
    return {c for c in found if c is not None}
