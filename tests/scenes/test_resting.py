"""Boards of receptacles, and how small objects come to rest on them, in the house and in its geometry."""

import pytest

from scenes.generate.generate import generate_house
from scenes.house.asset_table import Asset, asset_table, assets_of_type
from scenes.house.boards import seen_boards
from scenes.house.elements import HouseObject, Vec3
from scenes.house.resting import rest, settling
from scenes.house.schema import House
from scenes.house.surfaces import surfaces
from scenes.meshes.compile import compile_house
from scenes.meshes.libraries.library import AssetLibrary

STAND = asset_table()["TV_Stand_201_1"]
BOOK = assets_of_type("Book")[0]
BED = asset_table()["Bed_25"]


def thing(asset: Asset, foot: float, pitch: float = 0.0, kinematic: bool = False) -> HouseObject:
    at = Vec3(x=0.0, y=foot + asset.size[1] / 2, z=0.0)
    rotation = Vec3(x=pitch, y=0.0, z=0.0)
    return HouseObject(id=asset.id, asset_id=asset.id, position=at, rotation=rotation, kinematic=kinematic)


def test_the_table_of_boards_is_of_known_assets_and_within_their_boxes():
    assert len(seen_boards()) > 450
    for name, boards in seen_boards().items():
        width, height, depth = asset_table()[name].size
        assert [board.height for board in boards] == sorted(board.height for board in boards)
        for board in boards:
            assert 0.0 <= board.height <= height + 0.02
            assert board.seen > 0
            assert abs(board.region.x0) <= width / 2 + 1e-3 >= abs(board.region.x1)
            assert abs(board.region.z0) <= depth / 2 + 1e-3 >= abs(board.region.z1)
            assert board.region.width > 0 < board.region.depth


def test_there_is_room_above_every_board():
    for name in seen_boards():
        for board in surfaces(asset_table()[name]):
            assert board.clear > 0.0 or board.kind == "top", name


@pytest.mark.parametrize("lift", [0.0, 0.005, 0.055])
def test_a_thing_is_let_down_onto_its_board(lift):
    shelf, top = (board.height for board in surfaces(STAND))
    for height in (shelf, top):
        item = thing(BOOK, height + lift)
        found = rest(item, thing(STAND, 0.0))
        assert found is not None
        assert found.board.height == height
        assert found.off == pytest.approx(lift, abs=1e-6)
        assert settling(item, thing(STAND, 0.0)) == pytest.approx(-lift, abs=1e-6)


def test_a_pillow_written_at_the_height_of_the_bed_falls_on_the_mattress():
    pillow = thing(assets_of_type("Pillow")[0], BED.size[1])
    (mattress,) = surfaces(BED)
    assert settling(pillow, thing(BED, 0.0)) == pytest.approx(mattress.height - BED.size[1])


def test_an_open_laptop_is_let_up_onto_its_board():
    laptop = thing(assets_of_type("Laptop")[0], surfaces(STAND)[-1].height - 0.1)
    assert settling(laptop, thing(STAND, 0.0)) == pytest.approx(0.1)


@pytest.mark.parametrize(
    "item",
    [
        thing(BOOK, surfaces(STAND)[-1].height + 0.05, kinematic=True),
        thing(BOOK, surfaces(STAND)[-1].height + 0.05, pitch=35.0),
        thing(BOOK, STAND.size[1] + 0.5),
        thing(BOOK, surfaces(STAND)[0].height - 0.1),
    ],
    ids=["what is fixed", "what leans", "what floats", "what is sunk in"],
)
def test_is_left_where_it_is(item):
    assert settling(item, thing(STAND, 0.0)) == 0.0


def test_geometry_shows_things_where_they_come_to_rest():
    house = generate_house(0, "studio")
    library = AssetLibrary(None)

    def heights(one: House) -> dict[str, float]:
        return {i.name: float(i.transform[1, 3]) for i in compile_house(one, library).instances}

    values = house.to_json()
    held = next(item for item in values["objects"] if item.get("children"))
    lifted = [child["id"] for child in held["children"] if not child.get("kinematic")]
    for child in held["children"]:
        child["position"]["y"] += 0.05
    before, after = heights(house), heights(House.from_json(values))
    assert lifted
    assert {name: after[name] for name in lifted} == pytest.approx({name: before[name] for name in lifted})
    written = {item.id: item.position.y for item, _ in house.all_objects()}
    assert {name: before[name] for name in written} == pytest.approx(written, abs=0.003)
