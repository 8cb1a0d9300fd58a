"""The sheets that people look at assets and houses by."""

from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from agents.sheets.assets import AssetSheetConfig, asset_sheet
from agents.sheets.houses import HouseSheetConfig, house_sheet, rooms_to_view, viewpoint
from agents.sheets.studio import photograph
from agents.simulator import make_simulator
from scenes.generate.generate import generate_house
from scenes.house.asset_table import assets_of_type
from scenes.meshes.geometry import FloorRegion
from scenes.meshes.libraries.library import AssetLibrary, default_library
from tests.agents.rooms_by_hand import room


@pytest.fixture
def shapes(monkeypatch: pytest.MonkeyPatch):
    """Furniture of shapes only."""
    default_library.cache_clear()
    monkeypatch.setenv("TESTSPACE_FURNITURE", "")
    yield
    default_library.cache_clear()


def test_a_thing_fills_its_picture_and_shows_its_front():
    """A television's screen is dark, its back too; a painting's picture is on its front only."""
    mesh = AssetLibrary(None).mesh(assets_of_type("Painting")[0])
    front, behind = (photograph([mesh], 64, yaw_deg=yaw)[0].astype(float) for yaw in (0.0, 180.0))
    ground = np.median(front[:6].reshape(-1, 3), axis=0)
    thing = np.abs(front - ground).max(-1) > 12
    rows, columns = np.flatnonzero(thing.any(1)), np.flatnonzero(thing.any(0))
    assert 35 < max(np.ptp(rows), np.ptp(columns)) < 63
    middle = (slice(22, 42), slice(22, 42))
    assert front[middle].std(axis=(0, 1)).max() > 2 * behind[middle].std(axis=(0, 1)).max()


def test_a_sheet_has_a_picture_a_type_and_a_page(tmp_path: Path, shapes: None):
    config = AssetSheetConfig(
        out=tmp_path / "a.png", types=("Mug", "Chair", "Doorway"), size=40, columns=2, table=tmp_path / "a.md"
    )
    asset_sheet(config)
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size[0] == 2 * 44
    page = (tmp_path / "a.md").read_text(encoding="utf-8")
    assert "![one asset of every object type](a.png)" in page
    assert "| Mug |" in page
    with pytest.raises(ValueError, match=r"unknown object types Unicorn; there are .*Chair"):
        asset_sheet(AssetSheetConfig(out=tmp_path / "b.png", types=("Unicorn",)))


def test_rooms_are_seen_largest_first_and_every_type_once_before_any_twice():
    def square(name: str, kind: str, side: float) -> FloorRegion:
        return FloorRegion(name, kind, np.array([[0.0, 0.0], [side, 0.0], [side, side], [0, side]]), 0.0, 2.5)

    floor = (square("a", "Bedroom", 3), square("b", "Bedroom", 5), square("c", "Bathroom", 2))
    assert [r.room_id for r in rooms_to_view(floor, 3)] == ["b", "c", "a"]
    assert [r.room_id for r in rooms_to_view(floor, 5)] == ["b", "c", "a", "b", "c"]


def test_an_eye_stands_in_its_room_and_looks_at_the_middle():
    space = room(size=(4.0, 2.5, 6.0))
    simulator = make_simulator("raycast")
    simulator.load(space)
    pose = viewpoint(simulator, space.floor[0], 1.5, 80.0)
    x, y, z = pose[:3, 3]
    assert y == pytest.approx(1.5)
    assert shapely.Polygon(space.floor[0].polygon).contains(shapely.Point(x, z))
    ahead = pose[[0, 2], 2] / np.linalg.norm(pose[[0, 2], 2])
    towards = np.array([2.0 - x, 3.0 - z])
    np.testing.assert_allclose(ahead, towards / np.linalg.norm(towards), atol=1e-6)


def test_a_house_sheet_shows_every_house(tmp_path: Path, shapes: None):
    paths = []
    for seed in (1, 2):
        paths.append(tmp_path / f"house-{seed}.json")
        generate_house(seed, "studio").save(paths[-1])
    house_sheet(
        HouseSheetConfig(houses=tuple(paths), out=tmp_path / "sheet.png", views=2, columns=2, width=64)
    )
    with Image.open(tmp_path / "sheet.png") as picture:
        assert picture.size == (2 * 68, 2 * (48 + 18))
