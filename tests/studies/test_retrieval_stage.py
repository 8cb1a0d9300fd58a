"""A run that asks for retrieval: which pre-trained models are asked, what they may read, and the page."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from studies.commands import STUDIES
from studies.report.analysis.claims import claims
from studies.report.analysis.metrics_text import chance_of
from studies.report.analysis.rows import Table
from studies.report.report import write_report
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.retrieve import RetrieveStage
from studies.spec.config import load_study
from studies.spec.report import ReportConfig
from tests.studies.planted_rows import bars
from training.retrieval.retrieve import PICTURES


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


def retrieved_rows(out: Path, repeats: int) -> list[dict[str, Any]]:
    """Rows of two arms that were asked for retrieval, with pictures in `out`."""
    rows = bars(repeats=repeats)
    kept = [row for row in rows if row["arm"] in {rows[0]["arm"], rows[-1]["arm"]}]
    images = np.random.default_rng(0).integers(0, 255, (2, 4, 16, 16, 3), dtype=np.uint8)
    for number, row in enumerate(kept):
        folder = out / "stages" / f"retrieve-{number}"
        folder.mkdir(parents=True)
        row["evaluations"]["test/retrieval"] = str(folder.relative_to(out))
        arrays: dict[str, np.ndarray] = {}
        for direction in ("rgb_to_depth", "depth_to_rgb"):
            for name, value in {"r1": 0.25, "r5": 0.5, "r10": 0.75, "median_rank": 4.5}.items():
                row["metrics"][f"test/retrieval/{direction}/tokens_in_8_steps/{name}"] = value
                row["metrics"][f"test/retrieval/chance/{name}"] = value / 10
            arrays |= {
                f"{direction}/query": images[:, 0],
                f"{direction}/right": images[:, 1],
                f"{direction}/found": images[:, 1:],
                f"{direction}/found_right": np.array([[True, False, False], [False, False, True]]),
                f"{direction}/rank": np.array([1.0, 2.5]),
            }
        np.savez_compressed(folder / PICTURES, **arrays)
    return kept


def test_all_ways_and_retrieved_pairs_are_on_the_page_with_chance_beside_each(tmp_path: Path):
    rows = retrieved_rows(tmp_path, repeats=1)
    page = write_report(tmp_path, rows).read_text()
    assert "Retrieved pairs" in page
    assert "Evaluated in test/retrieval, repeat 0" in page
    assert "Retrieval in test, all ways" in page
    for row in rows:
        for direction in ("rgb to depth", "depth to rgb"):
            assert f"{row['arm']}, {direction}</h3>" in page
            line = f"<td>{direction}, tokens in 8 steps</td><td>{row['arm']}</td><td>25.0</td><td>2.5</td>"
            assert line in page
    assert "<th>R@1 [%]</th><th>chance</th>" in page
    assert "Retriev" not in write_report(tmp_path, bars(repeats=1)).read_text()


def test_chance_is_in_no_claim_and_is_drawn_with_what_it_is_chance_for(tmp_path: Path):
    rows = retrieved_rows(tmp_path, repeats=3)
    ours, chance = (f"test/retrieval/{way}/r1" for way in ("rgb_to_depth/tokens_in_8_steps", "chance"))
    report = ReportConfig(metrics=(ours, chance))
    assert {claim.metric for claim in claims(Table(rows, report))} == {ours}
    assert chance_of(ours) == chance
    assert chance_of("cider") == "cider_of_another"
    assert (chance_of(chance), chance_of("test/miou")) == (None, None)
    assert "Dotted: chance." in write_report(tmp_path, rows, report).read_text()
