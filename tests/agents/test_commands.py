"""`tst houses show` and `tst bench render` take houses and scans alike; `tst bench load` measures houses."""

import json
from pathlib import Path

import pytest
from PIL import Image

from agents.bench.load import STAGES, BenchLoadConfig, bench_load, load_seconds
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


HOUSE = Path(__file__).parents[1] / "golden" / "procthor" / "gen_head_seed1.json"


def test_loading_is_measured_by_stage() -> None:
    seconds = load_seconds([str(HOUSE)], "cpu")
    assert set(seconds) == {"all", *STAGES, "last"}
    assert all(seconds[stage] > 0 for stage in STAGES)
    assert seconds["all"] == pytest.approx(sum(seconds[stage] for stage in STAGES), abs=1e-3)


@pytest.mark.slow
def test_loading_is_measured_in_fresh_processes_that_leave_the_cache_of_the_user_alone(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TESTSPACE_CACHE", str(tmp_path))
    bench_load(BenchLoadConfig(houses=(HOUSE,)))
    figures = json.loads(capfd.readouterr().out)
    assert set(figures["seconds_per_house"]) == {"no_cache", "empty_cache", "warm_cache"}
    assert figures["houses"] == 1
    assert figures["cache_files"] > 20
    assert list(tmp_path.iterdir()) == []
