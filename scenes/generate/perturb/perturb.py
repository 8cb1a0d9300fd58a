"""The same house on another day: other light, small things in other places, everything else as it was.

    day = perturb_house(House.load("house.json"), seed=3, strength=0.5)

Rooms, walls, openings, furniture and the assets of all objects stay exactly as they were. What changed is
listed in full in the house's metadata, so that `apply_changes` makes the same house of the original again.

`metadata["testspace"]["perturbation"]` is a list, one entry a step, since a perturbed house can be perturbed
again: a sequence of days. Each entry is relative to the house whose digest is its `of`:

    {"seed": 3, "strength": 0.5, "what": ["lights", "objects"], "of": "<sha256>",
     "sky": {"from": "Sky1", "to": "SkySunset"},                      # null where it stayed
     "lights": [{"id": "light_2", "from": {"intensity": 0.45}, "to": {"intensity": 0.0}}, ...],
     "switches": [{"id": "2|1", "from": false, "to": true}, ...],     # isOn of lamps and televisions
     "objects": [{"id": "small|2|0", "from": {"receptacle": "2|3", "position": {...}, "yaw": 12.0},
                  "to": {...}}, ...]}
"""

from collections.abc import Mapping
from typing import Any

from scenes.generate.perturb.lights import draw_light_changes
from scenes.generate.perturb.objects import draw_moves
from scenes.house.elements import HouseObject, Light, Vec3
from scenes.house.schema import House
from scenes.seeding import rng

STRENGTH = 0.5


def perturb_house(
    house: House, seed: int, strength: float = STRENGTH, lights: bool = True, objects: bool = True
) -> House:
    """The house with other lights, small objects elsewhere, or both. The same arguments give the same bytes.

    `strength` in [0, 1] is the share of small objects that move, and how far the light goes towards that of
    another hour of day: 0 changes nothing but the metadata. A house without faults stays without.
    Lights and objects draw from streams of their own; the same seed moves other things in another house.
    Raises ValueError for a strength out of range, and where neither lights nor objects are to change.
    """
    if not 0.0 <= strength <= 1.0:
        raise ValueError(f"strength is {strength}; it is a number from 0 (the same house) to 1")
    if not (lights or objects):
        raise ValueError("nothing is to change: ask for lights, objects or both")
    digest = house.digest()
    changes: dict[str, Any] = {
        "seed": seed,
        "strength": strength,
        "what": [name for name, on in (("lights", lights), ("objects", objects)) if on],
        "of": digest,
        "sky": None,
        "lights": [],
        "switches": [],
        "objects": [],
    }
    if lights:
        changes |= draw_light_changes(house, strength, rng(seed, "perturb", digest, "lights"))
    if objects:
        changes["objects"] = draw_moves(house, strength, seed, digest)
    own = house.metadata.get("testspace", {})
    steps = [*own.get("perturbation", ()), changes]
    metadata = {**house.metadata, "testspace": {**own, "perturbation": steps}}
    return apply_changes(house, changes).model_copy(update={"metadata": metadata})


def apply_changes(house: House, changes: Mapping[str, Any]) -> House:
    """The house after one listed step, its metadata left alone.

    Raises ValueError for a house that the step was not made of.
    """
    if house.digest() != changes["of"]:
        raise ValueError(f"these changes are of house {changes['of'][:12]}, not of {house.digest()[:12]}")
    update: dict[str, Any] = {}
    lit = {change["id"]: change["to"] for change in changes["lights"]}
    parameters = house.procedural_parameters
    if lit or changes["sky"]:
        more: dict[str, Any] = {"skybox_id": changes["sky"]["to"]} if changes["sky"] else {}
        if lit:
            more["lights"] = tuple(_relit(light, lit.get(light.id)) for light in parameters.lights)
        update["procedural_parameters"] = parameters.model_copy(update=more)
    if changes["objects"] or changes["switches"]:
        update["objects"] = _Moves(house, changes).objects()
    return house.model_copy(update=update)


def _relit(light: Light, to: Mapping[str, Any] | None) -> Light:
    if to is None:
        return light
    return Light.model_validate({**light.model_dump(by_alias=True, exclude_unset=True), **to})


class _Moves:
    """Objects after a step: who leaves a receptacle is taken out, who comes is put last."""

    def __init__(self, house: House, changes: Mapping[str, Any]) -> None:
        self.house = house
        self.switches = {change["id"]: change["to"] for change in changes["switches"]}
        self.moves = {change["id"]: change for change in changes["objects"]}
        items = {item.id: item for item, _ in house.all_objects()}
        self.arrivals: dict[str, list[HouseObject]] = {}
        for change in changes["objects"]:
            if change["from"]["receptacle"] != change["to"]["receptacle"]:
                self.arrivals.setdefault(change["to"]["receptacle"], []).append(items[change["id"]])

    def objects(self) -> tuple[HouseObject, ...]:
        """All top-level objects."""
        return tuple(self._placed(item) for item in self.house.objects)

    def _placed(self, item: HouseObject) -> HouseObject:
        stay = [child for child in item.children if not self._leaves(child)]
        children = tuple(self._placed(child) for child in (*stay, *self.arrivals.get(item.id, ())))
        update: dict[str, Any] = {}
        if children != item.children:
            update["children"] = children
        if item.id in self.switches:
            update["is_on"] = self.switches[item.id]
        if item.id in self.moves:
            to = self.moves[item.id]["to"]
            update["position"] = Vec3.model_validate(to["position"])
            update["rotation"] = item.rotation.model_copy(update={"y": to["yaw"]})
        return item.model_copy(update=update) if update else item

    def _leaves(self, child: HouseObject) -> bool:
        change = self.moves.get(child.id)
        return change is not None and change["from"]["receptacle"] != change["to"]["receptacle"]
