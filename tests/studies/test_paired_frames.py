"""Comparisons frame by frame: which frames are paired, what is claimed, and what is not shown."""

from typing import Any

import numpy as np
import pytest

from studies.report.analysis.rows import Table
from studies.report.paired_frames import frame_by_frame, frame_pairs
from tests.studies.planted_rows import row

ARMS = ["joint", "adapted", "same"]
REPORT = {"form": "bars", "metrics": ["test/miou"], "claims": [["adapted", "joint"], ["same", "joint"]]}


def scored(arm: str, repeat: int, scores: Any, digest: str = "of the same frames") -> dict[str, Any]:
    metrics = {"test/miou": 0.4, "test/frame_miou": scores, "test/frames_digest": digest}
    return row(arm, repeat, metrics, arms=ARMS, report=REPORT)


def test_frames_are_paired_and_repeats_of_a_frame_averaged():
    rng = np.random.default_rng(0)
    joint = [rng.random(40).tolist() for _ in range(2)]
    gains = [rng.uniform(-0.02, 0.1, 40) for _ in range(2)]
    joint[0][7] = joint[1][7] = None  # no labels there
    rows = []
    for repeat in range(2):
        adapted = [None if s is None else s + g for s, g in zip(joint[repeat], gains[repeat], strict=True)]
        rows += [scored("joint", repeat, joint[repeat]), scored("adapted", repeat, adapted)]
        rows += [scored("same", repeat, joint[repeat])]
    better, same = frame_pairs(Table(rows))
    np.testing.assert_allclose(better.differences, np.delete(np.mean(gains, axis=0), 7))
    assert better.p < 1e-6
    assert better.stands_among_all
    assert same.p == 1
    assert not same.stands_among_all
    page = frame_by_frame(Table(rows))
    assert "adapted against joint" in page
    assert ">39<" in page


def test_frames_of_other_houses_add_up_and_others_are_not_paired():
    a, b = [0.1, 0.2, 0.4], [0.2, 0.4, 0.3]
    rows = [scored("joint", 0, a, "x"), scored("adapted", 0, b, "x")]
    rows += [scored("joint", 1, a, "y"), scored("adapted", 1, b, "y")]
    rows += [scored("joint", 2, a, "z"), scored("adapted", 2, b, "another's")]
    (found,) = frame_pairs(Table(rows))
    assert found.differences.tolist() == pytest.approx([0.1, 0.2, -0.1] * 2)


def test_without_scores_of_frames_there_is_no_section():
    rows = [row(arm, 0, {"test/miou": 0.4}, arms=ARMS, report=REPORT) for arm in ARMS]
    assert frame_by_frame(Table(rows)) == ""
