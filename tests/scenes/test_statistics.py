"""Statistics of houses: counted as ProcTHOR's were, and ours near them."""

import json
from functools import partial
from pathlib import Path

import pytest

from scenes.generate.generate import generate_house
from scenes.generate.statistics.heights import height_class
from scenes.generate.statistics.page import side_by_side
from scenes.generate.statistics.statistics import QUANTILES, compare, measure, recorded
from scenes.house.asset_table import asset_table, assets_of_type
from scenes.house.elements import HouseObject, Vec3
from scenes.house.schema import House
from scenes.house.surfaces import surfaces
from scenes.processes import spread

GOLDEN = Path(__file__).parents[1] / "golden" / "procthor"


def test_counted_by_hand():
    """The head-seed-1 house: a kitchen and a living room, counted in its JSON without our reader."""
    path = GOLDEN / "gen_head_seed1.json"
    raw = json.loads(path.read_text())
    counted = measure([House.load(path)])
    children = sum(len(item.get("children", [])) for item in raw["objects"])
    assert counted["houses"] == 1
    assert counted["rooms_per_house"] == {"2": 1}
    assert counted["doors_per_house_q"] == [len(raw["doors"])] * len(QUANTILES)
    assert counted["top_level_objects_per_house_q"] == [len(raw["objects"])] * len(QUANTILES)
    assert sum(counted["child_height_class_share"].values()) == pytest.approx(1.0, abs=0.002)
    assert counted["child_objects_per_house_q"] == [children] * len(QUANTILES)
    stools = sum(item["assetId"].startswith("Stool") for item in raw["objects"])
    assert stools > 1
    assert counted["objects_of_type_per_room_mean"]["Kitchen"]["Stool"] == stools
    assert counted["room_has_object_type_fraction"]["Kitchen"]["Stool"] == 1.0
    assert counted["objects_of_type_per_room_mean"]["LivingRoom"].get("Stool", 0) == 0


def test_a_table_is_near_itself_and_far_from_another():
    ours = recorded("multi_room")
    assert not [row for row in compare(ours, ours) if row.near is False]
    assert all(row.theirs == pytest.approx(row.ours, abs=0.001) for row in compare(ours, ours))
    half = {**ours, "windows_per_house_q": [0, 0, 0, 0, 0]}
    off = [row for row in compare(half, ours) if row.near is False]
    assert {row.group for row in off} == {"windows_per_house"}
    assert len(off) == len(QUANTILES)


def test_things_are_counted_by_the_height_at_which_they_rest():
    """A television stand with a shelf: a thing counts as on the board that it comes to rest on."""
    stand = asset_table()["TV_Stand_201_1"]
    shelf, top = (board.height for board in surfaces(stand))
    book = assets_of_type("Book")[0]

    def thing(asset, foot: float) -> HouseObject:
        at = Vec3(x=0, y=foot + asset.size[1] / 2, z=0)
        return HouseObject(id=asset.id, asset_id=asset.id, position=at, rotation=Vec3(x=0, y=0, z=0))

    holder = thing(stand, 0.0)
    found = [height_class(thing(book, foot), holder) for foot in (shelf, shelf + 0.055, top, top + 0.055)]
    assert found == ["below", "below", "top", "top"]
    assert height_class(holder, thing(assets_of_type("FloorLamp")[0], 0.0)) is None


def test_the_page_marks_what_is_off():
    ours = recorded("multi_room")
    assert "**!**" not in side_by_side(ours, ours).split("\n", 1)[1]
    page = side_by_side({**ours, "windows_per_house_q": [0, 0, 0, 0, 9]}, ours)
    assert "| windows a house | 1 / 0 **!** |" in page
    assert page.startswith("105 of 110 ")


def test_no_houses():
    with pytest.raises(ValueError, match="no house"):
        measure([])


@pytest.mark.slow
@pytest.mark.parametrize(("family", "part"), [("procthor", "multi_room"), ("studio", "single_room")])
def test_a_thousand_houses_are_hard_to_tell_from_procthors(family, part):
    measured = measure(spread(partial(_house, family), range(1000), workers=0))
    off = [row for row in compare(measured, recorded(part)) if row.near is False]
    assert off == []


def _house(family: str, seed: int) -> House:
    return generate_house(seed, family)
