"""Killed at any stage and run again, a study goes on, and its rows are those of a run left in peace."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
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


def test_rows_after_kills_are_the_rows_of_a_run_in_peace(tmp_path: Path):
    start = time.monotonic()
    peace = demo(tmp_path / "peace")
    assert peace.wait() == 0
    whole = time.monotonic() - start

    killed = tmp_path / "killed"
    rng = np.random.default_rng(0)
    died = 0
    for share in np.sort(rng.uniform(0.1, 0.6, 3)):
        process = demo(killed)
        try:
            process.wait(timeout=float(share) * whole)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            died += 1
    assert died >= 1, "nothing was killed, so nothing was shown"
    assert demo(killed).wait() == 0
    assert rows(killed) == rows(tmp_path / "peace")
    assert len(rows(killed)) == 3
