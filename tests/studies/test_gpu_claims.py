"""No stage takes a GPU that it has not claimed: what each claims, and what Ray shows to it."""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import ray

from engine import cluster
from engine.collect.ledger import Ledger
from engine.collect.plan import HouseRef, PartTask, Segment
from engine.collect.run_tasks import run_tasks
from studies.commands import DEMO, STUDIES
from studies.run import schedule
from studies.run.pipeline import plan
from studies.run.rows import STAGES
from studies.run.runner import run_study
from studies.run.schedule import LOG, run_stages
from studies.run.stage import Stage
from studies.run.stages.registry import KINDS
from studies.spec.config import StudyConfig, load_study
from tests.studies.looking_stage import BlindStage, Looker, LookingStage
from training.pretrain import launch

CLAIMS = {"houses": 0, "capture": 0, "store": 0, "derive": 0.5, "tokenizer": 0.5, "tokens": 0.5,
          "pretrain": 0.5, "transfer": 0.5, "propagate": 0.5, "evaluate": 0.5, "adapt": 0.5,
          "adapt_batches": 0.5, "choose_steps": 0.5, "retrieve": 0.5, "perceive": 0.5,
          "generalize": 0.5}  # fmt: skip
"""Of each kind at preset gpu, where actors render."""


def stages_of(study: StudyConfig) -> list[Stage]:
    return [stage for run in plan(study) for stage in run.stages]


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({}, {}),
        ({"machine.actors": 0}, {"store": 0.5}),  # the stage's own process renders
        ({"machine.ray_train": True}, {"pretrain": 0}),  # Ray Train's workers claim
        ({"machine.gpus": 0}, dict.fromkeys(KINDS, 0)),
    ],
)
def test_what_each_kind_of_stage_claims(fields: dict[str, Any], changed: dict[str, float]):
    found: dict[str, set[float]] = {}
    # Together they have stages of every kind.
    names = "self-training retrieval untrained modality-generalization test-time-training ttt-mmr in-the-wild"
    for name in names.split():
        study = load_study(STUDIES / f"{name}.yaml", "gpu", fields=fields)
        for stage in stages_of(study):
            found.setdefault(stage.kind, set()).add(stage.gpus(study.machine))
    assert found == {kind: {claim} for kind, claim in (CLAIMS | changed).items()}
    assert found.keys() == KINDS.keys()


@pytest.mark.parametrize("path", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_whatever_needs_a_gpu_at_a_preset_for_gpus_claims_one(path: Path):
    if path.stem == "base":
        return
    for preset in ("gpu", "paper", "paper-small"):
        machine = load_study(path, preset).machine
        assert machine.gpus > 0, preset
        assert machine.gpus * machine.side_by_side >= 1, preset


def test_workers_of_a_pretraining_claim_what_ray_has_to_give(monkeypatch: pytest.MonkeyPatch):
    for gpus in (0, 2):
        monkeypatch.setattr(ray, "nodes", lambda n=gpus: [{"Alive": True, "Resources": {"GPU": n}}])
        assert launch._on_gpu("auto") is bool(gpus)
        assert launch._on_gpu("cpu") is False
    assert launch._on_gpu("cuda") is True
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": False, "Resources": {"GPU": 2}}])
    with pytest.raises(ValueError, match=r"runtime\.device cuda needs a GPU"):
        launch._on_gpu("cuda")


def test_actors_claim_no_gpu_of_machines_that_they_may_not_go_to(monkeypatch: pytest.MonkeyPatch):
    trainer, collector = {"CPU": 8, "GPU": 1, "trainer": 1}, {"CPU": 16, "collector": 1}
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": r} for r in (trainer, collector)])
    assert cluster.has_gpu()
    assert cluster.has_gpu("trainer")
    assert not cluster.has_gpu("collector")


def test_a_study_for_a_gpu_says_that_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    study = load_study(DEMO, "gpu")
    monkeypatch.setattr(schedule, "ray_session", lambda _: nullcontext())
    monkeypatch.setattr(ray, "nodes", lambda: [{"Alive": True, "Resources": {"CPU": 2}}])
    with pytest.raises(ValueError, match=r"machine\.gpus 0\.5 needs a GPU.*set machine\.gpus to 0"):
        run_stages(study, [LookingStage(name="a")], tmp_path, finished=lambda: None)


@pytest.fixture(scope="module")
def two_gpus() -> Iterator[None]:
    """Ray on this machine, which is said to have two GPUs. None of them is used."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster, "available_cores", lambda: 6)
        init = ray.init
        patch.setattr(ray, "init", lambda **options: init(**options, num_gpus=2))
        with cluster.ray_session():
            yield


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("two_gpus")
class TestOnRay:
    def test_two_stages_share_a_gpu_and_one_without_a_claim_sees_none(self, tmp_path: Path):
        study = load_study(DEMO, "gpu", fields={"machine.slots": 5, "machine.actors": 0})
        looking = [LookingStage(name=f"stage {i}", company=4) for i in range(4)]
        blind = BlindStage(name="blind")
        after = LookingStage(name="after", needs_first=(blind,))
        stages = [*looking, blind, after]
        run_stages(study, stages, tmp_path, finished=lambda: None)
        records = [stage.done(tmp_path) for stage in stages]
        seen = [record["metrics"]["gpus"] for record in records if record is not None]
        assert Counter(seen[:4]) == {"0": 2, "1": 2}
        assert seen[4] == ""
        assert "GPU none" in (blind.folder(tmp_path) / LOG).read_text()
        # A process that has seen one choice of GPUs is not used again for another.
        processes = {record["metrics"]["process"] for record in records if record is not None}
        assert len(processes) == len(stages)

    def test_a_study_shows_gpus_to_what_computes_and_to_nothing_else(self, tmp_path: Path):
        fields = {"base.frames": 32, "base.pretrain.samples": 64, "arms.scratch": None, "arms.tst-mae": None}
        machine = {"slots": 4, "actors": 2, "gpus": 0.5}
        study = load_study(DEMO, "smoke", fields=fields | {f"machine.{k}": v for k, v in machine.items()})
        run_study(study, tmp_path)
        shown: dict[str, set[str]] = {}
        for log in (tmp_path / STAGES).glob(f"*/{LOG}"):
            (gpu,) = re.findall(r"process \d+, GPU (\w+)", log.read_text())
            shown.setdefault(log.parent.name.split("-")[0], set()).add("none" if gpu == "none" else "one")
        kinds = {stage.kind for stage in stages_of(study)}
        assert shown == {kind: {"one" if CLAIMS[kind] else "none"} for kind in kinds}

    @pytest.mark.parametrize(
        ("claims", "need_gpu", "seen"),
        [
            ({"num_gpus": 0.25}, False, {"'0'", "'1'"}),  # collecting
            ({}, True, {"''"}),  # deriving, or collecting on the CPU
        ],
    )
    def test_actors_see_what_they_claimed(self, claims: dict[str, Any], need_gpu: bool, seen: set[str]):
        house = HouseRef("house", "digest", "space")
        tasks = [PartTask(f"part-{i}", (Segment(house, i, 1),)) for i in range(8)]
        ledger = Ledger("eval", "", 0, len(tasks))
        run_tasks(tasks, Looker(), ledger, 4, claims, need_gpu)
        assert len(ledger.made) == len(tasks)
        assert {result.house for result in ledger.made} <= seen
