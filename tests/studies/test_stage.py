"""What holds for every stage: its key, its record, its order; and that a new kind is one class."""

from pathlib import Path

import pytest

from studies.run.stage import Stage
from studies.run.stages.registry import KINDS
from studies.spec.config import MachineConfig
from tests.studies.counting_stage import CountingStage, FailingStage

HERE = MachineConfig(slots=0)


def test_the_key_follows_from_settings_and_inputs_alone():
    a, same, other = (CountingStage(name="a", times=times) for times in (1, 1, 2))
    assert a.key == same.key != other.key
    assert a == same != other

    def after(*needs: Stage) -> str:
        return CountingStage(name="b", needs_first=needs).key

    assert after(a) == after(same) != after(other)
    assert len({after(), after(a), after(a, other), after(other, a)}) == 4


def test_a_guard_is_waited_for_and_is_not_in_the_key():
    guard = CountingStage(name="guard")
    plain, guarded = CountingStage(name="a"), CountingStage(name="a", guards=(guard,))
    assert plain.key == guarded.key
    assert guarded.waits_for == guarded.after == (guard,)
    assert guarded.needs == ()
    assert [s.label for s in guarded.closure()] == ["guard", "a"]


def test_two_inputs_of_the_same_stages_in_other_fields_have_other_keys():
    class Two(CountingStage):
        first: Stage | None = None
        second: Stage | None = None

    a = CountingStage(name="a")
    keys = {Two(name="b", first=a).key, Two(name="b", second=a).key, Two(name="b", needs_first=(a,)).key}
    assert len(keys) == 3


def test_a_copy_with_other_fields_has_a_key_of_its_own():
    a = CountingStage(name="a")
    assert a.key != a.model_copy(update={"times": 2}).key == CountingStage(name="a", times=2).key


@pytest.mark.parametrize("kind", KINDS.values(), ids=str)
def test_only_names_and_guards_are_left_out_of_a_key(kind: type[Stage]):
    left_out = {name for name, field in kind.model_fields.items() if field.exclude}
    assert left_out <= {"name", "guarded"}


def test_a_stage_is_done_once_and_its_record_kept(tmp_path: Path):
    a = CountingStage(name="a")
    assert a.done(tmp_path) is None
    first = a.run(tmp_path, HERE)
    assert a.run(tmp_path, HERE) == first == a.done(tmp_path)
    assert first["config"] == {"name": "a", "times": 1, "needs_first": []}
    assert (a.folder(tmp_path) / "count.txt").read_text() == "x"


def test_a_stage_that_fails_leaves_no_record(tmp_path: Path):
    broken = FailingStage(name="a")
    with pytest.raises(ValueError, match="20 pixels"):
        broken.run(tmp_path, HERE)
    assert broken.done(tmp_path) is None


def test_closure_holds_each_stage_once_needs_first():
    a = CountingStage(name="a")
    b, c = (CountingStage(name=name, needs_first=(a,)) for name in "bc")
    d = CountingStage(name="d", needs_first=(b, c))
    assert [s.label for s in d.closure()] == ["a", "b", "c", "d"]
