"""A disk that fills during collection: a clear error, nothing lost, and it goes on once there is room."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.collect.collect import CollectConfig, collect
from engine.store.errors import CollectError
from engine.store.store import Store

from .bare_rooms import write_houses

ROOT = Path(__file__).parent.parent.parent
ASKED: dict[str, Any] = {
    "role": "eval",
    "frames": 32,
    "size": 32,
    "frames_per_part": 32,
    "actors": 0,
    "device": "cpu",
}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for some parts, not all. Needs root."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(place)]
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no mount command")
    if done.returncode:
        pytest.skip(f"may not mount: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def _collect(houses: Path, store: Path) -> "subprocess.CompletedProcess[str]":
    options = [f"--{name.replace('_', '-')}={value}" for name, value in ASKED.items()]
    command = [sys.executable, "tst.py", "collect", str(houses), "--store", str(store), *options]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_full_disk_loses_nothing(small_disk, tmp_path):
    houses, store = write_houses(tmp_path / "houses", 6), small_disk / "store"
    full = _collect(houses, store)
    assert full.returncode == 2
    said = full.stderr.strip().splitlines()[-1]
    assert "No space left" in said
    assert str(store) in said
    assert "run the same command again" in said
    opened = Store.open(store)
    kept = {p.part: p for p in opened.parts}
    assert 0 < len(kept) < 6
    assert opened.verify() == []
    assert not list(store.glob("parts/*.tmp-*"))
    again = CollectConfig(houses=[houses], store=store, **ASKED)
    with pytest.raises(CollectError, match="No space left"):
        collect(again)
    subprocess.run(["mount", "-o", "remount,size=16m", str(small_disk)], check=True)
    collect(again)
    opened = Store.open(store)
    assert len(opened.parts) == 6
    assert {n: opened.part(n) for n in kept} == kept  # not written again
    assert opened.verify() == []
    assert all(
        np.all(opened.read(p.part, 0, 32, ["rgb"])["rgb"].std(axis=(1, 2, 3)) > 0) for p in opened.parts
    )
