"""Killed at any stage and run again, a study goes on, and its rows are those of a run left in peace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
pytestmark = [pytest.mark.slow, pytest.mark.ray]


def demo(out: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "tst.py", "demo", "--preset", "smoke", "--out", str(out)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)


def rows(out: Path) -> dict[str, dict]:
    found = {}
    for path in (out / "rows").glob("*.json"):
        row = json.loads(path.read_text())
        found[path.name] = {k: v for k, v in row.items() if k not in ("cost", "code_version")}
    return found


def at_work(out: Path, kind: str) -> bool:
    """A stage of this kind has begun and is not done."""
    return any(not (f / "done.json").exists() for f in out.glob(f"stages/{kind}-*"))


def test_rows_after_kills_are_the_rows_of_a_run_in_peace(tmp_path: Path):
    peace = demo(tmp_path / "peace")
    assert peace.wait() == 0
    killed, died = tmp_path / "killed", []
    for kind in ("store", "tokenizer", "pretrain", "transfer"):
        process = demo(killed)
        while process.poll() is None and not at_work(killed, kind):
            time.sleep(0.05)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            died.append(kind)
        process.wait()
    assert "store" in died
    assert "pretrain" in died
    assert demo(killed).wait() == 0
    assert len(rows(killed)) == 3
    assert rows(killed) == rows(tmp_path / "peace")
