"""`tst houses show` and `tst bench render` take houses and scans alike."""

import json
from pathlib import Path

import pytest
from PIL import Image

from agents.commands import BenchRenderConfig, ShowHouseConfig, bench, show_house
from scenes.formats.glb import export_glb
from tests.agents.rooms_by_hand import room


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "room.glb"
    export_glb(room(), path)
    return path


def test_a_scan_is_shown_without_a_plan(scan: Path, tmp_path: Path) -> None:
    show_house(ShowHouseConfig(house=scan, out=tmp_path / "a.png", views=2, size=32))
    with Image.open(tmp_path / "a.png") as picture:
        assert picture.size == (32, 64)
    with pytest.raises(ValueError, match="no plan"):
        show_house(ShowHouseConfig(house=scan, out=tmp_path / "b.png", views=0))


def test_a_scan_is_measured(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench(BenchRenderConfig(house=scan, size=16, frames=2))
    assert json.loads(capsys.readouterr().out)["triangles"] == 72
