"""A run that asks for retrieval: which pre-trained models are asked, what they may read, and the page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.commands import STUDIES
from studies.report.report import write_report
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.retrieve import RetrieveStage
from studies.spec.config import load_study
from tests.studies.planted_rows import bars


def planned(arm: str = "tst-mm", **fields: Any) -> RunPlan:
    """A run of `sensors` with fields of its base changed."""
    asked = {f"base.{k}": v for k, v in fields.items()}
    study = load_study(STUDIES / "sensors.yaml", "smoke", fields=asked)
    return next(p for p in plan(study) if p.run.arm == arm)


def test_the_last_phase_is_asked_on_held_out_frames_of_every_set():
    run = planned(retrieve={"steps": [1]})
    stage = run.evaluations["test/retrieval"]
    assert isinstance(stage, RetrieveStage)
    assert stage.model == run.phases[-1]
    assert stage.store.role == "eval"
    assert set(stage.seen) == set(run.phases[-1].stores)
    assert stage.retrieve.steps == (1,)
    assert stage.retrieve.runtime == run.run.config.scoring.runtime


def test_other_evaluations_are_as_without_it():
    without, asked = planned(), planned(retrieve={})
    assert asked.evaluations.keys() - without.evaluations.keys() == {"test/retrieval"}
    for name, stage in without.evaluations.items():
        assert asked.evaluations[name].key == stage.key


@pytest.mark.parametrize("arm", ["scratch", "scratch-multimodal", "tst-mae"])
def test_a_run_without_a_model_of_tokens_has_none(arm: str):
    assert "test/retrieval" not in planned(arm, retrieve={}).evaluations


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"modalities": ["rgb", "sound"]}, "retrieve names 'sound'"),
        ({"through": "clip"}, "retrieve names 'clip'"),
        ({"steps": []}, "retrieve.steps"),
        ({"hops": 3}, "hops"),
    ],
)
def test_what_cannot_be_retrieved_is_refused_before_anything_is_done(asked: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        planned(retrieve=asked)


def test_retrieved_pairs_are_on_the_page(tmp_path: Path):
    rows = bars(repeats=1)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (2, 4, 16, 16, 3), dtype=np.uint8)
    for row in rows[:2]:
        folder = tmp_path / "stages" / f"retrieve-{row['arm']}"
        folder.mkdir(parents=True)
        row["evaluations"]["test/retrieval"] = str(folder.relative_to(tmp_path))
        row["metrics"]["test/retrieval/rgb_to_depth/tokens/r1"] = 0.25
        arrays: dict[str, np.ndarray] = {}
        for direction in ("rgb_to_depth", "depth_to_rgb"):
            arrays |= {
                f"{direction}/query": images[:, 0],
                f"{direction}/right": images[:, 1],
                f"{direction}/found": images[:, 1:],
                f"{direction}/rank": np.array([1.0, 2.5]),
            }
        np.savez_compressed(folder / "retrieved.npz", **arrays)
    page = write_report(tmp_path, rows).read_text()
    assert "Retrieved pairs" in page
    assert "Evaluated in test/retrieval, repeat 0" in page
    for row in rows[:2]:
        assert f"{row['arm']}, depth to rgb: ranks 1, 2.5" in page
    assert "R@1 [%], test, retrieval, rgb to depth, tokens" in page
    assert "Retrieved" not in write_report(tmp_path, bars(repeats=1)).read_text()
