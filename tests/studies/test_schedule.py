"""Stages on Ray: side by side, each in a process of its own; one that fails says where and why."""

from pathlib import Path

import pytest

from studies.commands import DEMO
from studies.config import StudyConfig, load_study
from studies.pipeline import plan
from studies.schedule import LOG, StageFailedError, run_stages

pytestmark = pytest.mark.ray


def one_house(**frames: object) -> StudyConfig:
    """A study whose first stages are quick."""
    base = load_study(DEMO, "smoke")
    few = {"pretrain": 16, "transfer": 16, "eval": 16, "actors": 2, **frames}
    return base.model_copy(update={"frames": base.frames.model_copy(update=few)})


def test_stages_run_and_a_failure_names_its_log(tmp_path: Path):
    # Images of 20 pixels do not divide into patches of 8, which the first tokenizer finds out.
    study = one_house(size=20)
    stages = [s for s in plan(study)[-1].stages if s.kind in ("houses", "store", "tokenizer")]
    done: list[int] = []
    with pytest.raises(StageFailedError, match=r"tokenizer \w+ failed") as caught:
        run_stages(study, stages, tmp_path, finished=lambda: done.append(1))
    assert "20" in str(caught.value)
    assert LOG in str(caught.value)
    finished = {s.kind for s in stages if s.done(tmp_path) is not None}
    assert finished == {"houses", "store"}, "what was done stays done"
    assert len(done) == 3
    (store,) = (s for s in stages if s.kind == "store")
    assert "collect" in (store.folder(tmp_path) / LOG).read_text()
