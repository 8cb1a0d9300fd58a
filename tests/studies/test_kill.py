"""Killed five times, runner and workers, in five kinds of stages, its stages moved to another path after its
runner was killed, a study ends with the rows of a run left in peace."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from studies.commands import DEMO
from studies.run.rows import read_rows
from studies.run.runner import run_study
from studies.run.schedule import LOG
from studies.spec.config import load_study
from training.common.checkpoint import STATE

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.ray]

# Checkpoints are many to a training, as they are where one takes an hour.
FIELDS = {
    "base.frames": 32,
    "base.pretrain.samples": 512,
    "base.pretrain.checkpoint_every": 2,
    "base.transfer.samples": 512,
    "base.transfer.checkpoint_every": 4,
    "machine.slots": 1,
}
KILLS = {
    "store": "worker",
    "tokens": "runner",
    "pretrain": "worker",
    "transfer": "runner",
    "evaluate": "worker",
}


def demo(out: Path, stages: Path) -> "subprocess.Popen[bytes]":
    fields = [f"{place}={value}" for place, value in FIELDS.items()]
    command = [sys.executable, "tst.py", "study", "run", str(DEMO), "--preset", "smoke", "--out", str(out)]
    command += ["--stages", str(stages), "--set", *fields]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)


def results(out: Path) -> list[dict]:
    return [{k: v for k, v in row.items() if k not in ("cost", "code_version")} for row in read_rows(out)]


def worker(stages: Path, kind: str) -> int | None:
    """The process at work on a stage of this kind that is not done, with a checkpoint if it trains."""
    for log in stages.glob(f"{kind}-*/{LOG}"):
        begun = re.findall(r", process (\d+),", log.read_text())
        ready = kind not in ("pretrain", "transfer") or log.with_name(STATE).exists()
        if begun and ready and not log.with_name("done.json").exists():
            return int(begun[-1])
    return None


def test_rows_after_five_kills_are_the_rows_of_a_run_in_peace(tmp_path: Path):
    out, stages, killed = tmp_path / "killed", tmp_path / "stages-0", []
    process = demo(out, stages)
    for kind, whom in KILLS.items():
        while (at_work := worker(stages, kind)) is None and process.poll() is None:
            time.sleep(0.005)
        if at_work is None:
            break  # the runner ended: it failed, or was too quick
        os.kill(at_work if whom == "worker" else process.pid, signal.SIGKILL)
        killed.append(kind)
        if whom == "runner":
            assert process.wait() == -signal.SIGKILL
            stages = stages.rename(tmp_path / f"stages-{len(killed)}")
            process = demo(out, stages)
    assert process.wait() == 0
    assert killed == list(KILLS)
    run_study(load_study(DEMO, "smoke", fields=FIELDS | {"machine.slots": 0}), tmp_path / "peace")
    assert len(results(out)) == 3
    assert results(out) == results(tmp_path / "peace")
