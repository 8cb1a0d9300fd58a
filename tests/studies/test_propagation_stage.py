"""Self-training as stages: who teaches whom on what, what stays shared, and what is refused."""

from typing import Any

import pytest

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.propagate import PropagateStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import StudyConfig, load_study


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return load_study(STUDIES / "self-training.yaml", "smoke")


@pytest.fixture(scope="module")
def plans(study: StudyConfig) -> dict[str, RunPlan]:
    return {p.run.arm: p for p in plan(study)}


def model_of(plan: RunPlan) -> TransferStage:
    """The model that a run evaluates."""
    evaluation = plan.evaluations["test"]
    assert isinstance(evaluation, EvaluateStage)
    return evaluation.model


@pytest.mark.parametrize("arm", ["scratch", "tst-mm"])
def test_a_student_learns_from_its_teachers_guesses(plans: dict[str, RunPlan], arm: str):
    teacher, student = (model_of(plans[name]) for name in (arm, f"{arm}-student"))
    guesses = student.pseudo
    assert isinstance(guesses, PropagateStage)
    assert guesses.teacher == teacher != student, "the teacher is tuned once, for its own row too"
    assert guesses.store.role == "pretrain"
    assert student.unlabelled == guesses.store
    assert student.start == teacher.start, "both begin at the same encoder"


def test_guesses_are_of_what_was_learned_and_are_held_against_what_is_evaluated(plans: dict[str, RunPlan]):
    student = plans["tst-mm-student"]
    learned, _ = student.phases[0].stores
    evaluation = student.evaluations["test"]
    assert {s.store for s in student.stages if isinstance(s, PropagateStage)} == {learned}
    assert learned in evaluation.needs
    alone = plans["scratch-student"].evaluations["test"]
    assert learned in alone.needs, "seen through a teacher is seen"


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("propagate", {"transfer": 16}, "share a house"),
        ("propagate", {"elsewhere": 16}, "propagate names the houses 'elsewhere'"),
        ("upper_bound", True, "leave upper_bound and the protocol knn out"),
        ("protocols", ["knn"], "leave upper_bound and the protocol knn out"),
    ],
)
def test_what_cannot_teach_is_refused(place: str, value: Any, words: str):
    # The arm lies above the base: what it sets itself is changed there.
    arm = "arms.tst-mm-student" if place == "propagate" else "base"
    fields = {f"{arm}.{place}": value}
    if place == "propagate":
        fields[f"{arm}.propagate.test"] = None
    with pytest.raises(ValueError, match=words):
        load_study(STUDIES / "self-training.yaml", "smoke", fields=fields).runs()
