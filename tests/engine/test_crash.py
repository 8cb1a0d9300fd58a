"""Killed at random, actors and driver, and run again: the store is the one that no kill disturbed.

Two rounds by default; `TST_CRASH_ROUNDS=20 pytest -s -m slow tests/engine/test_crash.py` plays twenty and
prints what was killed in each.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.collect.collect import CollectConfig, collect
from engine.store.store import Store

from .bare_rooms import write_houses
from .conftest import by_frame

pytestmark = [pytest.mark.slow, pytest.mark.ray]
ROOT = Path(__file__).parent.parent.parent
ROUNDS = int(os.environ.get("TST_CRASH_ROUNDS", "2"))
HOUSES, FRAMES = 20, 12
REQUEST = {"role": "eval", "frames": FRAMES, "size": 16, "frames_per_part": 16, "device": "cpu"}


def start(houses: Path, store: Path) -> "subprocess.Popen[bytes]":
    """`tst collect` with two actors, in a process group of its own."""
    options = [f"--{k.replace('_', '-')}={v}" for k, v in REQUEST.items()]
    command = [
        sys.executable,
        "tst.py",
        "collect",
        str(houses),
        "--store",
        str(store),
        "--actors=2",
        *options,
    ]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )


def descendants(pid: int) -> list[int]:
    """Every process below `pid`."""
    found = []
    for thread in Path(f"/proc/{pid}/task").glob("*"):
        try:
            children = [int(c) for c in (thread / "children").read_text().split()]
        except OSError:  # it ended meanwhile
            continue
        for child in children:
            found += [child, *descendants(child)]
    return found


def actors_of(driver: int) -> list[int]:
    """Processes of a driver's collecting actors that are up."""
    found = []
    for pid in descendants(driver):
        try:
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::MakerActor"):
                found.append(pid)
        except OSError:
            continue
    return found


def parts(store: Path) -> int:
    return len(list(store.glob("parts/*/MANIFEST.json")))


def writing(store: Path) -> bool:
    return any(store.glob("parts/*.tmp-*"))


def disturb(houses: Path, store: Path, dice: random.Random) -> list[str]:
    """Starts a collection, kills some of its actors, then the driver; returns what was killed, and when."""
    killed: list[str] = []
    driver = start(houses, store)
    at_work = parts(store)
    targets = ["actor"] * dice.randint(0, 2) + ["driver"]
    for target in targets:
        # When a part is being written, or at any moment from the first new part on.
        mid_write = dice.random() < 0.5
        while driver.poll() is None and not (writing(store) if mid_write else parts(store) > at_work):
            time.sleep(0.002)
        time.sleep(dice.uniform(0, 0.05) if mid_write else dice.uniform(0, 1.0))
        victims = [driver.pid] if target == "driver" else actors_of(driver.pid)
        if driver.poll() is None and victims:
            how = signal.SIGINT if target == "driver" and dice.random() < 0.25 else signal.SIGKILL
            try:
                os.kill(dice.choice(victims), how)
            except ProcessLookupError:  # it died of itself meanwhile
                continue
            killed.append(f"{target} by {how.name} at {parts(store)} parts")
    driver.communicate(timeout=120)
    return killed


@pytest.mark.parametrize("number", range(ROUNDS))
def test_kills_leave_no_trace(tmp_path, number):
    houses = write_houses(tmp_path / "houses", HOUSES)
    collect(
        CollectConfig.model_validate({"houses": [houses], "store": tmp_path / "peace", "actors": 0} | REQUEST)
    )
    truth = by_frame(Store.open(tmp_path / "peace"), "eval")
    assert len(truth) == HOUSES * FRAMES
    dice, store = random.Random(number), tmp_path / "store"
    killed = [disturb(houses, store, dice) for _ in range(dice.randint(1, 3))]
    last = start(houses, store)
    text = last.communicate(timeout=240)[0].decode()
    print(f"round {number}: {killed}; then {parts(store)} parts")
    assert last.returncode == 0, text
    assert any("driver" in k for run in killed for k in run)
    opened = Store.open(store)
    assert opened.verify() == []
    assert not writing(store)
    assert by_frame(opened, "eval") == truth
