"""The checker finds a planted fault of each kind, and names it; commands report and draw what they should."""

import copy
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import shapely
from pydantic import ValidationError

from scenes.commands import CheckConfig, GenerateConfig, check, generate
from scenes.generate.generate import generate_house
from scenes.house.asset_table import asset_table, assets_of_type
from scenes.house.bodies import Bodies, bodies_of, depths, near_pairs, upright_size
from scenes.house.checks.check import RULES, Fault, check_house, errors
from scenes.house.elements import HouseObject, Vec3
from scenes.house.schema import House
from scenes.house.walkable import walkable
from scenes.plan import draw_plan
from scenes.processes import WORTH_A_PROCESS
from tests.scenes.planted import PLANTED, before, can_be_planted, standing, with_children

ROOT = Path(__file__).parents[2]
BASE = next(
    house for house in (generate_house(seed, "apartment") for seed in range(50)) if can_be_planted(house)
)


def faults_of(edit) -> list[Fault]:
    """What is found in the house after `edit` of its JSON values."""
    values = json.loads(BASE.canonical())
    edit(values)
    return check_house(House.model_validate(values))


def faults_after(edit) -> set[str]:
    """The rules that the house breaks after `edit` of its JSON values."""
    return {fault.rule for fault in faults_of(edit)}


def test_the_untouched_house_is_valid():
    assert check_house(BASE) == []


@pytest.mark.parametrize(("rule", "edit"), PLANTED, ids=[edit.__name__ for _, edit in PLANTED])
def test_a_planted_fault_is_found(rule, edit):
    assert rule in faults_after(edit)


def test_every_rule_has_a_planted_fault():
    assert {rule for rule, _ in PLANTED} == set(RULES)


# What is unlike a house of ours and no more; every other planted fault is an error.
NOTES = {
    "a_floor_the_wrong_way_round",
    "a_door_beside_its_hole",
    "a_window_between_rooms",
    "two_suns",
    "a_lamp_in_the_garden",
    "a_lamp_above_the_ceiling",
    "furniture_of_another_room",
    "furniture_in_a_wall",
    "furniture_with_its_feet_in_the_floor",
    "a_picture_over_a_window",
    "a_small_thing_that_floats",
    "a_small_thing_that_sank",
    "a_small_thing_on_its_edge",
    "a_large_thing_on_a_corner",
    "something_where_a_door_swings",
    "a_door_wider_than_the_room_it_opens_into",
    "two_doors_that_open_into_each_other",
    "something_before_the_front_door",
    "a_door_that_stays_shut",
    "an_agent_in_a_wall",
}


# How bad that one is hangs on how large the two are.
SURE = [(rule, edit) for rule, edit in PLANTED if edit.__name__ != "a_thing_2_cm_in_another"]


@pytest.mark.parametrize(("rule", "edit"), SURE, ids=[edit.__name__ for _, edit in SURE])
def test_an_error_is_told_from_a_note(rule, edit):
    levels = {fault.level for fault in faults_of(edit) if fault.rule == rule}
    assert ("error" in levels) == (edit.__name__ not in NOTES)


def test_a_chair_under_a_table_is_no_error_and_two_cupboards_in_one_place_are():
    table = max(assets_of_type("DiningTable"), key=lambda a: a.size[2])
    chair = min(assets_of_type("Chair"), key=lambda a: a.size[1])
    dresser, fridge = assets_of_type("Dresser")[0], assets_of_type("Fridge")[0]

    def in_one_another(one, two) -> set[str]:
        def put(values):
            def thing(name, asset) -> dict:
                at = standing(values)["position"] | {"y": asset.size[1] / 2}
                return {"id": name, "assetId": asset.id, "position": at, "rotation": {"x": 0, "y": 0, "z": 0}}

            values["objects"] = [thing("9|1", one), thing("9|2", two)]

        return {fault.level for fault in faults_of(put) if fault.rule == "overlaps"}

    assert in_one_another(table, chair) == {"note"}
    assert in_one_another(dresser, fridge) == {"error"}
    assert in_one_another(table, table) == {"error"}


def test_what_a_body_can_push_aside_shuts_it_out_of_no_room():
    """One large thing after another before the only way in, first fixed and then not."""

    def barred(kinematic: bool):
        def put(values):
            item = standing(values) | {"kinematic": kinematic}
            objects = []
            for door in values["doors"]:
                for side in ("wall0", "wall1"):
                    for off in (0.1, 0.3, 0.5):
                        at = before(values, door, side, off) | {"y": item["position"]["y"]}
                        objects.append(copy.deepcopy(item) | {"id": f"9|{len(objects)}", "position": at})
            for one in values["walls"]:
                one.pop("empty", None)
            values["objects"] = objects

        return {fault.level for fault in faults_of(put) if fault.rule == "reachable"}

    assert "error" in barred(kinematic=True)
    assert barred(kinematic=False) <= {"note"}


@pytest.mark.parametrize("name", ["a_small_thing_that_floats", "furniture_2_cm_above_the_floor", "two_suns"])
def test_only_what_is_broken_is_told(name):
    rule, edit = next((rule, edit) for rule, edit in PLANTED if edit.__name__ == name)
    assert faults_after(edit) <= {rule}


def test_what_stands_askew_is_checked_by_itself_and_not_by_the_rectangle_around_it():
    """Two benches side by side at 45 degrees: their bounding rectangles share most of their area."""
    bench = max(assets_of_type("Desk"), key=lambda desk: desk.size[0] / desk.size[2])
    _, sy, sz = bench.size

    def thing(name: str, off: float) -> HouseObject:
        at = Vec3(x=off * math.sqrt(0.5), y=sy / 2, z=off * math.sqrt(0.5))
        return HouseObject(
            id=name, asset_id=bench.id, position=at, rotation=Vec3(x=0, y=45, z=0), kinematic=True
        )

    for gap in (0.05, 0.005, -0.005, -0.03):
        bodies = bodies_of([thing("a", 0.0), thing("b", sz + gap)])
        pair = depths(bodies.take(np.array([0])), bodies.take(np.array([1])))
        assert pair[0] == pytest.approx(-gap, abs=1e-9)
        assert near_pairs(bodies).tolist() == [[0, 1]]


@pytest.mark.parametrize(("off", "found"), [(0.0, False), (0.01, False), (0.0102, True)])
def test_the_limit_is_one_centimetre(off, found):
    def lifted(values):
        with_children(values)["children"][0]["position"]["y"] += off

    def pushed(values):
        item = standing(values)
        twin = copy.deepcopy(item) | {"id": item["id"] + "9"}
        sx, _, sz = asset_table()[item["assetId"]].size
        yaw = math.radians(item["rotation"]["y"])
        twin["position"]["x"] += abs(sx * math.cos(yaw)) + abs(sz * math.sin(yaw)) - off
        values["objects"] = [item, twin]

    assert ("resting" in faults_after(lifted)) == found
    assert ("overlaps" in faults_after(pushed)) == found


def test_depth_is_that_of_the_polygons():
    """Boxes are apart if and only if their footprints or their heights are (shapely as the reference)."""
    draws = np.random.default_rng(0)
    n = 400
    yaw = draws.uniform(0, 2 * np.pi, n)
    half = draws.uniform(0.1, 1.0, (n, 2))
    y0 = draws.uniform(0, 1, n)
    bodies = Bodies(
        owner=np.arange(n),
        center=draws.uniform(-2, 2, (n, 2)),
        half=half,
        axis=np.stack([np.cos(yaw), np.sin(yaw)], axis=-1),
        y=np.stack([y0, y0 + draws.uniform(0.1, 1, n)], axis=-1),
    )
    one, two = bodies.take(np.arange(0, n, 2)), bodies.take(np.arange(1, n, 2))
    flat = [
        shapely.intersects(a, b)
        for a, b in zip(*(shapely.polygons(x.corners()) for x in (one, two)), strict=True)
    ]
    tall = np.minimum(one.y[:, 1], two.y[:, 1]) > np.maximum(one.y[:, 0], two.y[:, 0])
    assert ((depths(one, two) > 0) == (np.array(flat) & tall)).all()
    assert 20 < (depths(one, two) > 0).sum() < 180
    assert depths(one, two) == pytest.approx(depths(two, one))


def test_a_thing_on_its_side_is_as_high_as_it_lies():
    book = assets_of_type("Book")[0]
    sx, sy, sz = book.size
    assert upright_size(book, Vec3(x=90, y=30, z=0)) == pytest.approx((sx, sz, sy))
    assert upright_size(book, Vec3(x=0, y=0, z=-90)) == pytest.approx((sy, sx, sz))
    assert upright_size(book, Vec3(x=360, y=12, z=0)) == book.size


def test_what_is_in_a_bowl_in_a_fridge_is_within_the_fridge():
    """A child of a child overlaps the box of its receptacle's receptacle, and that is no fault."""
    values = json.loads(BASE.canonical())
    fridge = next(i for i in values["objects"] if asset_table()[i["assetId"]].type == "Fridge")
    shelf = 0.5 * asset_table()[fridge["assetId"]].size[1]
    stool = min(assets_of_type("Stool"), key=lambda stool: stool.size[1])
    egg = assets_of_type("Egg")[0]

    def child(name: str, asset, foot: float, children=()) -> dict:
        position = fridge["position"] | {"y": foot + asset.size[1] / 2}
        where = {"position": position, "rotation": dict(fridge["rotation"])}
        return {"id": name, "assetId": asset.id, "kinematic": False, "children": list(children), **where}

    inner = child("small|0|98", egg, shelf + stool.size[1])
    fridge["children"] = [child("small|0|99", stool, shelf, [inner])]
    found = check_house(House.from_json(values))
    assert not any(fault.rule == "overlaps" for fault in found), found


def test_a_wider_body_has_less_floor():
    areas = [float(shapely.area(walkable(BASE, radius))) for radius in (0.1, 0.2, 0.4)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[2] > 0


def test_the_plan_shows_every_room():
    image = draw_plan(BASE, 400)
    assert max(image.size) == 400
    colors = {tuple(color) for color in np.asarray(image).reshape(-1, 3).tolist()}
    assert {(250, 232, 208), (222, 238, 220), (220, 230, 246), (216, 238, 242)} <= colors


def test_several_processes_tell_the_same_in_the_same_order(tmp_path, capsys):
    values = json.loads(BASE.canonical())
    for i in range(2 * WORTH_A_PROCESS):
        values["objects"][0]["position"]["y"] += 0.5 * (i % 3 == 0)
        (tmp_path / f"house-{i:02d}.json").write_text(json.dumps(values) if i != 5 else "[")
    told = []
    for workers in (1, 2):
        assert check(CheckConfig(houses=(tmp_path,), workers=workers, verbose=True)) == 1
        told.append(capsys.readouterr().out)
    assert told[0] == told[1]
    assert "house-05.json: file:" in told[0]
    assert "0 of 32 houses are valid" in told[0]


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    """Three houses: one valid, one with two faults of rule `inside`, and a file that is none."""
    folder = tmp_path / "houses"
    folder.mkdir()
    BASE.save(folder / "a.json")
    values = json.loads(BASE.canonical())
    for item in values["objects"][:2]:
        item["position"]["x"] += 100
        item["children"] = []
    (folder / "b.json").write_text(json.dumps(values))
    (folder / "c.json").write_text("[")
    return folder


def test_many_houses_end_with_a_table_and_list_no_fault(houses, capsys):
    assert check(CheckConfig(houses=(houses,))) == 1
    head, *rows, valid, hint = capsys.readouterr().out.splitlines()
    assert head.split() == ["rule", "houses", "errors", "houses", "notes"]
    table = {rule: tuple(map(int, counts)) for rule, *counts in map(str.split, rows)}
    assert table["inside"] == (1, 2, 0, 0)
    assert table["file"] == (1, 1, 0, 0)
    assert valid == "1 of 3 houses are valid"
    assert "--verbose" in hint


def test_each_fault_is_listed_on_request_or_written_to_a_file(houses, tmp_path, capsys):
    out = tmp_path / "new" / "faults.txt"
    assert check(CheckConfig(houses=(houses,), verbose=True, out=out)) == 1
    told = capsys.readouterr().out.splitlines()
    written = out.read_text().splitlines()
    assert told[: len(written)] == written
    assert sum(": inside: " in line for line in written) == 2
    assert told[len(written)].split() == ["rule", "houses", "errors", "houses", "notes"]
    assert told[-1] == f"{out}: {len(written)} findings"
    assert check(CheckConfig(houses=(houses / "a.json", houses / "a.json"), out=out)) == 0
    assert capsys.readouterr().out.splitlines() == ["2 of 2 houses are valid", f"{out}: 0 findings"]
    assert out.read_text() == ""


def test_notes_make_no_house_invalid_but_a_strict_one(tmp_path, capsys):
    values = json.loads(BASE.canonical())
    with_children(values)["children"][0]["position"]["y"] += 0.05
    assert errors(check_house(House.from_json(values))) == []
    (tmp_path / "a.json").write_text(json.dumps(values))
    BASE.save(tmp_path / "b.json")
    assert check(CheckConfig(houses=(tmp_path,))) == 0
    _, row, valid, _ = capsys.readouterr().out.splitlines()
    assert row.split() == ["resting", "0", "0", "1", "1"]
    assert valid == "2 of 2 houses are valid, 1 of them with notes"
    assert check(CheckConfig(houses=(tmp_path,), strict=True)) == 1
    assert "1 of 2 houses are valid\n" in capsys.readouterr().out
    assert check(CheckConfig(houses=(tmp_path / "b.json",), strict=True)) == 0


def test_a_single_house_lists_its_faults(houses, capsys):
    assert check(CheckConfig(houses=(houses / "b.json",))) == 1
    *faults, valid = capsys.readouterr().out.splitlines()
    assert all(line.startswith(f"{houses / 'b.json'}: ") for line in faults)
    assert sum(": inside: " in line for line in faults) == 2
    assert valid == "0 of 1 houses are valid"


def test_no_line_holds_both_the_progress_bar_and_a_finding(houses):
    command = [sys.executable, "tst.py", "houses", "check", str(houses), "--verbose"]
    ran = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert ran.returncode == 1
    (bar,) = (line for line in ran.stdout.split(b"\n") if b"checking" in line)
    assert b".json" not in bar


def test_commands_generate_and_check(tmp_path, capsys):
    config = GenerateConfig(out=tmp_path / "houses", count=2, seed=5, family="apartment")
    paths = generate(config)
    assert [path.name for path in paths] == ["apartment-000005.json", "apartment-000006.json"]
    stamps = [path.stat().st_mtime_ns for path in paths]
    paths[0].write_text("{")
    generate(config)
    assert paths[1].stat().st_mtime_ns == stamps[1], "what is there is left alone"
    assert House.load(paths[0]).space_id == "apartment-000005", "what is damaged is made anew"
    assert check(CheckConfig(houses=(tmp_path / "houses",))) == 0
    faulty = json.loads(paths[1].read_text())
    faulty["objects"][0]["position"]["x"] += 100
    paths[1].write_text(json.dumps(faulty))
    assert check(CheckConfig(houses=(tmp_path / "houses",), verbose=True)) == 1
    assert faulty["objects"][0]["id"] in capsys.readouterr().out
    paths[0].write_text("{")
    assert check(CheckConfig(houses=(tmp_path / "houses",), verbose=True)) == 1
    told = capsys.readouterr().out
    assert f"{paths[0]}: file:" in told, "a broken file is a fault"
    assert f"{paths[1]}: inside: {faulty['objects'][0]['id']}" in told, "and hides no other"
    assert "0 of 2 houses are valid" in told
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no house"):
        check(CheckConfig(houses=(tmp_path / "empty",)))
    with pytest.raises(ValidationError, match="colour"):
        GenerateConfig.model_validate({"out": Path("x"), "colour": 1})
