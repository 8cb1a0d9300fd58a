"""Who made the furniture: CC-BY asks that author and licence travel with every picture and file of it."""

from collections.abc import Iterable

from scenes.house.asset_table import asset_table
from scenes.house.references import Reference
from scenes.house.schema import House
from scenes.meshes.geometry import Credit
from scenes.meshes.libraries.library import default_library

CREDITS = "CREDITS.txt"


def credits_text(credits: Iterable[Credit]) -> str:
    """One model a line, sorted."""
    lines = sorted({f"{c.model}, by {c.author}. {c.license}. {c.source}" for c in credits})
    return "".join(f"{line}\n" for line in lines)


def house_credits(houses: Iterable[Reference]) -> set[Credit]:
    """Credits of every library model that these houses, a reference each, are furnished with."""
    library, table = default_library(), asset_table()
    assets = {o.asset_id for one in houses for o, _ in House.load(one).all_objects()}
    found = {library.credit(table[a]) for a in assets if a in table}
    return {c for c in found if c is not None}
