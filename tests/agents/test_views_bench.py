"""What frames show is counted right, and the command writes its table and sheets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agents.bench.views import BenchViewsConfig, bench_views, shown
from scenes.generate.generate import generate_house
from scenes.house.labels import class_id


def test_objects_and_instances_are_counted():
    semantic = np.full((2, 20, 20), class_id("Wall"), dtype=np.uint8)
    instance = np.zeros((2, 20, 20), dtype=np.uint16)
    semantic[0, :2], instance[0, :2] = class_id("Bed"), 7  # 40 of 400 pixels
    semantic[0, 10, :2], instance[0, 10, :2] = class_id("Mug"), 8
    found = shown(semantic, instance)
    assert found.object_frames == 0.5
    assert found.object_pixels == 42 / 800
    assert found.instances == 1.0, "a bed and a mug in one frame, nothing in the other"
    assert found.groups == 2.0, "wall, bed and object; wall"


def test_a_speck_is_no_instance():
    semantic = np.full((1, 40, 40), class_id("Floor"), dtype=np.uint8)
    semantic[0, 0, :3] = class_id("Mug")
    assert shown(semantic, np.ones((1, 40, 40), dtype=np.uint16)).object_frames == 0.0


def test_a_table_and_a_sheet_for_each_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    house = generate_house(0, "studio")
    house.save(tmp_path / "house.json")
    bench_views(
        BenchViewsConfig(
            houses=(tmp_path / "house.json",), fovs_deg=(90.0,), sizes=(32,), frames=8, out=tmp_path
        )
    )
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert [row.split(" | ")[:2] for row in rows[1:]] == [
        ["| dense", "90"],
        ["| points", "own"],
        ["| walk", "90"],
    ]
    for name in ("dense-90-32", "points-own-32", "walk-90-32"):
        with Image.open(tmp_path / f"sheet-{name}.png") as sheet:
            assert sheet.size == (256, 32)
