"""What is read comes back out, in both schemas, with keys that nobody knows; what is wrong is refused by its
place in the JSON and the reason."""

import copy
import json
import math
import pickle
from pathlib import Path

import pytest

from scenes.generate.generate import generate_house
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.libraries.library import AssetLibrary

GOLDEN = {p.stem: p for p in sorted((Path(__file__).parents[1] / "golden" / "procthor").glob("*.json"))}
NEW, OLD = "gen_head_seed0", "gen_wheel_dev2_seed4"


def values_of(name: str) -> dict:
    return json.loads(GOLDEN[name].read_text())


def leaves(value) -> list:
    """Types and values of everything in it, so that true is told from 1."""
    if isinstance(value, dict):
        return [(key, leaves(value[key])) for key in sorted(value)]
    if isinstance(value, list):
        return [leaves(item) for item in value]
    return [isinstance(value, bool), value]


def come_back(values: dict) -> House:
    """Reads a house, and asserts that it comes back out, also by way of a file of schema 1.0.0."""
    given = copy.deepcopy(values)
    house = House.from_json(values)
    again = House.from_json(json.loads(house.canonical()))
    for one in (house, again, pickle.loads(pickle.dumps(house))):
        assert leaves(one.to_json(one.source_schema)) == leaves(given)
        assert one.to_json()["metadata"]["schema"] == "1.0.0"
        assert one.digest() == house.digest()
    assert values == given, "the caller's values are left alone"
    return house


@pytest.mark.parametrize("name", GOLDEN)
def test_the_samples_come_back_and_compile(name):
    values = values_of(name)
    house = come_back(values)
    assert house.source_schema == values["metadata"]["schema"]
    assert house.unknown_keys() == []
    scene = compile_house(house, AssetLibrary(None))
    assert {item.id for item, _ in house.all_objects()} <= {i.name for i in scene.instances}


def test_generated_houses_pass():
    for seed in range(3):
        house = generate_house(seed)
        assert come_back(house.to_json()).digest() == house.digest()


def objects_in(value, path=()):
    """Every JSON object in a house, with its path; those in metadata excepted, which is free."""
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            if key != "metadata":
                yield from objects_in(item, (*path, key))
    elif isinstance(value, list):
        for i, item in enumerate(value):
            yield from objects_in(item, (*path, i))


@pytest.mark.parametrize("name", GOLDEN)
def test_unknown_keys_survive_everywhere(name):
    values = values_of(name)
    found = list(objects_in(values))
    for number, (_, item) in enumerate(found):
        item["zz_unknown"] = {"n": number, "list": [1, None, {"deep": "é"}]}
        item["floor_polygon"] = number  # the name of a field, but not its key
    values["metadata"]["agentPoses"] = {"locobot": {"horizon": 1}}
    kinds = {tuple(k for k in path if isinstance(k, str)) for path, _ in found}
    assert {("objects", "children"), ("objects", "children", "position")} <= kinds
    assert len(found) > 200
    house = come_back(values)
    assert "objects.0.zz_unknown" in house.unknown_keys()
    assert "rooms.0.floorPolygon.0.zz_unknown" in house.unknown_keys()


def test_what_ai2thor_lets_be_absent_or_null():
    values = values_of(NEW)
    for item in values["objects"]:
        item.pop("layer")
        item["children"] = None
        item["isOn"] = item["openness"] = item["material"] = None
    for room in values["rooms"]:
        room["ceilings"] = None
        del room["children"], room["layer"]
    for wall in values["walls"]:
        wall["layer"] = None
    values["walls"][0]["material"]["color"] = None
    window = values["windows"][0]
    window["wall1"] = window["room1"] = None
    del values["windows"][1]["wall1"], values["windows"][1]["room1"]
    values["objects"][0].pop("kinematic")
    parameters = values["proceduralParameters"]
    parameters["reflections"] = parameters["skyboxId"] = None
    del parameters["ceilingMaterial"], values["rooms"][0]["floorMaterial"]
    values["rooms"][1]["floorMaterial"] = {"name": None, "color": {"r": 1, "g": 0, "b": 0}}
    del parameters["floorColliderThickness"]
    parameters["lights"][0]["shadow"] = {"type": "Hard"}
    parameters["lights"][1]["cullingMaskOff"] = parameters["lights"][1]["shadow"] = None
    house = come_back(values)
    assert house.objects[0].children == ()
    assert list(house.all_objects())[-1][1] is None
    assert not house.windows[0].wall1
    compile_house(house, AssetLibrary(None))
    values["doors"] = values["windows"] = values["objects"] = None
    compile_house(come_back(values), AssetLibrary(None))
    del values["doors"], values["windows"], values["objects"]
    assert come_back(values).doors == ()


def test_numbers_may_be_whole_and_outer_walls_of_no_room():
    values = values_of(NEW)
    for wall in values["walls"]:
        if "exterior" in wall["id"]:
            wall["roomId"] = "exterior"
    values["objects"][0]["position"]["x"] = 3
    come_back(values)


def test_an_unknown_asset_is_read_and_refused_by_the_compiler():
    values = values_of(NEW)
    values["objects"][4]["assetId"] = "0a1b2c-objaverse"
    house = come_back(values)
    with pytest.raises(ValueError, match=r"'0a1b2c-objaverse'.*not in scenes/assets/assets\.csv.*--assets"):
        compile_house(house, AssetLibrary(None))


def test_0_0_1_with_every_oddity_comes_back():
    values = values_of(OLD)
    del values["doors"][0]["assetOffset"]
    values["doors"][1]["assetOffset"] |= {"w": 4, "z": 0}
    values["doors"][2]["boundingBox"] |= {"name": "b"}
    values["doors"][3]["boundingBox"]["min"]["w"] = 1
    values["windows"][0]["assetOffset"] = None
    values["walls"][0] |= {"material": {"name": "Brick", "color": None}, "color": {"r": 1, "g": 0, "b": 0}}
    values["walls"][1] |= {"material": {"name": "Brick", "tilingDivisorX": 2}}
    values["walls"][2]["color"] = None
    values["objects"][0] |= {"material": "Oak", "color": {"r": 1, "g": 0, "b": 0, "a": 0.5}}
    values["objects"][1]["color"] = "red"
    values["rooms"][0]["floorColor"] = {"r": 0, "g": 0, "b": 1}
    del values["proceduralParameters"]["ceilingColor"]
    values["metadata"]["testspace"] = {"a": 1}
    house = come_back(values)
    assert house.rooms[0].floor_material.color is not None
    values["metadata"]["testspace"] = {}
    come_back(values)
    del values["metadata"]["schema"]
    assert come_back(values).source_schema == "0.0.1", "by its look"
    del values["metadata"]
    assert come_back(values).source_schema == "0.0.1"


def test_metadata_may_be_absent():
    values = values_of(NEW)
    del values["metadata"]
    house = House.from_json(values)
    assert house.to_json() == values
    assert house.source_schema == "1.0.0"


def test_0_0_1_written_after_a_change():
    house = House.load(GOLDEN[OLD])
    moved = house.objects[0].position.model_copy(update={"x": 1.5})
    objects = (house.objects[0].model_copy(update={"position": moved}), *house.objects[1:-1])
    written = house.model_copy(update={"objects": objects, "doors": house.doors[:2]}).to_json("0.0.1")
    want = values_of(OLD)
    want["objects"] = want["objects"][:-1]
    want["objects"][0]["position"]["x"] = 1.5
    want["doors"] = want["doors"][:2]
    assert written == want


def test_0_0_1_is_for_what_was_read_in_it(tmp_path):
    house = House.load(GOLDEN[OLD])
    house.save(tmp_path / "house.json")
    assert json.loads((tmp_path / "house.json").read_text())["metadata"]["schema"] == "1.0.0"
    assert House.load(tmp_path / "house.json").to_json("0.0.1") == values_of(OLD)
    with pytest.raises(ValueError, match=r"read in schema 0\.0\.1"):
        House.load(GOLDEN[NEW]).to_json("0.0.1")
    with pytest.raises(ValueError, match=r"not '2\.0'"):
        house.to_json("2.0")


def put(*path_and_value):
    """An edit: the value at a path."""
    *path, last, value = path_and_value

    def edit(values):
        for key in path:
            values = values[key]
        values[last] = value

    return edit


def floor(*corners):
    return put("rooms", 1, "floorPolygon", [{"x": x, "y": 0, "z": z} for x, z in corners])


def twice(*path):
    def edit(values):
        for key in path:
            values = values[key]
        values.append(copy.deepcopy(values[0]))

    return edit


def flat_wall(axis):
    def edit(values):
        for corner in values["walls"][2]["polygon"]:
            corner.update({"y": 0} if axis == "y" else {"x": 0, "z": 0})

    return edit


def drop(*path):
    def edit(values):
        for key in path[:-1]:
            values = values[key]
        del values[path[-1]]

    return edit


WRONG = [
    (put("doors", 3, "wall0", "wall|9|x"), r"doors\.3\.wall0: there is no wall 'wall\|9\|x'; there are 36"),
    (
        put("doors", 3, "wall0", "wall|4|2.11|4.21|6.32|4.22"),
        r"such as 'wall\|4\|2\.11\|4\.21\|6\.32\|4\.21'",
    ),
    (put("windows", 1, "wall1", "wall|9|x"), r"windows\.1\.wall1: there is no wall"),
    (put("doors", 0, "wall0", ""), r"doors\.0\.wall0: there is no wall ''"),
    (
        put("doors", 0, "room0", "room|99"),
        r"doors\.0\.room0: there is no room 'room\|99'; there are 5",
    ),
    (put("windows", 0, "room1", "room|99"), r"windows\.0\.room1: there is no room"),
    (put("walls", 2, "roomId", "room|99"), r"walls\.2\.roomId: there is no room 'room\|99'"),
    (floor((0, 0), (1, 0)), r"rooms\.1\.floorPolygon: a floor has at least 3 different corners, this one 2"),
    (floor((0, 0), (1, 0), (0, 0), (1, 0)), r"rooms\.1\.floorPolygon: .* this one 2"),
    (floor((0, 0), (1, 0), (2, 0)), r"rooms\.1\.floorPolygon: the floor has no area"),
    (floor((0, 0), (2, 2), (2, 0), (0, 2)), r"rooms\.1\.floorPolygon: .* crosses itself: .*\[1 1\]"),
    (floor((0, 0), (0, 4), (4, 4), (4, 0), (1, 0), (1, 5), (2, 5), (2, 0)), r"rooms\.1\..* crosses itself"),
    (put("walls", 2, "polygon", []), r"walls\.2\.polygon: a wall has 4 corners, this one 0"),
    (flat_wall("y"), r"walls\.2\.polygon: the wall has no height"),
    (flat_wall("xz"), r"walls\.2\.polygon: the wall has no length"),
    (put("doors", 0, "holePolygon", 1, "x", 9.0), r"doors\.0\.holePolygon: .* reaches beyond wall\|2\|"),
    (put("doors", 0, "holePolygon", 0, "x", -0.02), r"doors\.0\.holePolygon: .* reaches beyond"),
    (put("windows", 0, "holePolygon", 1, "y", 9.0), r"windows\.0\.holePolygon: .* m high"),
    (put("doors", 0, "holePolygon", 1, {"x": 0.12086328327730812, "y": 0, "z": 0}), "the hole has no area"),
    (put("doors", 0, "holePolygon", []), r"doors\.0\.holePolygon: a hole has at least 2 corners"),
    (put("objects", 3, "position", "x", math.nan), r"objects\.3\.position\.x: nan is no finite number"),
    (put("metadata", "agent", "horizon", math.inf), r"metadata\.agent\.horizon: inf is no finite number"),
    (put("objects", 3, "id", "\ud800"), r"objects\.3\.id: .* lone surrogate"),
    (put("objects", 3, "\udfff", 1), r"objects\.3\.\\udfff: .* lone surrogate"),
    (twice("rooms"), r"rooms\.5\.id: 'room\|2' is the id of rooms\.0 already"),
    (twice("walls"), r"walls\.36\.id: .* is the id of walls\.0 already"),
    (twice("doors"), r"doors\.5\.id: 'door\|2\|4' is the id of doors\.0"),
    (twice("objects"), r"objects\.38\.id: .* is the id of objects\.0 already"),
    (put("windows", 0, "id", "door|2|4"), r"windows\.0\.id: 'door\|2\|4' is the id of doors\.0 already"),
    (put("rooms", []), "rooms: a house has at least one room"),
    (put("walls", []), "walls: not one wall stands"),
    (put("objects", 3, "position", "x", "1.5"), r'objects\.3\.position\.x: "1\.5" would be taken for 1\.5'),
    (put("objects", 3, "position", "x", True), r"objects\.3\.position\.x: true would be taken for 1\.0"),
    (put("objects", 3, "kinematic", 1), r"objects\.3\.kinematic: 1 would be taken for true"),
    (put("objects", 3, "kinematic", "yes"), r'objects\.3\.kinematic: "yes" would be taken for true'),
    (put("objects", 3, "children", {}), r"objects\.3\.children: Input should be a valid tuple"),
    (put("objects", 3, "position", None), r"objects\.3\.position: Input should be"),
    (drop("rooms", 1, "roomType"), r"rooms\.1\.roomType: Field required"),
    (put("objects", 3, "position", "x", 10**400), r"objects\.3\.position\.x: "),
    (put("objects", 3, "position", "x", 2**53 + 1), r"objects\.3\.position\.x: 9007199254740993 would be"),
    (put("metadata", "testspace", 5), r"metadata\.testspace: "),
    (put("metadata", 5), r"metadata: Input should be a valid dictionary"),
    (drop("proceduralParameters"), "proceduralParameters: Field required"),
]


@pytest.mark.parametrize(("edit", "message"), WRONG)
def test_what_is_wrong_is_refused_by_its_place(edit, message):
    values = values_of(NEW)
    edit(values)
    with pytest.raises(ValueError, match=message):
        House.from_json(values)


def test_faults_are_counted():
    values = values_of(NEW)
    for door in values["doors"]:
        door["wall1"] = "wall|9"
    with pytest.raises(ValueError, match=r"doors\.0\.wall1: .* \(and 4 more\)$"):
        House.from_json(values)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (drop("doors", 1, "boundingBox"), r"doors\.1: a hole of schema 0\.0\.1 has a boundingBox"),
        (put("doors", 1, "boundingBox", 7), r"doors\.1: a hole of schema"),
        (put("doors", 1, "boundingBox", "max", "x", "3"), r"doors\.1: a hole of schema"),
        (put("doors", 1, "boundingBox", "max", "z", "a"), r"doors\.1\.boundingBox\.max\.z: Input should be"),
        (put("doors", 1, "boundingBox", "max", "x", 99), r"doors\.1\.boundingBox: .* reaches beyond"),
        (put("walls", 1, "color", {"r": "pink", "g": 0, "b": 0}), r"walls\.1\.color\.r: Input should be"),
        (put("walls", 1, "material", 7), r"walls\.1\.material: Input should be"),
        (put("walls", 7), r"walls: Input should be"),
        (put("objects", [7]), r"objects\.0: Input should be"),
        (put("objects", 0, "children", 7), r"objects\.0\.children: Input should be"),
        (put("metadata", "testspace", 7), r"metadata\.testspace: "),
    ],
)
def test_paths_of_0_0_1_are_those_of_its_file(edit, message):
    values = values_of(OLD)
    edit(values)
    with pytest.raises(ValueError, match=message):
        House.from_json(values)


def test_floors_that_touch_themselves_or_run_the_other_way_are_read():
    values = values_of(NEW)
    room = values["rooms"][0]["floorPolygon"]
    room.reverse()
    come_back(values)
    for ring in (
        [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 1), (1, 1), (1, 0)],
        [(0, 0), (0, 0), (0, 2), (2, 2), (2, 0), (0, 0)],
    ):
        floor(*ring)(values)
        compile_house(come_back(values), AssetLibrary(None))
