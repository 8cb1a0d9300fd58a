"""A run that adapts to each image: which evaluations do, and what is refused."""

from typing import Any

import pytest

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.test_time.adapt import AdaptStage
from studies.spec.config import load_study


def planned(arm: str, **fields: Any) -> RunPlan:
    asked = {f"base.{k}": v for k, v in fields.items()}
    study = load_study(STUDIES / "test-time-training.yaml", "smoke", fields=asked)
    return next(p for p in plan(study) if p.run.arm == arm)


@pytest.mark.parametrize("start", ["test-house", "other-houses"])
def test_arms_differ_in_adapting_alone(start: str):
    before, after, online = (planned(f"{start}{way}") for way in ("", "-ttt", "-online"))
    plain = before.evaluations["test/linear"]
    assert type(plain) is EvaluateStage
    for run in (after, online):
        stage = run.evaluations["test/linear"]
        assert isinstance(stage, AdaptStage)
        assert stage.model == plain.model
        assert stage.store == plain.store
        assert stage.seen == plain.seen
        assert stage.adapt.online == (run is online)
        assert stage.evaluate == plain.evaluate


def test_probes_alone_adapt_and_masks_have_the_seed_of_the_repeat():
    run = planned("test-house-ttt", protocols=["linear", "finetune"])
    assert {name: type(stage) for name, stage in run.evaluations.items()} == {
        "test/linear": AdaptStage,
        "test": EvaluateStage,
    }
    study = load_study(STUDIES / "test-time-training.yaml", "smoke", seeds=(0, 5))
    stages = [p.evaluations["test/linear"] for p in plan(study) if p.run.arm == "test-house-ttt"]
    assert [s.adapt.mae.seed for s in stages if isinstance(s, AdaptStage)] == [0, 5]


@pytest.mark.parametrize("fields", [{"objective": "mm"}, {"phases.first": None}, {"protocols": ["finetune"]}])
def test_without_an_autoencoder_and_a_probe_of_it_nothing_adapts(fields: dict[str, Any]):
    with pytest.raises(ValueError, match="adapt needs a masked autoencoder"):
        planned("test-house-ttt", **({"phases.first": "test"} | fields))


def test_its_cost_grows_with_frames_and_steps():
    stage = planned("test-house-ttt").evaluations["test/linear"]
    assert isinstance(stage, AdaptStage)
    assert stage.units == 6 * 2
    assert stage.reduce(3, {}).units == 16 * 3 * 2
    longer = stage.model_copy(update={"adapt": stage.adapt.model_copy(update={"online": True})})
    assert longer.cost_class != stage.cost_class
