"""Another day: valid, repeatable, everything that shall stay does, and the list of changes is the change."""

import json
import math
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from pydantic import ValidationError

from scenes.commands import PerturbConfig, perturb
from scenes.generate.daylight import times_of_day
from scenes.generate.generate import generate_house
from scenes.generate.perturb.objects import _Household
from scenes.generate.perturb.perturb import apply_changes, perturb_house
from scenes.generate.statistics.statistics import recorded
from scenes.house.asset_table import asset_table
from scenes.house.checks.check import check_house
from scenes.house.ids import room_number
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import SceneGeometry
from scenes.meshes.libraries.library import AssetLibrary

FAMILIES = {"procthor": 4, "apartment": 8, "apartment-heldout": 8}  # houses of each
STRENGTHS = (0.25, 0.5, 1.0)


@cache
def houses() -> list[House]:
    return [generate_house(seed, family) for family, count in FAMILIES.items() for seed in range(count)]


@cache
def flat() -> House:
    return generate_house(0, "apartment")


def last(house: House) -> dict:
    return house.metadata["testspace"]["perturbation"][-1]


def faults(house: House) -> set[str]:
    return {str(fault) for fault in check_house(house)}


def shell(house: House) -> str:
    """All that stays, as JSON: the house without lights, small objects and switches."""
    values = house.to_json()
    values.pop("metadata")
    values["proceduralParameters"].pop("lights")
    values["proceduralParameters"].pop("skyboxId")
    for item in values["objects"]:
        item.pop("children", None)
        item.pop("isOn", None)
    return json.dumps(values, sort_keys=True)


def with_unknown_assets() -> House:
    """A house of another maker: things, receptacles and openings that no table knows, and its own faults."""
    values = flat().to_json()
    parents = [item for item in values["objects"] if item.get("children")]
    parents[0]["assetId"] = "Throne_1"
    parents[1]["children"][0]["assetId"] = "Crown_1"
    parents[2]["children"][0]["rotation"]["x"] = 90.0
    parents[2]["children"][-1]["id"] = values["objects"][0]["id"]
    values["objects"][0]["vendor"] = "unknown"
    values["metadata"].pop("testspace")
    return House.model_validate(values)


@pytest.fixture(scope="module")
def days() -> list[tuple[House, float, House]]:
    return [
        (house, strength, perturb_house(house, 3, strength)) for house in houses() for strength in STRENGTHS
    ]


def test_no_fault_that_was_not_there(days):
    for house, _, day in days:
        assert not faults(day) - faults(house)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_no_fault_in_many_houses(family: str):
    for seed in range(20, 40):
        house = generate_house(seed, family)
        for strength in STRENGTHS:
            assert not faults(perturb_house(house, seed, strength)) - faults(house)


def test_what_stays_stays(days):
    for house, _, day in days:
        assert shell(day) == shell(house)
        things = [
            sorted((i.id, i.asset_id, i.kinematic, i.layer) for i, _ in h.all_objects()) for h in (house, day)
        ]
        assert things[0] == things[1]


def test_things_fixed_by_nature_stay(days):
    for house, _, day in days:
        before = {item.id: (item, parent) for item, parent in house.all_objects() if parent is not None}
        for item, parent in day.all_objects():
            kind = asset_table()[item.asset_id].type
            if parent is not None and (item.kinematic or kind in ("Television", "Faucet")):
                was, on = before[item.id]
                assert on is not None
                assert (item.position, item.rotation, parent.id) == (was.position, was.rotation, on.id)


def test_the_list_is_the_difference(days):
    for house, _, day in days:
        made = apply_changes(house, json.loads(json.dumps(last(day))))
        assert made.canonical() == day.model_copy(update={"metadata": house.metadata}).canonical()
        before, after = ({i.id: (i, p) for i, p in h.all_objects()} for h in (house, day))
        listed = {change["id"] for change in last(day)["objects"]}
        for name, (item, parent) in after.items():
            was, on = before[name]
            moved = (item.position, item.rotation, parent and parent.id) != (
                was.position,
                was.rotation,
                on and on.id,
            )
            assert moved == (name in listed)
        for change in last(day)["objects"]:
            was, on = before[change["id"]]
            assert on is not None
            assert change["from"] == {
                "receptacle": on.id,
                "position": was.position.model_dump(),
                "yaw": was.rotation.y,
            }
        for change in last(day)["lights"]:
            light = next(light for light in house.procedural_parameters.lights if light.id == change["id"])
            was = light.model_dump(mode="json", by_alias=True)
            assert all(was[name] == value for name, value in change["from"].items())
            assert change["from"].keys() == change["to"].keys()
            assert all(change["from"][name] != change["to"][name] for name in change["to"])


def test_strength_is_the_share_that_moves(days):
    for strength in STRENGTHS:
        moved = sum(len(last(day)["objects"]) for _, s, day in days if s == strength)
        movable = sum(len(_Household(house).movable()) for house in houses())
        assert moved / movable == pytest.approx(strength, abs=0.02)
    small = [parent is not None for house in houses() for _, parent in house.all_objects()]
    assert sum(len(_Household(house).movable()) for house in houses()) > 0.85 * sum(small)


def test_a_move_is_a_move_and_often_to_other_furniture(days):
    moves = [move for _, _, day in days for move in last(day)["objects"]]
    for move in moves:
        places = ([move[end]["position"][axis] for axis in "xyz"] for end in ("from", "to"))
        assert math.dist(*places) >= 0.01
    elsewhere = sum(move["from"]["receptacle"] != move["to"]["receptacle"] for move in moves)
    assert 0.1 * len(moves) < elsewhere < 0.9 * len(moves)


def test_light_changes_grow_with_strength():
    def far(house: House, day: House) -> float:
        pairs = zip(house.procedural_parameters.lights, day.procedural_parameters.lights, strict=True)
        return sum(abs(math.log((b.intensity + 0.1) / (a.intensity + 0.1))) for a, b in pairs)

    strengths = (0.0, 0.1, 0.3, 0.6, 1.0)
    days = {s: [perturb_house(house, 1, s, objects=False) for house in houses()] for s in strengths}
    means = [sum(map(far, houses(), days[s])) for s in strengths]
    skies = [sum(last(day)["sky"] is not None for day in days[s]) for s in strengths]
    assert means[0] == 0
    assert means == sorted(means)
    assert skies == sorted(skies)
    assert skies[0] == 0


def test_strength_1_is_another_hour_of_day():
    hours = times_of_day()
    for house in houses():
        day = perturb_house(house, 0, 1.0, objects=False)
        was, now = (
            {name for name, hour in hours.items() if h.procedural_parameters.skybox_id in hour["skies"]}
            for h in (house, day)
        )
        assert was != now
        lights = day.procedural_parameters.lights
        assert lights[0].rotation is not None
        assert min(abs(lights[0].rotation.x - hours[name]["pitch"]) for name in now) < 20
        assert lights[0].intensity > 0


def test_strength_0_is_the_same_house():
    for house in (*houses()[::10], with_unknown_assets()):
        day = perturb_house(house, 5, 0.0)
        assert day.model_copy(update={"metadata": house.metadata}).canonical() == house.canonical()
        assert day.digest() == house.digest()
        assert day.space_id != house.space_id


def test_same_arguments_same_bytes_other_seed_other_day():
    again = [perturb_house(flat(), seed, 0.5).canonical() for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]


def test_lights_and_objects_leave_each_other_alone():
    both, lights, objects = (
        last(perturb_house(flat(), 3, 0.5, lights=on, objects=off))
        for on, off in ((True, True), (True, False), (False, True))
    )
    assert (lights["lights"], lights["sky"], lights["switches"]) == (
        both["lights"],
        both["sky"],
        both["switches"],
    )
    assert lights["objects"] == []
    assert objects["objects"] == both["objects"]
    assert (objects["lights"], objects["sky"], objects["switches"]) == ([], None, [])
    with pytest.raises(ValueError, match="lights, objects or both"):
        perturb_house(flat(), 3, lights=False, objects=False)
    with pytest.raises(ValueError, match="from 0"):
        perturb_house(flat(), 3, 1.5)


def test_names_tell_the_day():
    name = flat().space_id
    day = perturb_house(flat(), 3)
    assert day.space_id == f"{name}+p3s50"
    assert perturb_house(flat(), 3, 0.25, objects=False).space_id == f"{name}+p3s25-lights"
    assert perturb_house(day, 8, objects=True, lights=False).space_id == f"{name}+p3s50+p8s50-objects"
    stranger = with_unknown_assets()
    assert perturb_house(stranger, 3).space_id == f"{stranger.space_id}+p3s50"


def test_a_sequence_of_days_is_listed_step_by_step(tmp_path):
    first = perturb_house(flat(), 1, 0.5)
    second = perturb_house(first, 2, 0.5)
    second.save(tmp_path / "second.json")
    steps = House.load(tmp_path / "second.json").metadata["testspace"]["perturbation"]
    assert [step["of"] for step in steps] == [flat().digest(), first.digest()]
    made = flat()
    for step in steps:
        made = apply_changes(made, step)
    assert made.digest() == second.digest()
    assert not faults(second) - faults(flat())
    with pytest.raises(ValueError, match="not of"):
        apply_changes(flat(), steps[1])


def test_any_house_read():
    house = with_unknown_assets()
    day = perturb_house(house, 2, 1.0)
    assert not faults(day) - faults(house)
    moved = {change["id"] for change in last(day)["objects"]}
    assert moved
    for item, parent in house.all_objects():
        strange = item.asset_id == "Crown_1" or (parent is not None and parent.asset_id == "Throne_1")
        assert not (item.id in moved and (strange or item.rotation.x == 90.0))
    assert day.unknown_keys() == house.unknown_keys()
    assert "testspace" not in house.metadata, "the original is left alone"


def test_the_compiled_scene_changes_and_only_where_it_should():
    def lights(scene: SceneGeometry) -> list[dict]:
        return [vars(light) for light in scene.lights]

    library = AssetLibrary(None)
    before = compile_house(flat(), library)
    days = [perturb_house(flat(), seed, 1.0, objects=False) for seed in range(8)]
    assert any(light.intensity == 0 for day in days for light in day.procedural_parameters.lights)
    for day in days:
        after = compile_house(day, library)
        assert vars(after.sky) != vars(before.sky)
        assert lights(after) != lights(before)
        assert [(i.name, i.class_id, i.instance_id) for i in after.instances] == [
            (i.name, i.class_id, i.instance_id) for i in before.instances
        ], "a lamp that is off still hangs there"
    moved = compile_house(perturb_house(flat(), 0, 1.0, lights=False), library)
    assert lights(moved) == lights(before)
    assert Counter(i.name for i in moved.instances) == Counter(i.name for i in before.instances)


def test_a_room_without_daylight_keeps_its_lamp():
    for house in houses():
        bright = {window.room0 for window in house.windows}
        for seed in range(3):
            day = perturb_house(house, seed, 1.0, objects=False)
            assert any(light.intensity > 0 for light in day.procedural_parameters.lights)
            for light in day.procedural_parameters.lights[1:]:
                room = f"room|{light.id.removeprefix('light_')}"
                assert light.intensity > 0 or room in bright


def test_things_go_where_their_type_is_found(days):
    """To other furniture of the same room, of a kind that ProcTHOR puts such things on."""
    for house, _, day in days:
        items = {item.id: item for item, _ in house.all_objects()}
        for move in last(day)["objects"]:
            to, was = (items[move[end]["receptacle"]] for end in ("to", "from"))
            if to is not was:
                kind = asset_table()[items[move["id"]].asset_id].type
                types = (
                    recorded(part)["child_types_of_receptacle"] for part in ("multi_room", "single_room")
                )
                assert any(kind in found.get(asset_table()[to.asset_id].type, {}) for found in types)
                assert room_number(to.id) == room_number(was.id), "in the same room"


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path, out = tmp_path / "house.json", tmp_path / "days" / "day.json"
    flat().save(path)
    perturb(PerturbConfig(house=path, out=out, seed=3))
    assert out.read_bytes() == perturb_house(flat(), 3).canonical() + b"\n"
    assert "apartment-000000+p3s50" in capsys.readouterr().out
    perturb(PerturbConfig(house=path, out=out, seed=3, lights=True, strength=1.0))
    assert last(House.load(out))["what"] == ["lights"]
    perturb(PerturbConfig(house=path, out=out, seed=3, objects=True))
    assert last(House.load(out))["what"] == ["objects"]
    with pytest.raises(ValidationError, match="strength"):
        PerturbConfig(house=path, out=out, strength=2.0)
    with pytest.raises(ValueError, match=r"gone\.json"):
        perturb(PerturbConfig(house=tmp_path / "gone.json", out=out))
