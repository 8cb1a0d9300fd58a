"""Algorithms of modality generalization compute what public code computed: losses, weights and predictions
of recorded runs."""

from pathlib import Path

import pytest

from tests.training.recorded_runs import algorithm_of, play
from training.generalization.algorithms.registry import ALGORITHMS

GOLDEN = Path(__file__).parents[1] / "golden/modality_generalization"
RUNS = sorted(GOLDEN.glob("*_*_M*.npz"))


@pytest.mark.parametrize("path", RUNS, ids=lambda path: path.stem)
def test_a_recorded_run_comes_out_the_same(path: Path):
    differences = play(path)
    assert {"logits_test"} < differences.keys()
    assert any(key.startswith("step7/") for key in differences)
    assert {key: value for key, value in differences.items() if value > 1e-12} == {}


def test_every_algorithm_was_recorded():
    assert {algorithm_of(path)[1] for path in RUNS} == set(ALGORITHMS)
