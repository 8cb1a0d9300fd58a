"""Parametric shapes: one recipe for each AI2-THOR object type, for assets that no library model fits.

`RECIPES` is the table. A recipe gets a builder, the box's width, height and depth [m], and the asset's own
stream of choices; it builds inside x ±w/2, y 0..h, z ±d/2 with its front along +z. What it built is then
fitted to the box.
"""

from collections.abc import Callable

from scenes.house.asset_table import Asset
from scenes.house.boards import boards_seen_on
from scenes.house.boxes import solid_parts
from scenes.meshes.building.joinery import opening_shape
from scenes.meshes.geometry import Mesh
from scenes.meshes.levels import seat_bend
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import FinishSampler
from scenes.meshes.shapes import (
    bath,
    beds,
    cutlery,
    decor,
    food,
    gadgets,
    kitchen,
    machines,
    soft,
    things,
    wood,
)
from scenes.meshes.shapes.cases import case, has_compartments

OPENINGS = ("Doorframe", "Doorway", "Window")  # built into walls, never placed
Recipe = Callable[[MeshBuilder, float, float, float, FinishSampler], None]

RECIPES: dict[str, Recipe] = {
    "AlarmClock": gadgets.clock,
    "AluminumFoil": kitchen.foil,
    "Apple": food.fruit((0.72, 0.14, 0.12), (0.55, 0.65, 0.22), (0.80, 0.55, 0.20)),
    "ArmChair": soft.sofa,
    "BaseballBat": things.bat,
    "BasketBall": things.ball,
    "Bed": beds.bed,
    "Blinds": bath.blinds,
    "Book": things.book,
    "Boots": things.boots,
    "Bottle": kitchen.bottle,
    "Bowl": kitchen.bowl,
    "Box": things.cardboard,
    "Bread": food.bread,
    "ButterKnife": cutlery.knife,
    "CD": things.disc,
    "Candle": decor.candle,
    "Cart": wood.cart,
    "CellPhone": gadgets.phone,
    "Chair": soft.chair,
    "Cloth": soft.folded,
    "ClothesDryer": machines.washer,
    "CoffeeMachine": machines.coffee_machine,
    "CoffeeTable": wood.table,
    "CreditCard": things.card,
    "Cup": kitchen.cup,
    "Desk": wood.desk,
    "DeskLamp": machines.lamp,
    "Desktop": gadgets.desktop,
    "DiningTable": wood.table,
    "DishSponge": soft.soft_block("carpet", 0.2),
    "DogBed": soft.dog_bed,
    "Dresser": wood.dresser,
    "Dumbbell": things.dumbbell,
    "Egg": food.egg,
    "Faucet": bath.faucet,
    "FloorLamp": machines.lamp,
    "Footstool": wood.footstool,
    "Fork": cutlery.fork,
    "Fridge": machines.fridge,
    "GarbageBag": soft.bag,
    "GarbageCan": bath.bin_,
    "HandTowel": soft.towel,
    "HandTowelHolder": bath.ring,
    "HousePlant": decor.plant,
    "Kettle": kitchen.kettle,
    "KeyChain": things.keys,
    "Knife": cutlery.knife,
    "Ladle": cutlery.ladle,
    "Laptop": gadgets.laptop,
    "LaundryHamper": bath.hamper,
    "Lettuce": food.lying((0.42, 0.60, 0.24), (0.35, 0.55, 0.22), bumps=0.12),
    "LightSwitch": gadgets.switch,
    "Microwave": machines.microwave,
    "Mug": kitchen.mug,
    "Newspaper": things.paper,
    "Ottoman": soft.ottoman,
    "Painting": decor.picture,
    "Pan": kitchen.pan,
    "PaperTowelRoll": bath.roll,
    "Pen": things.stick((0.15, 0.25, 0.55), (0.75, 0.76, 0.78)),
    "Pencil": things.stick((0.90, 0.70, 0.18), (0.20, 0.17, 0.15)),
    "PepperShaker": kitchen.shaker,
    "Pillow": soft.pillow,
    "Plate": kitchen.plate,
    "Plunger": bath.plunger,
    "Pot": kitchen.pot,
    "Potato": food.lying((0.66, 0.52, 0.33), (0.58, 0.43, 0.28), bumps=0.04),
    "RemoteControl": gadgets.remote,
    "RoomDecor": decor.sticks_in_vase,
    "Safe": wood.safe,
    "SaltShaker": kitchen.shaker,
    "ScrubBrush": bath.brush,
    "ShelvingUnit": wood.shelving,
    "ShowerCurtain": soft.curtain,
    "ShowerHead": bath.shower,
    "SideTable": wood.table,
    "Sink": bath.sink,
    "SoapBar": soft.soft_block("plain", 0.4),
    "SoapBottle": kitchen.pump_bottle,
    "Sofa": soft.sofa,
    "Spatula": cutlery.spatula,
    "Spoon": cutlery.spoon,
    "SprayBottle": kitchen.spray,
    "Statue": decor.statue,
    "Stool": soft.stool,
    "TVStand": wood.tv_stand,
    "TableTopDecor": decor.tray_decor,
    "TeddyBear": soft.teddy,
    "Television": machines.television,
    "TennisRacket": things.racket,
    "TissueBox": decor.tissue,
    "Toaster": machines.toaster,
    "Toilet": bath.toilet,
    "ToiletPaper": bath.roll,
    "ToiletPaperHanger": bath.rail,
    "Tomato": food.fruit((0.78, 0.16, 0.10), (0.82, 0.28, 0.12), leaves=True),
    "Towel": soft.towel,
    "TowelHolder": bath.rail,
    "VacuumCleaner": machines.vacuum,
    "Vase": decor.vase,
    "WashingMachine": machines.washer,
    "Watch": things.watch,
    "WateringCan": decor.watering_can,
    "WineBottle": kitchen.wine_bottle,
}


def build_shape(asset: Asset, key: str) -> Mesh:
    """A mesh under `key` for an asset: centred on its box, as large as its box, its front along +z."""
    builder, draw = MeshBuilder(), FinishSampler(asset.id)
    w, h, d = asset.size
    if asset.type == "CounterTop":
        # The asset's own front is +z, as the mesh's, but a mesh is right-handed: its x is minus the asset's.
        parts = [(-r.x1, r.z0, -r.x0, r.z1) for r in solid_parts(asset)]
        wood.counter(builder, w, h, d, draw, parts)
    elif asset.type in OPENINGS:
        opening_shape(builder, asset)
    elif has_compartments(asset):
        case(builder, asset, draw)
    elif bath.has_basin(asset):
        bath.seen_sink(builder, asset, draw)
    elif asset.type == "Bed" and boards_seen_on(asset):
        beds.made_bed(builder, w, h, d, draw, beds.mattresses(asset))
    else:
        RECIPES.get(asset.type, things.block)(builder, w, h, d, draw)
    builder.fit(asset.size)
    builder.shift((0.0, h / 2, 0.0))
    bend = seat_bend(asset, *builder.triangles())
    if bend is not None:
        builder.bend(*bend)
    builder.shift((0.0, -h / 2, 0.0))
    return builder.mesh(key)
