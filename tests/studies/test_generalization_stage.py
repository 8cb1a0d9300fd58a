"""A run that asks for modality generalization: what its stages read, and what is refused."""

from typing import Any

import pytest

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.generalize import GeneralizeStage
from studies.spec.config import load_study
from training.generalization.algorithms.registry import ALGORITHMS
from training.generalization.baselines import BASELINES

STRONG = "modality-generalization-strong"


def planned(arm: str = "tst-mm", study: str = "sensors", **fields: Any) -> RunPlan:
    """A run with fields of its base changed."""
    asked = {f"base.{k}": v for k, v in fields.items()}
    found = load_study(STUDIES / f"{study}.yaml", "smoke", fields=asked)
    return next(p for p in plan(found) if p.run.arm == arm)


def stage_of(run: RunPlan) -> GeneralizeStage:
    stage = run.evaluations["test/generalization"]
    assert isinstance(stage, GeneralizeStage)
    return stage


def test_the_perceptor_is_the_last_phase_and_labels_are_those_of_the_run():
    run = planned(generalize={"searches": 2})
    stage = stage_of(run)
    assert stage.features.model == run.phases[-1]
    assert set(stage.seen) == set(run.phases[-1].stores)
    assert stage.features.learned.role == "transfer"
    assert stage.features.shown.role == "eval"
    guarded = {store.key for store in stage.guarded}
    assert guarded >= {s.key for s in (stage.features.shown, *stage.seen) if s != stage.features.learned}
    assert stage.generalize.runtime == stage.features.perceptor.runtime == run.run.config.scoring.runtime
    without = planned()
    assert run.evaluations.keys() - without.evaluations.keys() == {"test/generalization"}
    for name, other in without.evaluations.items():
        assert run.evaluations[name].key == other.key


@pytest.mark.parametrize("arm", ["scratch", "tst-mae"])
def test_a_run_without_the_model_has_none(arm: str):
    assert "test/generalization" not in planned(arm, generalize={}).evaluations
    assert "test/generalization" in planned(arm, generalize={"perceptor": {"kind": "views"}}).evaluations


def test_arms_share_features_and_repeats_differ_in_seeds():
    study = load_study(STUDIES / "modality-generalization.yaml", "smoke", seeds=(0, 5))
    stages = [(p.run, stage_of(p)) for p in plan(study)]
    for repeat, seed in enumerate((0, 5)):
        mine = [stage for run, stage in stages if run.repeat == repeat]
        assert len({stage.features.key for stage in mine}) == 1
        assert {stage.generalize.seed for stage in mine} == {seed}
        assert len({stage.key for stage in mine}) == len(study.arms) - 7


def test_a_perceptor_that_learns_by_itself_needs_no_pretraining():
    stage = stage_of(planned("erm", STRONG))
    assert stage.features.model is None
    assert not stage.seen
    other = next(p for p in plan(load_study(STUDIES / f"{STRONG}.yaml", "smoke", seeds=(3,))))
    assert stage_of(other).features.perceptor.views.seed == 3


def test_studies_have_every_algorithm_and_baseline_once():
    for name in ("modality-generalization", STRONG):
        runs = load_study(STUDIES / f"{name}.yaml", "laptop", seeds=(0,)).runs()
        asked = [run.config.generalize for run in runs if run.config.generalize is not None]
        assert sorted(g.algorithm for g in asked if not g.as_published) == sorted((*ALGORITHMS, *BASELINES))
        published = {g.algorithm for g in asked if g.as_published}
        assert published == {k for k, v in ALGORITHMS.items() if set(v.knows) - {"nll"}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"generalize": {"algorithm": "DANN"}}, "unknown algorithm 'DANN'"),
        ({"generalize": {"perceptor": {"modalities": ["rgb", "depth", "sound"]}}}, "has 'sound'"),
        ({"generalize": {"perceptor": {"grid": 0}}}, "generalize.perceptor.grid"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_done(fields: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        planned(**fields)
