"""Whatever happens to a store's files is noticed before a wrong pixel is read."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

from engine.store import codecs
from engine.store.access import EvalFrames, PretrainFrames
from engine.store.check import verify_store
from engine.store.contents import contents
from engine.store.errors import DamagedPartError, NotAStoreError
from engine.store.index import INDEX
from engine.store.manifest import MANIFEST
from engine.store.store import Store
from engine.store.writing.staging import clean_staging

from .conftest import SPECS, add_part, arrays

NAMES = [s.name for s in SPECS]


def _files(store, part="transfer-a"):
    return sorted(f for f in (store.path / "parts" / part).rglob("*") if f.is_file())


def _read_all(path):
    return Store.open(path).read("transfer-a", 0, 39, NAMES)


def test_a_flipped_bit_anywhere_is_found_by_verify_and_never_read(store):
    """One flip in every file of a part, at several places."""
    truth = arrays("transfer", 39, seed=3)
    rng = np.random.default_rng(0)
    for file in _files(store):
        content = file.read_bytes()
        for at in {0, len(content) - 1, *rng.integers(0, len(content), 3).tolist()}:
            broken = bytearray(content)
            broken[at] ^= 1 << int(rng.integers(8))
            file.write_bytes(broken)
            where = f"bit flip at {at} of {file.relative_to(store.path)}"
            assert verify_store(store.path), where
            if file.name == "zarr.json" and file.parent.name == "transfer-a":
                # The group's own metadata: reading arrays does not pass through it.
                for name, values in _read_all(store.path).items():
                    np.testing.assert_array_equal(values, truth[name])
            else:
                with pytest.raises(DamagedPartError, match="transfer-a"):
                    _read_all(store.path)
        file.write_bytes(content)
    assert verify_store(store.path) == []
    np.testing.assert_array_equal(_read_all(store.path)["rgb"], truth["rgb"])


def test_large_shards_are_guarded_by_their_codecs(store, monkeypatch):
    """Shards above a size are not summed when opened; what flips inside is found while decoding."""
    monkeypatch.setattr("engine.store.part_reader._SUM_WHOLE_BELOW", 0)
    rng = np.random.default_rng(1)
    for file in _files(store):
        if file.parent.name != "0":
            continue
        content = file.read_bytes()
        for at in rng.integers(0, len(content), 12).tolist():
            broken = bytearray(content)
            broken[at] ^= 1 << int(rng.integers(8))
            file.write_bytes(broken)
            with pytest.raises(DamagedPartError, match="house-3"):
                _read_all(store.path)
        file.write_bytes(content)
    assert verify_store(store.path) == []


@pytest.mark.parametrize("damage", ["truncate", "empty", "delete", "grow"])
def test_truncated_empty_and_missing_files(store, damage):
    for file in _files(store):
        if file.name == MANIFEST or file.parent.name == "transfer-a":
            continue
        content = file.read_bytes()
        if damage == "delete":
            file.unlink()
        else:
            file.write_bytes({"truncate": content[:-3], "empty": b"", "grow": content + b"\0"}[damage])
        relative = file.relative_to(store.path / "parts" / "transfer-a").as_posix()
        assert any(p.part == "transfer-a" and p.file == relative for p in verify_store(store.path))
        with pytest.raises(DamagedPartError, match=relative) as caught:
            _read_all(store.path)
        assert "house-3" in str(caught.value)
        assert "tst collect" in str(caught.value)
        file.write_bytes(content)


def test_damage_after_opening_is_found_too(store):
    opened = Store.open(store.path)
    opened.read("transfer-a", 0, 5, ["rgb", "depth"])
    shard = store.path / "parts" / "transfer-a" / "rgb" / "c" / "0" / "0" / "0" / "0"
    shard.unlink()
    with pytest.raises(DamagedPartError, match="missing"):
        opened.read("transfer-a", 0, 5, ["rgb"])
    depth = store.path / "parts" / "transfer-a" / "depth" / "c" / "0" / "0" / "0"
    depth.write_bytes(bytes(depth.stat().st_size))
    with pytest.raises(DamagedPartError, match="not what was written"):
        opened.read("transfer-a", 0, 5, ["depth"])


def test_swapped_shards_of_equal_size_are_found(store):
    """Poses do not compress to a telling size, so their shards can be of one size."""
    add_part(store, "eval-b", "eval", [(1, 19)], seed=5)
    a, b = (store.path / "parts" / p / "intrinsics" / "c" / "0" / "0" for p in ("eval-a", "eval-b"))
    assert a.stat().st_size == b.stat().st_size
    left, right = a.read_bytes(), b.read_bytes()
    a.write_bytes(right)
    b.write_bytes(left)
    assert {p.part for p in verify_store(store.path)} == {"eval-a", "eval-b"}
    with pytest.raises(DamagedPartError, match="eval-a"):
        Store.open(store.path).read("eval-a", 0, 1, ["intrinsics"])


def test_swapped_parts_are_found(store):
    a, b = (store.path / "parts" / p for p in ("pretrain-a", "pretrain-b"))
    a.rename(a.with_name("x"))
    b.rename(a)
    a.with_name("x").rename(b)
    with pytest.raises(DamagedPartError, match="pretrain-b"):
        Store.open(store.path)
    assert {p.part for p in verify_store(store.path)} == {"pretrain-a", "pretrain-b"}


def test_an_edited_manifest_is_found(store):
    path = store.path / "parts" / "pretrain-a" / MANIFEST
    sealed = json.loads(path.read_text())
    sealed["body"]["role"] = "eval"
    path.write_text(json.dumps(sealed))
    with pytest.raises(DamagedPartError, match="checksum"):
        Store.open(store.path)
    assert any(p.part == "pretrain-a" for p in verify_store(store.path))


@pytest.mark.parametrize("what", ["manifest", "part", "manifest and index"])
def test_a_lost_part_is_not_read_as_if_it_had_never_been(store, what):
    Store.open(store.path)  # writes the index
    part = store.path / "parts" / "eval-a"
    if what.startswith("manifest"):
        (part / MANIFEST).unlink()
    else:
        shutil.rmtree(part)
    if "and index" in what:
        (store.path / INDEX).unlink()
    opened = Store.open(store.path)
    assert contents(opened)["frames"]["eval"] == 0
    assert [(p.part, p.file) for p in opened.verify()] == [("eval-a", MANIFEST)]
    for turn in range(2):  # also once the index was made again
        with pytest.raises(DamagedPartError, match=r"eval-a.*missing.*collect") as caught:
            EvalFrames(Store.open(store.path))
        assert "house-1" in str(caught.value) or "and index" in what
        add_part(Store.open(store.path), f"pretrain-c{turn}", "pretrain", [(1, 3)], seed=9)
    if "and index" not in what:  # else nobody knows what it held
        PretrainFrames(store.path)
    add_part(opened, "eval-a", "eval", [(1, 19)], seed=4)  # and is no obstacle
    assert opened.verify() == []
    assert len(EvalFrames(store.path)) == 19


def test_a_part_that_was_removed_is_not_missed(store):
    Store.open(store.path)
    Store.open(store.path).remove_part("pretrain-b")
    assert verify_store(store.path) == []
    assert len(PretrainFrames(store.path)) == 57


def test_foreign_files_are_reported(store):
    (store.path / "parts" / "eval-a" / "rgb" / "notes.txt").write_text("hello")
    assert [p.file for p in verify_store(store.path)] == ["rgb/notes.txt"]


@pytest.mark.parametrize("name", [MANIFEST, "zarr.json", "parts/zarr.json", INDEX])
def test_the_root_files_are_checked(store, name):
    Store.open(store.path)  # writes the index
    path = store.path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert [p.file for p in verify_store(store.path)] == [name]
    if name == MANIFEST:
        with pytest.raises(NotAStoreError, match="damaged"):
            Store.open(store.path)


def test_the_index_is_a_cache(store):
    before = Store.open(store.path).runs
    index = store.path / INDEX
    stamp = index.stat().st_mtime_ns
    assert Store.open(store.path).runs == before
    assert index.stat().st_mtime_ns == stamp  # read, not renewed
    index.write_bytes(b"garbage")
    assert Store.open(store.path).runs == before
    index.unlink()
    assert Store.open(store.path).runs == before
    add_part(store, "eval-b", "eval", [(2, 7)], seed=6)  # a part that the index does not know
    assert len(Store.open(store.path).runs) == len(before) + 1


@pytest.mark.parametrize("step", ["write_arrays", "rename"])
def test_a_failure_while_writing_leaves_nothing(store, monkeypatch, step):
    def fail(*_args, **_kwargs):
        raise OSError(28, "No space left on device")

    before = sorted(p.name for p in (store.path / "parts").iterdir())
    target = (
        "engine.store.writing.staging.codecs.write_arrays"
        if step == "write_arrays"
        else "engine.store.writing.staging.os.rename"
    )
    monkeypatch.setattr(target, fail)
    with pytest.raises(OSError, match="No space left"):
        add_part(store, "eval-b", "eval", [(1, 5)], seed=8)
    monkeypatch.undo()
    assert sorted(p.name for p in (store.path / "parts").iterdir()) == before
    add_part(store, "eval-b", "eval", [(1, 5)], seed=8)
    assert store.verify() == []


_CRASH = """
import os, sys
from engine.store.writing import staging
from engine.store.store import FrameRange, Space, Store
import numpy as np
store = Store.open(sys.argv[1])
staging.os.rename = lambda *_: os._exit(9)   # the process is gone just before the part would be there
values = store.read("eval-a", 0, 19, [m.name for m in store.part("eval-a").modalities])
runs = [FrameRange("house-1", "eval", "eval-b", 0, 19)]
store.write_part("eval-b", values, runs, store.part("eval-a").spaces, "c", [])
"""


def test_what_a_crash_leaves_is_ignored_and_cleared(store):
    done = subprocess.run([sys.executable, "-c", _CRASH, str(store.path)], check=False)
    assert done.returncode == 9
    (left,) = (store.path / "parts").glob("eval-b.tmp-*")
    assert (left / MANIFEST).exists()  # all of it was there but the rename
    opened = Store.open(store.path)
    assert "eval-b" not in [p.part for p in opened.parts]
    assert opened.verify() == []
    assert clean_staging(store.path / "parts") == [left.name]
    assert not left.exists()


def test_what_a_living_process_writes_is_left_alone(store):
    host = os.uname().nodename
    mine = (
        store.path
        / "parts"
        / f"eval-b.tmp-{''.join(c if c.isalnum() else '-' for c in host)}-{os.getpid()}-00000000"
    )
    mine.mkdir()
    theirs = store.path / "parts" / f"eval-b.tmp-elsewhere-{os.getpid()}-00000000"
    theirs.mkdir()
    assert clean_staging(store.path / "parts") == []
    os.utime(theirs, (0, 0))
    assert clean_staging(store.path / "parts") == [theirs.name]
    assert mine.exists()


def test_a_missing_chunk_is_an_error_and_not_zeros(tmp_path):
    codecs.create_root(tmp_path / "root", {})
    values = {"depth": np.ones((16, 12, 12), np.uint16)}
    codecs.write_arrays(tmp_path / "root" / "parts" / "p", values, {s.name: s for s in SPECS}, 16)
    (tmp_path / "root" / "parts" / "p" / "depth" / "c" / "0" / "0" / "0").unlink()
    with pytest.raises(ValueError, match="missing"):
        codecs.open_array(tmp_path / "root" / "parts" / "p" / "depth").read().result()
