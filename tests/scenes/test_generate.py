"""Houses from seeds: the same bytes, valid, of their family, with furniture that faces its partner."""

import hashlib
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import shapely

from scenes.generate.family import family_names, load_family
from scenes.generate.furnish.room_space import RoomShell, RoomSpace
from scenes.generate.furnish.wall_objects import MARGIN, _on
from scenes.generate.generate import generate_house
from scenes.generate.layout.floorplan import Side, draw_plan_rooms
from scenes.generate.layout.materials import EXTERIOR, PAINT
from scenes.generate.layout.openings import Openings
from scenes.generate.layout.room_spec import draw_areas
from scenes.house.asset_table import asset_table, assets_of_type
from scenes.house.boxes import footprint
from scenes.house.checks.check import check_house
from scenes.house.resting import rest
from scenes.house.schema import House
from scenes.house.upgrade import SCHEMA
from scenes.seeding import rng

SEEDS = range(6)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def houses() -> dict[str, list[House]]:
    return {family: [generate_house(seed, family) for seed in SEEDS] for family in family_names()}


def test_valid_in_every_family(houses):
    every = [house for made in houses.values() for house in made]
    assert [f"{house.space_id} {fault}" for house in every for fault in check_house(house)] == []


def test_same_seed_same_bytes_in_another_process(houses):
    code = (
        "import hashlib; from scenes.generate.generate import generate_house;"
        "print(hashlib.sha256(generate_house(3, 'apartment').canonical()).hexdigest())"
    )
    run = [sys.executable, "-c", code]
    environment = {"PYTHONHASHSEED": "1", "PATH": ""}
    out = subprocess.run(run, capture_output=True, text=True, check=True, env=environment, cwd=ROOT).stdout
    assert out.strip() == hashlib.sha256(houses["apartment"][3].canonical()).hexdigest()


def test_seeds_differ(houses):
    assert len({house.digest() for made in houses.values() for house in made}) == len(SEEDS) * len(houses)


def test_written_as_schema_1_0_0(houses, tmp_path):
    for family, made in houses.items():
        house = made[2]
        house.save(tmp_path / "house.json")
        assert House.load(tmp_path / "house.json").to_json() == house.to_json()
        assert house.unknown_keys() == []
        assert house.metadata["schema"] == SCHEMA
        assert house.space_id == f"{family}-000002"


def test_rooms_are_those_of_a_specification(houses):
    for family, made in houses.items():
        specs = {spec.name: sorted(spec.rooms) for spec in load_family(family).room_specs}
        for house in made:
            assert sorted(room.room_type for room in house.rooms) == specs[house.metadata["roomSpecId"]]


def test_areas_follow_the_family():
    family = load_family("apartment")
    areas = {kind: [] for kind in family.areas}
    for seed in range(40):
        spec = family.room_specs[0]
        wanted = draw_areas(family, spec.rooms, rng(seed, "areas"))
        for room in draw_plan_rooms(family, spec.rooms, wanted, rng(seed, "floorplan")):
            areas[room.type].append(room.area)
    for kind, spec in family.areas.items():
        # rooms are made of whole grid cells, so single rooms are off by more than their median is
        assert np.median(areas[kind]) == pytest.approx(spec.median, rel=0.25)


@pytest.mark.parametrize("pair", [("procthor", "procthor-heldout"), ("apartment", "apartment-heldout")])
def test_held_out_families_share_nothing(houses, pair):
    used = []
    for family in pair:
        assets = {item.asset_id for house in houses[family] for item, _ in house.all_objects()}
        assets |= {hole.asset_id for house in houses[family] for hole in (*house.doors, *house.windows)}
        finishes = {room.floor_material.name for house in houses[family] for room in house.rooms}
        finishes |= {wall.material.name for house in houses[family] for wall in house.walls}
        used.append((assets, finishes - {PAINT, EXTERIOR.name}))
    assert not used[0][0] & used[1][0]
    assert not used[0][1] & used[1][1]
    assert min(len(assets) for assets, _ in used) > 50


def test_every_room_has_a_lamp_and_the_house_a_sun(houses):
    for made in houses.values():
        for house in made:
            lights = house.procedural_parameters.lights
            assert [light.type for light in lights] == ["directional"] + ["point"] * len(house.rooms)
            for light, room in zip(lights[1:], house.rooms, strict=True):
                lamp = shapely.Point(light.position.x, light.position.z)
                assert shapely.Polygon(room.polygon).contains(lamp)


def test_things_lie_on_tops_on_seats_and_lower_boards_and_inside(houses):
    counted = Counter()
    for made in houses.values():
        for house in made:
            for item, parent in house.all_objects():
                if parent is not None:
                    found = rest(item, parent)
                    assert found is not None
                    assert abs(found.off) < 1e-4
                    counted[found.board.kind] += 1
    assert counted.keys() >= {"top", "shelf", "drawer", "seat", "inside"}
    assert 0.5 < counted["top"] / counted.total() < 0.8


def test_one_front_door(houses):
    for made in houses.values():
        for house in made:
            assert len([door for door in house.doors if door.room0 == door.room1]) == 1


def test_chairs_at_a_table_face_it(houses):
    table, facing = asset_table(), 0
    for made in houses.values():
        for house in made:
            groups: dict[str, list] = {}
            for item in house.objects:
                if item.id.count("|") == 2:
                    groups.setdefault(item.id.rsplit("|", 1)[0], []).append(item)
            for leader, *members in groups.values():
                if table[leader.asset_id].type not in ("DiningTable", "Desk"):
                    continue
                at = leader.position
                top = footprint(table[leader.asset_id], leader.rotation.y, at.x, at.z)
                for chair in members:
                    yaw = math.radians(chair.rotation.y)
                    ahead = 0.2 + table[chair.asset_id].size[2] / 2
                    x = chair.position.x + ahead * math.sin(yaw)
                    z = chair.position.z + ahead * math.cos(yaw)
                    assert top.x0 <= x <= top.x1
                    assert top.z0 <= z <= top.z1
                    facing += 1
    assert facing > 10


def test_beds_have_their_back_to_a_wall(houses):
    table, beds = asset_table(), 0
    for made in houses.values():
        for house in made:
            walls = shapely.MultiLineString([wall.ends for wall in house.walls if not wall.empty])
            for item in house.objects:
                if table[item.asset_id].type == "Bed":
                    yaw, half = math.radians(item.rotation.y), table[item.asset_id].size[2] / 2
                    back = (item.position.x - half * math.sin(yaw), item.position.z - half * math.cos(yaw))
                    assert walls.distance(shapely.Point(back)) < 0.05
                    beds += 1
    assert beds > 10


def test_unknown_family_names_those_there_are():
    with pytest.raises(ValueError, match="apartment, apartment-heldout, procthor, procthor-heldout"):
        generate_house(0, "castle")


def test_streams_are_independent_of_each_other():
    assert rng(1, "a").random() == rng(1, "a").random()
    paths = [(1, "a"), (2, "a"), (1, "b"), (1, "a", 0)]
    assert len({rng(*path).random() for path in paths}) == 4
    assert rng(1, "a", 0).random() != rng(1, "a", "0").random()


@pytest.mark.parametrize(("family", "seed"), [("studio", 542)])
def test_houses_that_once_went_wrong(family, seed):
    """In this one the agent once stood in a pocket between furniture that nobody gets out of."""
    assert check_house(generate_house(seed, family)) == []


def test_a_picture_as_wide_as_its_wall():
    """Widths for which length - width - margins is a rounding error below what it was compared with."""
    tried = 0
    for asset in assets_of_type("Painting"):
        room = draw_plan_rooms(load_family("studio"), ("Bedroom",), [20.0], rng(0, "wall"))[0]
        space = RoomSpace(RoomShell(room, Openings(), 4.0))
        length = asset.size[0] + 2 * MARGIN
        side = Side(room.number, (0.0, 0.0), (length, 0.0), None)
        for seed in range(20):
            piece = _on(space, side, asset, rng(seed, "picture"))
            assert piece is None or abs(piece.x - length / 2) < 0.001
            tried += 1
    assert tried > 100
