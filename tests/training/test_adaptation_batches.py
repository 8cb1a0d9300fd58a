"""Batches of test-time training: by recorded rule, each frame once."""

import json
from pathlib import Path

import numpy as np
import pytest

from training.adaptation.batches import geographic_batches, grouped_batches, random_batches

RECORDED = json.loads(
    (Path(__file__).parents[1] / "golden/modality_generalization/geo_batches.json").read_text()
)


@pytest.mark.parametrize("case", RECORDED)
def test_recorded_bisections_come_out_the_same(case):
    points, size = np.array(RECORDED[case]["points"]), int(case.partition("_b")[2])
    found = geographic_batches(points, size)
    assert [batch.tolist() for batch in found] == RECORDED[case]["batches"]


@pytest.mark.parametrize("frames", [0, 1, 7, 16, 100])
def test_every_frame_is_in_one_batch(frames):
    rng = np.random.default_rng(0)
    groups = rng.integers(5, size=frames)
    batchings = {
        "random": random_batches(frames, 8, rng),
        "geographic": geographic_batches(rng.random((frames, 2)), 8),
        "grouped": grouped_batches(groups, 8),
    }
    for name, batches in batchings.items():
        assert sorted(np.concatenate([[], *batches]).tolist()) == list(range(frames)), name
    if frames:
        assert max(map(len, batchings["random"])) <= 8
        for name in ("geographic", "grouped"):
            assert max(map(len, batchings[name])) < 16
    if frames >= 8:
        assert min(map(len, batchings["geographic"])) >= 8


def test_batches_are_of_neighbours():
    rng = np.random.default_rng(0)
    points = rng.random((400, 2))

    def spread(batches: list[np.ndarray]) -> float:
        return float(np.mean([points[batch].std(0).mean() for batch in batches]))

    assert spread(geographic_batches(points, 8)) < 0.3 * spread(random_batches(400, 8, rng))
    # Where all stand in one place no rectangle has a longer side, and batches are still of the size.
    assert {len(batch) for batch in geographic_batches(np.zeros((32, 2)), 8)} == {8}


def test_groups_stay_apart_and_in_order():
    groups = ["a"] * 5 + ["b"] * 2 + ["a"] * 3
    assert [batch.tolist() for batch in grouped_batches(groups, 3)] == [[0, 1, 2], [3, 4, 7, 8, 9], [5, 6]]
    with pytest.raises(ValueError, match="batches of 0 frames"):
        grouped_batches(groups, 0)
