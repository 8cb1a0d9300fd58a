"""A run of a study as its folder is while it goes on: a house with frames of it, two arms with predictions, a
training that has not ended, a report."""

import json
from pathlib import Path

import numpy as np
import torch

from engine.store.store import FrameRange, Space, Store
from scenes.house.schema import House
from tests.engine.bare_rooms import write_houses
from tests.engine.conftest import LABELS, SPECS, arrays
from tests.studies.planted_rows import row
from training.common.checkpoint import save_arrays, save_training

FRAMES = 40
REPORT = "<h1>planted report</h1><script>top.document.title = 'it ran'</script>"


def plant_run(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Writes it into `path`; returns truth and prediction of each arm."""
    houses = write_houses(path / "stages" / "houses-a" / "houses", 1)
    house = House.load(houses / "bare-00.json")
    space = Space("bare-00", "external", house.digest(), None, "dense", "raycast", "a test")
    store = Store.create(path / "stages" / "store-a" / "store", SPECS, LABELS)
    runs = [FrameRange(space.id, "eval", "eval-a", 0, FRAMES)]
    frames = arrays("eval", FRAMES, seed=0)
    frames["intrinsics"][:] = 6, 6, 6, 6  # 90 degrees
    store.write_part("eval-a", frames, runs, [space], "config", [{"seed": 0}])
    maps = {arm: _plant_arm(path, arm, seed) for seed, arm in enumerate(("scratch", "mm"))}
    names = ["scratch.json", "mm.json"]
    head = {"study": "planted", "question": "Why?", "preset": "smoke", "rows": names}
    (path / "study.json").write_text(json.dumps(head))
    (path / "rows" / "other.json").write_text("{}")  # of another study that was run into the folder
    plant_curve(path, 20)
    (path / "stages" / "pretrain-a" / "log.txt").write_text("pretrain mm:  20%")
    (path / "report.html").write_text(REPORT)
    return maps


def _plant_arm(path: Path, arm: str, seed: int) -> dict[str, np.ndarray]:
    metrics = {"test/classes": ["a", "b"], "test/frames_digest": "d", "test/miou": 0.5}
    one = row(arm, 0, metrics, arms=[])
    rng = np.random.default_rng(seed)
    maps = {n: rng.integers(0, 3, (2, 8, 8)).astype(np.uint8) for n in ("truth", "prediction")}
    folder = path / one["evaluations"]["test"]
    folder.mkdir(parents=True)
    save_arrays(folder / "predictions.npz", {"rgb": np.zeros((2, 8, 8, 3), np.uint8), **maps})
    (path / "rows").mkdir(exist_ok=True)
    (path / "rows" / f"{arm}.json").write_text(json.dumps(one))
    return maps


def plant_curve(path: Path, points: int) -> None:
    """The checkpoint of the run's training after so many points of its curve."""
    folder = path / "stages" / "pretrain-a"
    folder.mkdir(exist_ok=True)
    model = torch.nn.Linear(1, 1)
    curve = [[step, 3.0 / step] for step in range(1, points + 1)]
    save_training(
        folder / "training.safetensors", model, torch.optim.AdamW(model.parameters()), {"curve": curve}
    )
