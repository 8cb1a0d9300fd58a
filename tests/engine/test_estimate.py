"""`tst collect --dry-run`: what it would take, with nothing written."""

import pytest

from engine.collect.collect import CollectConfig, collect, estimate
from engine.collect.estimate import Rates, estimated
from engine.collect.plan import HouseRef, plan_parts
from engine.commands import collect as command
from engine.store.contents import contents
from engine.store.store import Store

from .bare_rooms import write_houses

HOUSES = [HouseRef(f"/h/{i}.json", f"digest-{i}", f"house-{i}") for i in range(5)]


def test_the_sum_is_of_frames_and_loads():
    tasks = plan_parts("eval", HOUSES, 10, 16, "c", [])  # parts of 2, 3, 3, 1 houses
    e = estimated(tasks, 7, 2, Rates(house_s=10.0, frame_s=1.0, frame_bytes=100.0, part_files=18))
    assert (e.frames, e.present, e.parts, e.files, e.bytes) == (50, 7, 4, 72, 5000)
    loads = sum(len(t.segments) for t in tasks)
    assert e.core_s == 50 + 10 * loads
    assert e.wall_s == e.core_s / 2
    assert e.dollars(3.6) == pytest.approx(e.core_s / 1000)
    assert estimated([], 50, 2, e.rates).wall_s == 0


def test_a_dry_run_writes_nothing_and_knows_what_is_there(tmp_path, capsys):
    houses = write_houses(tmp_path / "houses", 3)
    config = CollectConfig(
        houses=[houses], store=tmp_path / "store", role="eval", frames=20, size=16, actors=0, device="cpu"
    )
    before = estimate(config)
    assert not config.store.exists()
    assert (before.frames, before.present, before.parts) == (60, 0, 1)
    made = collect(config)
    store = Store.open(config.store)
    assert before.files == contents(store)["files"]
    assert before.bytes == pytest.approx(made.bytes, rel=0.5)
    kept = {f: f.stat().st_mtime_ns for f in config.store.rglob("*")}
    command(config.model_copy(update={"frames": 30, "dry_run": True}))
    text = capsys.readouterr().out
    assert "30 frames to collect, 60 are there" in text
    assert "hours" in text
    assert {f: f.stat().st_mtime_ns for f in config.store.rglob("*")} == kept
