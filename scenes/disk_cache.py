"""Arrays kept on disk between processes: results that take long to compute and depend on their key alone.

    cache = default_cache()
    entry = cache.fetch(f"mesh {asset.id} {source_digest(CODE)}", make)

An entry is one safetensors file, named by the hash of its key. A key names all that the result depends on,
the code included (`source_digest`). A file is written under a temporary name and then renamed: other
processes see it whole or not at all, and of two writers the last one wins. Where a file cannot be written (a
full disk, a folder without permission) the result is used all the same, and one line on stderr says so.

The folder is `$TESTSPACE_CACHE`, by default `testspace` in the user's cache folder; an empty value turns the
cache off. `$TESTSPACE_CACHE_GB` bounds it: beyond that the least recently used entries are removed.
"""

import contextlib
import hashlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
import PIL
from jaxtyping import Shaped
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

FOLDER_VARIABLE = "TESTSPACE_CACHE"
LIMIT_VARIABLE = "TESTSPACE_CACHE_GB"
LIMIT_GB = 4.0
"""Bound of the cache where the environment names none [GB]."""
KEPT_AFTER_TRIM = 0.8  # of the bound
ABANDONED_S = 3600.0  # age after which a temporary file is that of a process that ended [s]
_SUFFIX = ".safetensors"


@dataclass(frozen=True, eq=False)
class Entry:
    """What is kept under a key: arrays by name, and short texts by name."""

    arrays: dict[str, Shaped[np.ndarray, "..."]]
    facts: dict[str, str] = field(default_factory=dict)


class DiskCache:
    """Entries in a folder, shared by all processes that use it; without a folder nothing is kept."""

    def __init__(self, folder: Path | None, limit_bytes: int = int(LIMIT_GB * 1e9)) -> None:
        self.folder = folder
        self.limit_bytes = limit_bytes
        self._written = 0  # bytes by this process since it last measured the folder
        self._measured: int | None = None
        self._complained = False

    def fetch(self, key: str, make: Callable[[], Entry]) -> Entry:
        """Return the entry of `key`; made, and kept for the next process, where there is none."""
        found = self.get(key)
        if found is None:
            found = make()
            self.put(key, found)
        return found

    def get(self, key: str) -> Entry | None:
        """Return the entry of `key`; None where there is none, or where its file is damaged."""
        if self.folder is None:
            return None
        path = self._path(key)
        try:
            with safe_open(path, framework="numpy") as file:
                names = file.keys()
                entry = Entry({name: file.get_tensor(name) for name in names}, file.metadata() or {})
        except FileNotFoundError:
            return None
        except (OSError, SafetensorError):  # cut short, as by a crash of the machine
            return None
        with contextlib.suppress(OSError):
            os.utime(path)  # `trim` removes the least recently used entries
        return entry

    def __contains__(self, key: str) -> bool:
        return self.folder is not None and self._path(key).exists()

    def put(self, key: str, entry: Entry) -> None:
        """Keep the entry of `key`. A file that cannot be written is no error: see the module's text."""
        if self.folder is None:
            return
        data = save({k: np.ascontiguousarray(v) for k, v in entry.arrays.items()}, entry.facts or None)
        try:
            self._write(self._path(key), data)
            self._written += len(data)
            if self._measured is None or self._measured + self._written > self.limit_bytes:
                self.trim()
        except OSError as error:
            if not self._complained:
                self._complained = True
                print(
                    f"compiled assets are not kept in {self.folder} ({error.strerror or error}), so each "
                    f"process compiles its own: make room there, or set {FOLDER_VARIABLE} to another folder",
                    file=sys.stderr,
                )

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".tmp-", dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            os.replace(name, path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)
            raise

    def trim(self) -> None:
        """If beyond the bound, remove the least recently used entries down to KEPT_AFTER_TRIM of it."""
        files = self._files()
        held = sum(size for _, size, _ in files)
        if held > self.limit_bytes:
            for _, size, path in sorted(files):
                if held <= KEPT_AFTER_TRIM * self.limit_bytes:
                    break
                with contextlib.suppress(OSError):  # another process was faster
                    path.unlink()
                held -= size
        self._measured, self._written = held, 0

    def size(self) -> tuple[int, int]:
        """Return the number of entries and their bytes."""
        files = self._files()
        return len(files), sum(size for _, size, _ in files)

    def _files(self) -> list[tuple[float, int, Path]]:
        """When it was last used, bytes and path of each entry; temporary files of ended processes go."""
        found: list[tuple[float, int, Path]] = []
        if self.folder is None or not self.folder.is_dir():
            return found
        with os.scandir(self.folder) as items:
            for item in items:
                with contextlib.suppress(OSError):
                    state = item.stat()
                    if item.name.endswith(_SUFFIX):
                        found.append((state.st_mtime, state.st_size, Path(item.path)))
                    elif item.name.startswith(".tmp-") and state.st_mtime < time.time() - ABANDONED_S:
                        os.unlink(item.path)
        return found

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        name = hashlib.blake2b(key.encode(), digest_size=20).hexdigest()
        return self.folder / f"{name}{_SUFFIX}"


def cache_folder() -> Path:
    """Where files are kept between runs: `$TESTSPACE_CACHE`, or `testspace` among the user's caches."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    return Path(os.environ.get(FOLDER_VARIABLE) or home / "testspace").expanduser().absolute()


@cache
def default_cache() -> DiskCache:
    """Return the cache that the environment names. Raises ValueError for a bound that is no number."""
    text = os.environ.get(LIMIT_VARIABLE, str(LIMIT_GB))
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if limit <= 0:
        raise ValueError(f"{LIMIT_VARIABLE} is {text!r}: give the cache's bound in GB, as 4")
    off = os.environ.get(FOLDER_VARIABLE) == ""
    return DiskCache(None if off else cache_folder(), int(limit * 1e9))


def kept_array(key: str, make: Callable[[], Shaped[np.ndarray, "*shape"]]) -> Shaped[np.ndarray, "*shape"]:
    """Return the array that `make` returns, by code of `scenes` alone, from the cache where it is there."""
    entry = default_cache().fetch(f"array {key} {scenes_key()}", lambda: Entry({"array": make()}))
    return entry.arrays["array"]


@cache
def scenes_key() -> str:
    """Return the part of a key that stands for the code and tables of `scenes` and what they compute with."""
    return f"{source_digest(Path(__file__).parent)} numpy {np.__version__} pillow {PIL.__version__}"


@cache
def source_digest(*places: Path) -> str:
    """Return the digest of files, and of the Python modules and CSV tables below folders.

    As part of a key it keeps entries of other code from being used.
    """
    total = hashlib.blake2b(digest_size=16)
    for place in places:
        below = (p for p in place.rglob("*") if p.suffix in (".py", ".csv")) if place.is_dir() else (place,)
        for path in sorted(below):
            total.update(f"{path.relative_to(place.parent).as_posix()}\n".encode() + path.read_bytes())
    return total.hexdigest()
