"""The bench of training: its products are those of the step, and its rates follow from its times."""

import json

import pytest

from training import bench
from training.encoder import EncoderConfig, Size


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(bench, "SIZES", {"Ti": Size(EncoderConfig(dim=64, depth=2, patch=16), 1)})
    monkeypatch.setattr(bench, "CODES", {"rgb": 32, "depth": 16, "normals": 16, "edges": 16})


@pytest.mark.parametrize("dtype", ["bf16", "fp32"])
def test_a_row(dtype):
    config = bench.BenchTrainConfig(sizes=("Ti",), batch=4, micro_batch=2, image=64, rounds=1, device="cpu")
    row = json.loads(json.dumps(bench.time_steps(config, "Ti", 16, dtype)))
    seconds = row["seconds"]["gradients"] + row["seconds"]["update"]
    assert row["tokens_per_s"] * seconds == pytest.approx(2 * 16 * 4)
    assert row["share"] == pytest.approx(row["seconds"]["products"] / seconds)
    # Products whose gradient nobody needs are left out: those of what is embedded first.
    assert 0.8 < row["product_gflop_per_sample"] / row["gflop_per_sample"] <= 1.05
    assert row["mfu"] is None
    assert row["memory_mb"] > 0
