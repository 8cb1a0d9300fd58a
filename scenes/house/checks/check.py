"""What a valid house is, and what is wrong with one that is not.

    for fault in check_house(house):
        print(fault)

Each check reads the house as it is written, and none of the generator's own bookkeeping. A rule is a
function from a `Survey` to pairs (who is concerned, what is wrong); to add one, add it to `RULES` and
plant its fault in tests/scenes/test_check.py.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from scenes.house.checks.objects import hanging, inside, overlaps, resting, standing
from scenes.house.checks.passage import agent, doorways, leaves, reachable, swings
from scenes.house.checks.structure import assets, holes, ids, lights, rooms, structure, walls
from scenes.house.checks.survey import Survey
from scenes.house.schema import House

Rule = Callable[[Survey], Iterator[tuple[str, str]]]

# `structure` comes first: where it finds something, the others have nothing to stand on and are not asked.
RULES: dict[str, Rule] = {
    "structure": structure,
    "ids": ids,
    "assets": assets,
    "rooms": rooms,
    "walls": walls,
    "holes": holes,
    "lights": lights,
    "inside": inside,
    "standing": standing,
    "hanging": hanging,
    "overlaps": overlaps,
    "resting": resting,
    "swings": swings,
    "leaves": leaves,
    "doorways": doorways,
    "reachable": reachable,
    "agent": agent,
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    rule: str  # a key of `RULES`
    where: str  # the ids of who is concerned
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}"


def check_house(house: House) -> list[Fault]:
    """Every fault of a house, in the order of `RULES`; none for a valid one."""
    survey = Survey(house)
    faults: list[Fault] = []
    for name, rule in RULES.items():
        faults += [Fault(name, where, what) for where, what in rule(survey)]
        if name == "structure" and faults:
            break
    return faults
