"""The checker finds a planted fault of each kind, and names it; commands report and draw what they should."""

import json
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from scenes.check import check_house
from scenes.commands import CheckConfig, GenerateConfig, check, generate
from scenes.generate import generate_house
from scenes.house import House
from scenes.plan import draw_plan
from scenes.walkable import walkable

BASE = generate_house(0, "apartment")


def broken(edit) -> set[str]:
    """The rules that a house breaks after `edit` of its JSON values."""
    values = json.loads(BASE.canonical())
    edit(values)
    return {fault.rule for fault in check_house(House.model_validate(values))}


def with_children(values):
    return next(item for item in values["objects"] if item.get("children"))


def standing(values):
    return next(item for item in values["objects"] if item["position"]["y"] < 0.4)


def test_the_untouched_house_is_valid():
    assert check_house(BASE) == []


def test_an_object_pushed_out_of_its_room():
    def edit(values):
        standing(values)["position"]["x"] += 30.0

    assert "inside" in broken(edit)


def test_an_object_in_the_air():
    def edit(values):
        standing(values)["position"]["y"] += 0.5

    assert "inside" in broken(edit)


def test_two_objects_in_one_place():
    def edit(values):
        twin = json.loads(json.dumps(values["objects"][0]))
        twin["id"] += "9"
        twin.pop("children", None)
        values["objects"].append(twin)

    assert "overlaps" in broken(edit)


def test_a_small_object_that_floats():
    def edit(values):
        with_children(values)["children"][0]["position"]["y"] += 0.03

    assert broken(edit) == {"resting"}


def test_a_small_object_beside_its_receptacle():
    def edit(values):
        parent = with_children(values)
        parent["children"][0]["position"]["x"] = parent["position"]["x"] + 3.0

    assert "resting" in broken(edit)


def test_holes_that_do_not_meet():
    def edit(values):
        wall = next(w for w in values["walls"] if w["id"] == values["doors"][0]["wall1"])
        for vertex in wall["polygon"]:
            vertex["x"] += 0.05
            vertex["z"] += 0.05

    assert "holes" in broken(edit)


def test_a_hole_beyond_its_wall():
    def edit(values):
        for vertex in values["windows"][0]["holePolygon"]:
            vertex["x"] += 5.0

    assert "holes" in broken(edit)


def test_a_room_without_a_door():
    def edit(values):
        values["doors"] = [door for door in values["doors"] if door["room0"] == door["room1"]]

    assert broken(edit) == {"reachable"}


def test_something_in_a_doors_way():
    values = json.loads(BASE.canonical())
    for seed in range(20):
        values = json.loads(generate_house(seed, "apartment").canonical())
        doors = [door for door in values["doors"] if door.get("openable")]
        if doors:
            break
    walls = {wall["id"]: wall for wall in values["walls"]}
    (a, b), hole = walls[doors[0]["wall1"]]["polygon"][:2], doors[0]["holePolygon"]
    length = abs(b["x"] - a["x"]) + abs(b["z"] - a["z"])
    t = 1 - (hole[0]["x"] + hole[1]["x"]) / 2 / length
    ux, uz = (b["x"] - a["x"]) / length, (b["z"] - a["z"]) / length
    item = standing(values)
    item["position"]["x"] = a["x"] + (b["x"] - a["x"]) * t + 0.4 * uz
    item["position"]["z"] = a["z"] + (b["z"] - a["z"]) * t - 0.4 * ux
    assert "swings" in {fault.rule for fault in check_house(House.model_validate(values))}


def test_unknown_assets_and_double_ids():
    def edit(values):
        values["objects"][0]["assetId"] = "Throne_1"
        values["objects"][1]["id"] = values["objects"][0]["id"]

    assert {"assets", "ids"} <= broken(edit)


def test_a_wider_body_has_less_floor():
    areas = [walkable(BASE, radius).area for radius in (0.1, 0.2, 0.4)]
    assert areas == sorted(areas, reverse=True)
    assert areas[0] > areas[2] > 0


def test_the_plan_shows_every_room():
    image = draw_plan(BASE, 400)
    assert max(image.size) == 400
    colors = {tuple(color) for color in np.asarray(image).reshape(-1, 3).tolist()}
    assert {(250, 232, 208), (222, 238, 220), (220, 230, 246), (216, 238, 242)} <= colors


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
    assert check(CheckConfig(houses=(tmp_path / "houses",))) == 1
    assert faulty["objects"][0]["id"] in capsys.readouterr().out
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no house"):
        check(CheckConfig(houses=(tmp_path / "empty",)))
    with pytest.raises(ValidationError, match="colour"):
        GenerateConfig.model_validate({"out": Path("x"), "colour": 1})
