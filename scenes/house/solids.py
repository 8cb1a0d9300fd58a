"""What of an asset is certainly solid: smaller than its bounding box, so that two of them in one place are a
fault.

A bounding box is full of air: a chair is pushed in under a table, a screen stands on a foot in the middle of
its box, leaves and handles fill corners. What is left here is what no mesh of the type does without: a
table's top, a chair's seat, the middle of a cupboard.
"""

from functools import cache

from scenes.house.asset_table import Asset
from scenes.house.boxes import Box, Rect, solid_parts
from scenes.house.surfaces import surface, surfaces

RAISED = ("CoffeeTable", "Desk", "DiningTable", "SideTable")  # boards on legs
SEATS = ("ArmChair", "Bed", "Chair", "Sofa")
CUPBOARDS = (
    *("ClothesDryer", "CounterTop", "Dresser", "Fridge", "Microwave", "Ottoman", "Safe", "ShelvingUnit"),
    *("TVStand", "WashingMachine"),
)
HOLLOW = (
    *(
        "Bowl",
        "Box",
        "DeskLamp",
        "Faucet",
        "GarbageCan",
        "Ladle",
        "LaundryHamper",
        "Pan",
        "Pot",
        "Sink",
        "Television",
    ),
    "TennisRacket",
)
SLAB = 0.04  # m, of a table's top or a seat


@cache
def solids(asset: Asset) -> tuple[Box, ...]:
    """Boxes in the asset's own coordinates (centre of its bottom at the origin, front to +z).

    None for what is open at its top or thin, whose middle is air.
    """
    sy = asset.size[1]
    single = surface(asset)
    if asset.type in RAISED:
        tops = [b for b in surfaces(asset) if b.kind == "top"]
        top = tops[-1].height if tops else single.height if single is not None else sy
        top = min(top, sy)
        return tuple(Box(_shrunk(part, 0.2), top - SLAB, top) for part in solid_parts(asset))
    if asset.type in SEATS and single is not None:
        low = single.height - SLAB if asset.type == "Chair" else 0.5 * single.height
        return tuple(Box(_shrunk(part, 0.4), low, single.height) for part in solid_parts(asset))
    if asset.type in CUPBOARDS:
        return tuple(Box(_shrunk(part, 0.2), 0.05 * sy, 0.95 * sy) for part in solid_parts(asset))
    if asset.type in HOLLOW:
        return ()
    return (Box(_shrunk(solid_parts(asset)[0], 0.7), 0.1 * sy, 0.9 * sy),)


def _shrunk(rect: Rect, share: float) -> Rect:
    """Less wide and deep by a share of its smaller side, about its middle."""
    return rect.grown(-share / 2 * min(rect.width, rect.depth))
