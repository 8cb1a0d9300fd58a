"""Label propagation as stages: who teaches whom on what, what stays shared, and what is refused."""

from typing import Any

import pytest

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.spec.config import StudyConfig, load_study


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return load_study(STUDIES / "label-propagation.yaml", "smoke")


@pytest.fixture(scope="module")
def plans(study: StudyConfig) -> dict[str, RunPlan]:
    return {p.run.arm: p for p in plan(study)}


@pytest.mark.parametrize("arm", ["scratch", "tst-mm"])
def test_a_student_learns_from_its_teachers_guesses(plans: dict[str, RunPlan], arm: str):
    teacher = plans[arm].evaluations["test"].needs[1]
    student = plans[f"{arm}-student"].evaluations["test"].needs[1]
    (guesses,) = [s for s in student.needs if s.kind == "propagate"]
    assert teacher.kind == student.kind == "transfer"
    store, teaches = guesses.needs
    assert teaches.key == teacher.key != student.key, "the teacher is tuned once, for its own row too"
    assert store.config["role"] == "pretrain"
    assert student.needs[-1].key == store.key
    begun = [s.key for s in teacher.needs if s.kind == "pretrain"]
    assert begun == [s.key for s in student.needs if s.kind == "pretrain"], "both begin at the same encoder"


def test_guesses_are_of_what_was_learned_and_are_held_against_what_is_judged(plans: dict[str, RunPlan]):
    student = plans["tst-mm-student"]
    (learned,) = [s for s in student.phases[0].needs if s.kind == "store"]
    evaluation = student.evaluations["test"]
    guessed = {n.key for s in student.stages if s.kind == "propagate" for n in s.needs if n.kind == "store"}
    assert guessed == {learned.key}
    assert learned.key in {s.key for s in evaluation.needs}
    alone = plans["scratch-student"].evaluations["test"]
    assert learned.key in {s.key for s in alone.needs}, "seen through a teacher is seen"


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
        load_study(STUDIES / "label-propagation.yaml", "smoke", fields=fields).runs()
