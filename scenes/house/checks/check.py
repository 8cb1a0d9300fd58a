"""What a valid house is, and what is wrong with one that is not.

    for fault in check_house(house):
        print(fault)

An *error* keeps a house from being rendered, walked or labelled truthfully. A *note* says where it is unlike
a house of ours, which has neither: ProcTHOR's own houses have many notes and next to no errors. Each check
reads the house as it is written, and none of the generator's own bookkeeping. A rule is a function from a
`Survey` to findings; to add one, add it to `RULES` and plant its fault in tests/scenes/planted.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scenes.house.checks.objects import hanging, inside, overlaps, resting, standing
from scenes.house.checks.passage import agent, doorways, leaves, reachable, swings
from scenes.house.checks.structure import assets, holes, ids, lights, openness, rooms, structure, walls
from scenes.house.checks.survey import Found, Level, Survey
from scenes.house.schema import House

Rule = Callable[[Survey], Found]

# `structure` comes first: where it finds something, the others have nothing to stand on and are not asked.
RULES: dict[str, Rule] = {
    "structure": structure,
    "ids": ids,
    "assets": assets,
    "openness": openness,
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
    level: Level = "error"

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.what}{' (note)' if self.level == 'note' else ''}"


def errors(faults: Iterable[Fault]) -> list[Fault]:
    """The errors among them, in order."""
    return [fault for fault in faults if fault.level == "error"]


def check_house(house: House) -> list[Fault]:
    """Every error and note of a house, in the order of `RULES`; a house of ours has none."""
    survey = Survey(house)
    faults: list[Fault] = []
    for name, rule in RULES.items():
        faults += [Fault(name, found.where, found.what, found.level) for found in rule(survey)]
        if name == "structure" and faults:
            break
    return faults
