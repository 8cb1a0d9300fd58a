"""The bench of training: its products are those of the step, and its rates follow from its times."""

import json

import pytest

from training.bench import train as bench
from training.models.encoder import EncoderConfig, Size


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


def test_memory_is_counted_without_computing(capsys):
    bench.bench_train(bench.BenchTrainConfig(sizes=("Ti",), budgets=(8, 16), rounds=0, image=64))
    rows = json.loads(capsys.readouterr().out)["rows"]
    cases = [(r["budgets"][0], r["dtype"]) for r in rows]
    assert cases == [(b, d) for b in (8, 16) for d in ("bf16", "fp32")]
    by = {(r["budgets"][0], r["dtype"]): r["kept_mb_per_sample"] for r in rows}
    assert by[8, "bf16"] < by[8, "fp32"] < by[16, "fp32"]
    assert 1.8 < by[16, "fp32"] / by[8, "fp32"] < 4  # attention's part grows with the square
    assert rows[0]["model_mb"] == pytest.approx(16e-6 * rows[0]["parameters"])


def test_what_has_no_kernels_for_bf16_is_timed_in_fp32(monkeypatch):
    monkeypatch.setattr(bench, "in_bf16", lambda device, bf16: False)
    timed = []

    class Here:
        """Runs in this process, and times nothing."""

        def __init__(self, *_, **__): ...
        def __enter__(self):
            return self

        def __exit__(self, *_): ...
        def submit(self, work, config, *case):
            timed.append(case)
            return self

        def result(self):
            return {}

    monkeypatch.setattr(bench, "ProcessPoolExecutor", Here)
    bench.bench(bench.BenchTrainConfig(sizes=("Ti",), budgets=(8,), device="cpu"))
    assert timed == [("Ti", 8, "fp32")]
