"""Arrays kept on disk: exact, shared between processes, bounded, and never in the way of the result."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from scenes.disk_cache import DiskCache, Entry, default_cache, source_digest
from scenes.house.asset_table import assets_of_type
from scenes.meshes.geometry import Mesh
from scenes.meshes.libraries import mesh_store
from scenes.meshes.libraries.library import DEBIAN_FOLDER, AssetLibrary
from scenes.meshes.libraries.mesh_store import kept_mesh

ENTRY = Entry(
    {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros((0, 3), np.uint8)}, {"x": "1"}
)


def fail() -> NoReturn:
    raise AssertionError("this was to be read from the disk")


def entry_of(kilobytes: int) -> Entry:
    return Entry({"a": np.zeros(kilobytes * 1000, np.uint8)})


def same_mesh(one: Mesh, other: Mesh) -> None:
    for part in fields(Mesh):
        a, b = getattr(one, part.name), getattr(other, part.name)
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        elif part.name != "materials":
            assert a == b
    assert len(one.materials) == len(other.materials)
    for a, b in zip(one.materials, other.materials, strict=True):
        assert (a.name, a.color, a.emission, a.opacity, a.switched) == (
            b.name,
            b.color,
            b.emission,
            b.opacity,
            b.switched,
        )
        assert (a.texture is None) == (b.texture is None)
        if a.texture is not None:
            np.testing.assert_array_equal(a.texture, b.texture)


def test_what_is_kept_comes_back_bit_by_bit(tmp_path: Path) -> None:
    DiskCache(tmp_path).fetch("key", lambda: ENTRY)
    found = DiskCache(tmp_path).fetch("key", fail)
    assert found.facts == ENTRY.facts
    for name, array in ENTRY.arrays.items():
        assert found.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(found.arrays[name], array)
    assert DiskCache(tmp_path).get("another key") is None


def test_a_damaged_file_is_made_anew(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    cache.put("key", ENTRY)
    (file,) = tmp_path.iterdir()
    for damage in (b"", file.read_bytes()[:-4], b"\xff" * 100):
        file.write_bytes(damage)
        assert cache.get("key") is None
    cache.fetch("key", lambda: ENTRY)
    assert cache.fetch("key", fail).facts == ENTRY.facts


@contextmanager
def no_room_for_files_beyond(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_costs_a_line_and_not_the_result(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    cache = DiskCache(tmp_path)
    with no_room_for_files_beyond(1000):
        for key in ("one", "two"):
            assert len(cache.fetch(key, lambda: entry_of(50)).arrays["a"]) == 50_000
    assert list(tmp_path.iterdir()) == []
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(tmp_path) in lines[0]
    assert "TESTSPACE_CACHE" in lines[0]
    cache.put("one", entry_of(50))
    assert cache.get("one") is not None


def test_a_folder_that_cannot_be_made_costs_a_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert DiskCache(tmp_path / "file" / "below").fetch("key", lambda: ENTRY) is ENTRY
    assert "not kept" in capfd.readouterr().err


def test_the_least_recently_used_go_first(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, limit_bytes=350_000)
    for age, key in ((300, "a"), (200, "b"), (100, "c")):
        cache.put(key, entry_of(100))
        newest = max(tmp_path.iterdir(), key=lambda p: p.stat().st_ctime_ns)
        used = newest.stat().st_mtime - age
        os.utime(newest, (used, used))
    assert cache.get("a") is not None  # used just now
    cache.put("d", entry_of(100))
    assert [key for key in "abcd" if key in cache] == ["a", "d"]
    count, held = cache.size()
    assert count == 2
    assert held <= 350_000


def test_processes_that_write_one_entry_at_once_leave_it_whole(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
import numpy as np
from scenes.disk_cache import DiskCache, Entry
cache = DiskCache(Path(sys.argv[1]))
value = int(sys.argv[2])
for _ in range(60):
    cache.put("key", Entry({"a": np.full(40_000, value)}))
    found = cache.get("key")
    assert found is not None and len(np.unique(found.arrays["a"])) == 1
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(tmp_path), v]) for v in ("1", "2")]
    assert [process.wait() for process in running] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 1


def test_the_environment_names_folder_and_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def named(**values: str) -> DiskCache:
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        return default_cache.__wrapped__()

    assert named(TESTSPACE_CACHE=str(tmp_path), TESTSPACE_CACHE_GB="0.5").limit_bytes == 500_000_000
    assert named().folder == tmp_path
    off = named(TESTSPACE_CACHE="")
    assert off.fetch("key", lambda: ENTRY) is ENTRY
    assert off.size() == (0, 0)
    for wrong in ("much", "-1"):
        with pytest.raises(ValueError, match="TESTSPACE_CACHE_GB"):
            named(TESTSPACE_CACHE_GB=wrong)


@pytest.mark.parametrize("object_type", ["Chair", "Painting", "Bowl"])
def test_an_asset_read_from_disk_is_the_asset_that_was_built(object_type: str, tmp_path: Path) -> None:
    asset = assets_of_type(object_type)[0]
    for folder in (None, DEBIAN_FOLDER):
        library = AssetLibrary(folder)
        cache = DiskCache(tmp_path)
        built = kept_mesh(f"{folder} {asset}", lambda library=library: library.mesh(asset), cache)
        mesh_store._textures.clear()
        read = kept_mesh(f"{folder} {asset}", fail, cache)
        assert read is not built
        same_mesh(read, built)


def test_meshes_share_a_texture_and_outlive_its_removal(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path)
    asset = next(a for a in assets_of_type("Painting"))
    build = AssetLibrary(None).mesh(asset)
    for key in ("one", "two"):
        kept_mesh(key, lambda: build, cache)
    mesh_store._textures.clear()
    one, two = (kept_mesh(key, fail, cache) for key in ("one", "two"))
    shared = [(a.texture, b.texture) for a, b in zip(one.materials, two.materials, strict=True)]
    assert any(a is not None for a, _ in shared)
    assert all(a is b for a, b in shared)
    del one, two, shared
    mesh_store._textures.clear()
    for file in sorted(tmp_path.iterdir(), key=lambda p: -p.stat().st_size)[:1]:
        file.unlink()  # the texture: the largest
    same_mesh(kept_mesh("one", lambda: build, cache), build)


def test_a_change_of_the_code_changes_the_key(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("a = 1\n")
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "notes.md").write_text("a\n")
    first = source_digest.__wrapped__(tmp_path)
    (tmp_path / "notes.md").write_text("b\n")
    assert source_digest.__wrapped__(tmp_path) == first
    for name in ("code.py", "table.csv"):
        (tmp_path / name).write_text("changed\n")
        assert source_digest.__wrapped__(tmp_path) != first
        first = source_digest.__wrapped__(tmp_path)
