"""A run that is judged by several tasks: what it learns, and what its evaluations are called."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan, plan_run
from studies.run.rows import STAGES
from studies.run.runner import run_study
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import load_study
from studies.spec.run import RunConfig
from tests.studies.test_study_files import leaks
from tests.training.test_tasks import MeanDepthConfig
from training.transfer.tasks.registry import TASKS


@pytest.fixture(scope="module", autouse=True)
def added() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(TASKS, "mean_depth", MeanDepthConfig)
        yield


def planned(**fields: Any) -> RunPlan:
    """The run `tst-mm` of `sensors` with fields of its base changed."""
    path = STUDIES / "sensors.yaml"
    study = load_study(path, "smoke", fields={f"base.{k}": v for k, v in fields.items()})
    return next(p for p in plan(study) if p.run.arm == "tst-mm")


def models(run: RunPlan) -> dict[str, TransferStage]:
    return {n: s.model for n, s in run.evaluations.items() if isinstance(s, EvaluateStage)}


BOTH = {"tasks": ["segmentation", "mean_depth"], "protocols": ["finetune", "linear", "knn"]}


def test_each_task_is_learned_by_the_protocols_that_it_has():
    names = list(planned(**BOTH).evaluations)
    assert names == ["test", "test/linear", "test/knn", "test/mean_depth", "test/mean_depth/linear"]


def test_a_further_task_changes_nothing_of_the_others():
    alone = planned(protocols=BOTH["protocols"])
    both = planned(**BOTH)
    fields: Any = {
        "transfer.mean_depth": {"bias": True},
        "transfer_by_task": {"mean_depth": {"mean_depth": {"bias": False}}},
    }
    tuned = planned(**BOTH, **fields)
    for run in (both, tuned):
        for name, stage in alone.evaluations.items():
            assert run.evaluations[name].key == stage.key
    assert tuned.evaluations["test/mean_depth"].key != both.evaluations["test/mean_depth"].key
    assert {m.start for m in models(both).values()} == set(both.phases), "all start from one encoder"


def test_fields_of_a_task_lie_over_those_of_all_and_a_protocols_over_both():
    run = planned(
        **BOTH,
        transfer={"lr": 1e-3, "batch": 8},
        transfer_by_task={"mean_depth": {"lr": 2e-3, "mean_depth": {"bias": False}}},
        transfer_by_protocol={"linear": {"lr": 3e-3}},
    )
    rates = {name: model.transfer.lr for name, model in models(run).items()}
    assert (rates["test"], rates["test/mean_depth"], rates["test/mean_depth/linear"]) == (1e-3, 2e-3, 3e-3)
    of_task = models(run)["test/mean_depth"].transfer
    assert (of_task.own, of_task.batch) == (MeanDepthConfig(bias=False), 8)


def test_a_key_has_the_fields_of_the_task_also_where_none_is_given():
    stage = models(planned(**BOTH))["test/mean_depth"]
    assert stage.settings["transfer"]["others"] == {"mean_depth": {"bias": True}}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tasks": ["telepathy"]}, "unknown task 'telepathy'"),
        ({"tasks": ["mean_depth"], "protocols": ["knn"]}, "mean_depth, which has none of the protocols knn"),
        ({"transfer": {"task": "mean_depth"}}, "name it in tasks"),
        (
            {"tasks": ["mean_depth"], "protocols": ["finetune"], "propagate": {"test": 16}},
            "mean_depth has none: leave it out",
        ),
        ({**BOTH, "transfer_by_task": {"mean_depth": {"beams": 4}}}, "beams"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_anything_is_done(fields: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        planned(**fields)


def test_no_task_learns_from_labels_of_the_test_house():
    run = planned(**BOTH).run
    assert not leaks(plan_run(run))
    config = RunConfig.model_copy(run.config, update={"labels": {"test": 16}})
    found = leaks(plan_run(run.model_copy(update={"config": config})))
    assert any("a house of" in leak and "no upper bound" in leak for leak in found)


def test_a_package_that_is_missing_is_said_before_the_first_stage(tmp_path: Path, monkeypatch):
    def missing(self: MeanDepthConfig) -> None:
        raise ValueError("mean_depth needs a plumb line: pip install plumb")

    monkeypatch.setattr(MeanDepthConfig, "check_installed", missing)
    study = load_study(STUDIES / "demo.yaml", "smoke", fields={"base.tasks": ["mean_depth"]})
    with pytest.raises(ValueError, match="pip install plumb"):
        run_study(study, tmp_path)
    assert [path.name for path in (tmp_path / STAGES).iterdir()] == [".lock"]
