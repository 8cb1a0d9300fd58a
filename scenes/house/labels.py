"""The label table: one class id for every kind of object and structure that a space consists of.

Two levels: `name` is fine (structure of a house, then AI2-THOR's object types); `group` is coarse (about
twenty classes of the segmentation task, fixed before any experiment). Ids are stored in frames, so the order
below never changes: new names go to the end.
"""

from dataclasses import dataclass
from functools import cache

VOID = "nothing"
_GROUPS = """
void wall floor ceiling door window bed sofa chair table cabinet counter sink toilet fridge appliance screen
lamp plant painting bin object
"""
GROUPS = tuple(_GROUPS.split())

# Structure first, then object types in alphabetical order; whoever is not named in _GROUP_OF is an "object".
_STRUCTURE = "Wall Floor Ceiling Skirting Doorway Doorframe Window CeilingLamp"
_OBJECTS = """
AlarmClock AluminumFoil Apple ArmChair BaseballBat BasketBall Bed Blinds Book Boots Bottle Bowl Box Bread
ButterKnife CD Candle Cart CellPhone Chair Cloth ClothesDryer CoffeeMachine CoffeeTable CounterTop
CreditCard Cup Desk DeskLamp Desktop DiningTable DishSponge DogBed Dresser Dumbbell Egg Faucet FloorLamp
Footstool Fork Fridge GarbageBag GarbageCan HandTowel HandTowelHolder HousePlant Kettle KeyChain Knife Ladle
Laptop LaundryHamper Lettuce LightSwitch Microwave Mug Newspaper Ottoman Painting Pan PaperTowelRoll Pen
Pencil PepperShaker Pillow Plate Plunger Pot Potato RemoteControl RoomDecor Safe SaltShaker ScrubBrush
ShelvingUnit ShowerCurtain ShowerHead SideTable Sink SoapBar SoapBottle Sofa Spatula Spoon SprayBottle
Statue Stool TVStand TableTopDecor TeddyBear Television TennisRacket TissueBox Toaster Toilet ToiletPaper
ToiletPaperHanger Tomato Towel TowelHolder VacuumCleaner Vase WashingMachine Watch WateringCan WineBottle
OtherObject
"""
_GROUP_OF = {
    name: group
    for group, names in {
        "void": VOID,
        "wall": "Wall Skirting",
        "floor": "Floor",
        "ceiling": "Ceiling",
        "door": "Doorway Doorframe",
        "window": "Window Blinds",
        "bed": "Bed",
        "sofa": "Sofa",
        "chair": "ArmChair Chair Footstool Ottoman Stool",
        "table": "CoffeeTable Desk DiningTable SideTable",
        "cabinet": "Cart Dresser Safe ShelvingUnit TVStand",
        "counter": "CounterTop",
        "sink": "Faucet Sink",
        "toilet": "Toilet",
        "fridge": "Fridge",
        "appliance": "ClothesDryer CoffeeMachine Kettle Microwave Toaster VacuumCleaner WashingMachine",
        "screen": "Desktop Laptop Television",
        "lamp": "CeilingLamp DeskLamp FloorLamp",
        "plant": "HousePlant",
        "painting": "Painting",
        "bin": "GarbageBag GarbageCan LaundryHamper",
    }.items()
    for name in names.split()
}


@dataclass(frozen=True)
class Label:
    """One row of the table: what a value of the `semantic` modality means."""

    id: int
    name: str
    group: str


@cache
def label_table() -> tuple[Label, ...]:
    """All labels, `table[i].id == i`; row 0 is "nothing", where a ray met nothing."""
    names = (VOID, *_STRUCTURE.split(), *_OBJECTS.split())
    table = tuple(Label(i, name, _GROUP_OF.get(name, "object")) for i, name in enumerate(names))
    assert len(table) <= 256, "a class id is a uint8"
    return table


@cache
def _ids() -> dict[str, int]:
    return {label.name: label.id for label in label_table()}


def class_id(name: str) -> int:
    """The id of a structure or object type; a type the table does not know is an "OtherObject"."""
    ids = _ids()
    return ids.get(name, ids["OtherObject"])
