"""Stages on Ray: side by side, each in a process of its own; what fails or dies says where and why."""

from pathlib import Path

import pytest

from studies.commands import DEMO
from studies.run.schedule import LOG, TRIES, StageFailedError, run_stages
from studies.spec.config import StudyConfig, load_study
from tests.studies.counting_stage import CountingStage, FailingStage

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return load_study(DEMO, "smoke", fields={"machine.slots": 2})


def test_what_fails_takes_only_what_needs_it_along(study: StudyConfig, tmp_path: Path):
    first = CountingStage(name="first")
    broken = FailingStage(name="broken", needs_first=(first,))
    after = CountingStage(name="after", needs_first=(broken,))
    stages = [first, broken, after, CountingStage(name="beside", needs_first=(first,))]
    done: list[int] = []
    with pytest.raises(StageFailedError, match="broken failed") as caught:
        run_stages(study, stages, tmp_path, finished=lambda: done.append(1))
    assert "20 pixels do not divide" in str(caught.value)
    assert LOG in str(caught.value)
    assert "1 stages that need them were not begun" in str(caught.value)
    assert {s.label for s in stages if s.done(tmp_path)} == {"first", "beside"}
    assert len(done) == 2
    assert "at work" in (first.folder(tmp_path) / LOG).read_text()
    assert "ValueError" in (broken.folder(tmp_path) / LOG).read_text()


def test_a_stage_whose_process_dies_is_begun_again(study: StudyConfig, tmp_path: Path):
    once, always = FailingStage(name="once", how="dies once"), FailingStage(name="always", how="dies")
    with pytest.raises(StageFailedError, match=f"always died {TRIES} times"):
        run_stages(study, [once, always], tmp_path, finished=lambda: None)
    assert once.done(tmp_path) is not None
    assert (always.folder(tmp_path) / "count.txt").read_text() == "x" * TRIES


def test_an_earlier_repeat_comes_first(study: StudyConfig, tmp_path: Path):
    first = CountingStage(name="of both")
    late = CountingStage(name="of the second", times=2)
    last = CountingStage(name="of the first", needs_first=(first,))
    one = study.model_copy(update={"machine": study.machine.model_copy(update={"slots": 1})})
    ended: list[set[str]] = []

    def note() -> None:
        ended.append({s.label for s in (first, late, last) if s.done(tmp_path)})

    run_stages(one, [late, first, last], tmp_path, note, repeats={first.key: 0, last.key: 0, late.key: 1})
    assert [len(e) for e in ended] == [1, 2, 3]
    assert ended[1] == {"of both", "of the first"}
