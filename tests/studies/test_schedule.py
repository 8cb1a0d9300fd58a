"""Stages on Ray: side by side, each in a process of its own; what fails or dies says where and why."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from studies.commands import DEMO
from studies.run.schedule import LOG, TRIES, StageFailedError, run_stages
from studies.run.stage import Stage
from studies.spec.config import StudyConfig, load_study

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return load_study(DEMO, "smoke", fields={"machine.slots": 2})


def stage(name: str, work: Any, *needs: Stage) -> Stage:
    return Stage("houses", name, {"name": name}, needs, work)


def fine(out: Path, inputs: list[Path]) -> dict[str, Any]:
    print("at work")
    return {"inputs": len(inputs)}


def wrong(out: Path, inputs: list[Path]) -> dict[str, Any]:
    raise ValueError("20 pixels do not divide")


def test_what_fails_takes_only_what_needs_it_along(study: StudyConfig, tmp_path: Path):
    first = stage("first", fine)
    broken = stage("broken", wrong, first)
    stages = [first, broken, stage("after", fine, broken), stage("beside", fine, first)]
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
    def dies_once(out: Path, inputs: list[Path]) -> dict[str, Any]:
        if not (out / "was here").exists():
            (out / "was here").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    def dies(out: Path, inputs: list[Path]) -> dict[str, Any]:
        with (out / "tries").open("a") as file:
            file.write("x")
        os.kill(os.getpid(), signal.SIGKILL)
        return {}

    once, always = stage("once", dies_once), stage("always", dies)
    with pytest.raises(StageFailedError, match=f"always died {TRIES} times"):
        run_stages(study, [once, always], tmp_path, finished=lambda: None)
    assert once.done(tmp_path) is not None
    assert (always.folder(tmp_path) / "tries").read_text() == "x" * TRIES
