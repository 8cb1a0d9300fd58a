"""ProcTHOR's own houses go in and come out unchanged; wrong ones are refused with the place that is wrong."""

import json
from pathlib import Path

import pytest

from scenes.house.schema import House, walls_by_id

GOLDEN = Path(__file__).parents[1] / "golden" / "procthor"
NEW, OLD = GOLDEN / "gen_head_seed1.json", GOLDEN / "gen_wheel_dev2_seed1.json"


def test_same_values_out_as_in():
    assert House.load(NEW).to_json() == json.loads(NEW.read_text())


def test_save_and_load_keep_the_digest(tmp_path):
    house = House.load(NEW)
    house.save(tmp_path / "copy.json")
    again = House.load(tmp_path / "copy.json")
    assert again.digest() == house.digest()
    assert again.canonical() == house.canonical()
    assert house.space_id == house.digest()[:12]


def test_unknown_keys_survive_and_are_listed():
    values = json.loads(NEW.read_text())
    values["objects"][0]["color"] = {"r": 1}
    values["weather"] = "rain"
    house = House.from_json(values)
    assert house.unknown_keys() == ["weather", "objects.0.color"]
    assert house.to_json() == values


def test_schema_0_0_1_is_upgraded():
    old = json.loads(OLD.read_text())
    house = House.load(OLD)
    assert house.metadata["schema"] == "1.0.0"
    assert house.unknown_keys() == []
    assert house.walls[0].material.model_dump() == {
        "name": old["walls"][0]["material"],
        "color": old["walls"][0]["color"],
    }
    box = old["doors"][0]["boundingBox"]
    assert house.doors[0].hole == (box["min"]["x"], box["min"]["y"], box["max"]["x"], box["max"]["y"])
    assert "boundingBox" in old["doors"][0], "the caller's values are left alone"


@pytest.mark.parametrize("path", [NEW, OLD])
def test_walls_follow_the_conventions(path):
    house = House.load(path)
    walls = walls_by_id(house)
    for opening in (*house.doors, *house.windows):
        first, second = walls[opening.wall0], walls[opening.wall1]
        assert first.ends == second.ends[::-1]
        assert opening.hole_on(second)[0] == pytest.approx(second.length - opening.hole[2])
    for room in house.rooms:
        ring = room.polygon
        doubled = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, [*ring[1:], ring[0]], strict=True))
        assert doubled < 0, "clockwise"


def test_errors_name_the_file_and_the_place(tmp_path):
    values = json.loads(NEW.read_text())
    del values["rooms"][1]["roomType"]
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r"broken\.json: rooms\.1\.roomType"):
        House.load(path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"broken\.json"):
        House.load(path)
    with pytest.raises(ValueError, match=r"schema is '2\.0'"):
        House.from_json({"metadata": {"schema": "2.0"}})
