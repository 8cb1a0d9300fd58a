"""Parametric shapes: one recipe for each AI2-THOR object type, for assets that no library model fits.

`RECIPES` is the table. A recipe gets a bench, the box's width, height and depth [m], and the asset's own stream of
choices; it builds inside x ±w/2, y 0..h, z ±d/2 with its front along +z. What it built is then fitted to the box.
"""

from collections.abc import Callable

from scenes import shapes_fixtures as fixtures
from scenes import shapes_furniture as furniture
from scenes import shapes_household as things
from scenes.asset_table import Asset
from scenes.boxes import solid_parts
from scenes.geometry import Mesh
from scenes.palette import Draw
from scenes.solids import Bench

Recipe = Callable[[Bench, float, float, float, Draw], None]

RECIPES: dict[str, Recipe] = {
    "AlarmClock": things.clock,
    "AluminumFoil": things.foil,
    "Apple": things.fruit((0.72, 0.14, 0.12), (0.55, 0.65, 0.22), (0.80, 0.55, 0.20)),
    "ArmChair": furniture.sofa,
    "BaseballBat": things.bat,
    "BasketBall": things.ball,
    "Bed": furniture.bed,
    "Blinds": fixtures.blinds,
    "Book": things.book,
    "Boots": things.boots,
    "Bottle": things.bottle,
    "Bowl": things.bowl,
    "Box": things.cardboard,
    "Bread": things.lying((0.68, 0.44, 0.22), (0.60, 0.36, 0.17), bumps=0.02),
    "ButterKnife": things.cutlery("knife"),
    "CD": things.disc,
    "Candle": things.candle,
    "Cart": furniture.cart,
    "CellPhone": things.phone,
    "Chair": furniture.chair,
    "Cloth": things.soft_block("fabric", 0.3),
    "ClothesDryer": fixtures.washer,
    "CoffeeMachine": fixtures.coffee_machine,
    "CoffeeTable": furniture.table,
    "CreditCard": things.card,
    "Cup": things.cup,
    "Desk": furniture.desk,
    "DeskLamp": fixtures.lamp,
    "Desktop": fixtures.desktop,
    "DiningTable": furniture.table,
    "DishSponge": things.soft_block("carpet", 0.2),
    "DogBed": furniture.dog_bed,
    "Dresser": furniture.dresser,
    "Dumbbell": things.dumbbell,
    "Egg": things.fruit((0.92, 0.86, 0.76), (0.86, 0.72, 0.56), stem=False),
    "Faucet": fixtures.faucet,
    "FloorLamp": fixtures.lamp,
    "Footstool": things.footstool,
    "Fork": things.cutlery("fork"),
    "Fridge": fixtures.fridge,
    "GarbageBag": fixtures.bag,
    "GarbageCan": fixtures.bin_,
    "HandTowel": things.towel,
    "HandTowelHolder": things.ring,
    "HousePlant": fixtures.plant,
    "Kettle": things.kettle,
    "KeyChain": things.keys,
    "Knife": things.cutlery("knife"),
    "Ladle": things.cutlery("ladle"),
    "Laptop": fixtures.laptop,
    "LaundryHamper": fixtures.hamper,
    "Lettuce": things.lying((0.42, 0.60, 0.24), (0.35, 0.55, 0.22), bumps=0.12),
    "LightSwitch": things.switch,
    "Microwave": fixtures.microwave,
    "Mug": things.mug,
    "Newspaper": things.paper,
    "Ottoman": furniture.ottoman,
    "Painting": fixtures.picture,
    "Pan": things.pan,
    "PaperTowelRoll": things.roll,
    "Pen": things.stick((0.15, 0.25, 0.55), (0.75, 0.76, 0.78)),
    "Pencil": things.stick((0.90, 0.70, 0.18), (0.20, 0.17, 0.15)),
    "PepperShaker": things.shaker,
    "Pillow": things.soft_block("fabric", 0.5),
    "Plate": things.plate,
    "Plunger": things.plunger,
    "Pot": things.pot,
    "Potato": things.lying((0.66, 0.52, 0.33), (0.58, 0.43, 0.28), bumps=0.04),
    "RemoteControl": things.remote,
    "RoomDecor": things.sticks_in_vase,
    "Safe": furniture.safe,
    "SaltShaker": things.shaker,
    "ScrubBrush": things.brush,
    "ShelvingUnit": furniture.shelving,
    "ShowerCurtain": fixtures.curtain,
    "ShowerHead": fixtures.shower,
    "SideTable": furniture.table,
    "Sink": fixtures.sink,
    "SoapBar": things.soft_block("plain", 0.4),
    "SoapBottle": things.pump_bottle,
    "Sofa": furniture.sofa,
    "Spatula": things.cutlery("spatula"),
    "Spoon": things.cutlery("spoon"),
    "SprayBottle": things.spray,
    "Statue": things.statue,
    "Stool": furniture.stool,
    "TVStand": furniture.tv_stand,
    "TableTopDecor": things.tray_decor,
    "TeddyBear": things.teddy,
    "Television": fixtures.television,
    "TennisRacket": things.racket,
    "TissueBox": things.tissue,
    "Toaster": fixtures.toaster,
    "Toilet": fixtures.toilet,
    "ToiletPaper": things.roll,
    "ToiletPaperHanger": things.rail,
    "Tomato": things.fruit((0.78, 0.16, 0.10), (0.82, 0.28, 0.12)),
    "Towel": things.towel,
    "TowelHolder": things.rail,
    "VacuumCleaner": fixtures.vacuum,
    "Vase": things.vase,
    "WashingMachine": fixtures.washer,
    "Watch": things.watch,
    "WateringCan": things.watering_can,
    "WineBottle": things.wine_bottle,
}


def build_shape(asset: Asset, key: str) -> Mesh:
    """A mesh under `key` for an asset: centred on its box, as large as its box, its front along +z."""
    bench, draw = Bench(), Draw(asset.id)
    w, h, d = asset.size
    if asset.type == "CounterTop":
        # The asset's own front is +z, as the mesh's, but a mesh is right-handed: its x is minus the asset's.
        parts = [(-r.x1, r.z0, -r.x0, r.z1) for r in solid_parts(asset)]
        furniture.counter(bench, w, h, d, draw, parts)
    else:
        RECIPES.get(asset.type, things.block)(bench, w, h, d, draw)
    bench.fit(asset.size)
    return bench.mesh(key)
