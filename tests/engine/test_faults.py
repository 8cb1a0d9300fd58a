"""Two hundred faults, in every kind of file of a store: `verify` finds each, no reader returns a wrong pixel.

A few by default, all with `-m slow`; with `-s` a table tells how many of which kind were planted and noticed.
"""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from engine.store.check import Problem, verify_store
from engine.store.errors import DamagedPartError, MissingPartError, NotAStoreError
from engine.store.index import INDEX
from engine.store.manifest import MANIFEST
from engine.store.store import ModalitySpec, Store

from .conftest import add_part

DAMAGE = ("flip", "truncate", "delete", "empty", "zeros", "swap", "stale")
PARTS = ("pretrain-a", "pretrain-b", "transfer-a", "eval-a", "eval-b")


@pytest.fixture
def full(store):
    """A store with tokens beside a part, and another part as long as one that is there."""
    spec = ModalitySpec("tok", "uint16", (3, 3), "1", "token")
    tokens = np.random.default_rng(0).integers(0, 9000, (57, 3, 3)).astype(np.uint16)
    store.add_derived("pretrain-a", "tok", {"tok": tokens}, [spec])
    add_part(store, "eval-b", "eval", [(1, 19)], seed=5)
    return Store.open(store.path)  # writes the index


def _held(store: Store, part: str) -> list[str]:
    return [m.name for d in (store.part(part), *store.derived(part)) for m in d.modalities]


def _truth(store: Store) -> dict[tuple[str, str], np.ndarray]:
    return {(p, m): store.read(p, 0, store.part(p).frames, [m])[m] for p in PARTS for m in _held(store, p)}


def _kind(file: Path, root: Path) -> str:
    where = file.relative_to(root).parts
    if where[0] != "parts" or len(where) == 2:
        return "/".join(where)
    if len(where) == 3:
        return f"part {where[-1]}"
    return "array zarr.json" if where[-1] == "zarr.json" else "shard"


def _partner(file: Path, files: list[Path], rng: np.random.Generator) -> Path | None:
    """Another file of the same name and kind, with other content: of another part, or another modality."""
    same = [f for f in files if f.name == file.name and f.parent != file.parent]
    same = [f for f in same if f.read_bytes() != file.read_bytes()]
    return same[rng.integers(len(same))] if same else None


def _plant(damage: str, file: Path, files: list[Path], rng: np.random.Generator) -> dict[Path, bytes]:
    """Does the damage; returns what the files held before, empty if this file cannot suffer it."""
    content = file.read_bytes()
    stat = file.stat()
    if damage in ("swap", "stale"):
        other = _partner(file, files, rng)
        if other is None:
            return {}
        before = {file: content, other: other.read_bytes()}
        if damage == "swap":
            held = file.with_name("held")
            file.rename(held)
            other.rename(file)
            held.rename(other)
            return before
        file.write_bytes(before[other])  # a wrong manifest, a shard of another part
        return {file: content}
    if damage == "delete":
        file.unlink()
        return {file: content}
    broken = bytearray(content)
    at = int(rng.integers(len(content)))
    if damage == "flip":
        broken[at] ^= 1 << int(rng.integers(8))
    elif damage == "zeros":  # a block that never reached the disk
        broken[at : at + 64] = bytes(len(broken[at : at + 64]))
    else:
        broken = broken[: at if damage == "truncate" else 0]
    if bytes(broken) == content:
        return {}
    file.write_bytes(broken)
    if damage == "flip" and rng.random() < 0.5:
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # rot does not touch the time
    return {file: content}


def _read(store: Store, truth: dict[tuple[str, str], np.ndarray]) -> list[Exception]:
    """Reads everything; what is returned must be what was written. Returns what was refused."""
    refused: list[Exception] = []
    for (part, modality), values in truth.items():
        try:
            read = store.read(part, 0, len(values), [modality])[modality]
        except (DamagedPartError, MissingPartError) as error:
            refused.append(error)
            continue
        np.testing.assert_array_equal(read, values)
    return refused


@pytest.mark.parametrize("faults", [40, pytest.param(200, marks=pytest.mark.slow)])
def test_every_fault_is_found_and_no_wrong_pixel_is_read(full, monkeypatch, faults):
    rng = np.random.default_rng(7)
    truth = _truth(full)
    files = sorted(f for f in full.path.rglob("*") if f.is_file())
    kinds = sorted({_kind(f, full.path) for f in files})
    tally: Counter[tuple[str, str, str]] = Counter()
    planted = 0
    while planted < faults:
        kind = kinds[planted // 2 % len(kinds)] if planted % 2 else "shard"
        damage = DAMAGE[int(rng.integers(len(DAMAGE)))]
        candidates = [f for f in files if _kind(f, full.path) == kind]
        file = candidates[int(rng.integers(len(candidates)))]
        if kind == INDEX and damage == "delete":
            continue  # a cache: absent is not damaged
        # Half of the time as if shards were large, which are not summed whole when opened.
        monkeypatch.setattr("engine.store.part_reader._SUM_WHOLE_BELOW", int(rng.choice([0, 1 << 20])))
        opened = Store.open(full.path)
        _read(opened, truth)
        before = _plant(damage, file, files, rng)
        if not before:
            continue
        planted += 1
        where = f"{damage} of {file.relative_to(full.path)}"
        assert _names(verify_store(full.path), file, full.path), where
        refused = _read(opened, truth)
        try:
            refused += _read(Store.open(full.path), truth)
        except (DamagedPartError, NotAStoreError) as error:
            refused.append(error)
        tally[kind, damage, "refused" if refused else "read right"] += 1
        if kind in ("shard", "array zarr.json"):
            assert refused, where
            _check_message(refused, file, full)
        elif kind == f"part {MANIFEST}" and damage != "delete":
            # With its time kept, the index still vouches for what the manifest said.
            assert refused or damage == "flip", where
            _check_message(refused, file, full)
        elif kind == f"part {MANIFEST}" and "." not in file.parent.name:
            with pytest.raises(DamagedPartError, match=file.parent.name):
                Store.open(full.path).check_whole(full.part(file.parent.name).role)
        for path, content in before.items():
            path.write_bytes(content)
    for (kind, damage, outcome), count in sorted(tally.items()):
        print(f"{kind:<18} {damage:<9} {outcome:<11} {count}")
    assert verify_store(full.path) == []
    assert faults < 200 or len({(k, d) for k, d, _ in tally}) > 35


def _names(found: list[Problem], file: Path, root: Path) -> bool:
    """Whether a problem names the file, or its part where the manifest itself is damaged."""
    relative = file.relative_to(root)
    if relative.parts[0] != "parts" or len(relative.parts) == 2:
        return any(p.file == relative.as_posix() for p in found)
    inside = "/".join(relative.parts[2:])
    return any(p.part == relative.parts[1] and p.file == inside for p in found)


def _check_message(refused: list[Exception], file: Path, store: Store) -> None:
    """The error names space, part and file."""
    part = file.relative_to(store.path / "parts").parts[0]
    spaces = [r.space for r in store.runs if r.part == part.split(".")[0]]
    for error in refused:
        if f"part {part!r}" in str(error):
            assert any(s in str(error) for s in spaces), error
            assert file.name in str(error) or "/c/" in str(file), error
            assert "Delete the part" in str(error)
