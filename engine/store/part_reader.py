"""Reads one part: first verifies its files against the manifest, then decodes pixels.

A Zarr reader cannot know that a shard is missing, so the manifest is consulted first. When a part is first
read, and again whenever a file's time or size changed, this checks that every file exists, its size, and
either its whole content (small files, and poses, whose chunks all have one size) or its last four bytes (the
checksum of a shard's index, which distinguishes two shards of equal size). The codecs' own checksums cover
the rest during decoding.
"""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped

from engine.store import codecs
from engine.store.errors import DamagedPartError, MissingModalityError
from engine.store.manifest import FileFacts, Manifest, crc32c_text, fix, refetch, spaces_text

Rows = slice | Int64[np.ndarray, " n"]
"""Frames of a part: from one to another, or by number."""
_SUM_WHOLE_BELOW = 1 << 20  # bytes; summing a file of this size takes a fraction of a millisecond


class PartReader:
    """The arrays of one part. Safe to share between threads."""

    def __init__(
        self, directory: Path, manifest: Manifest, fetch: Callable[[Manifest, str], None] | None = None
    ):
        """`fetch` brings the files of a modality into the directory, where they come from elsewhere."""
        self._fetch = fetch
        self.directory = directory
        self.manifest = manifest
        self._arrays: dict[str, Any] = {}
        self._stamps: dict[str, tuple[int, int, int]] = {}
        self._lock = threading.Lock()

    def start(self, modality: str, rows: Rows) -> Callable[[], Shaped[np.ndarray, "n ..."]]:
        """Begins to read frames of a modality; the returned function waits for them, [n, ...] in their order.

        `rows` is a slice or frame numbers in any order. Both steps raise DamagedPartError.
        """
        future = self._open(modality, rows)[rows].read()

        def wait() -> np.ndarray:
            try:
                return np.asarray(future.result())
            except (ValueError, OSError) as error:
                raise self._damaged(f"{modality}/", str(error), rows) from error

        return wait

    def _open(self, modality: str, rows: Rows) -> Any:
        if self.manifest.modality(modality) is None:
            held = ", ".join(m.name for m in self.manifest.modalities)
            raise MissingModalityError(
                f"part {self.manifest.part!r} (role {self.manifest.role}) holds no {modality!r}, only {held}"
            )
        with self._lock:
            if self._fetch is not None:
                self._fetch(self.manifest, modality)
            self._check(modality)
            if modality not in self._arrays:
                try:
                    self._arrays[modality] = codecs.open_array(self.directory / modality)
                except (ValueError, OSError) as error:
                    raise self._damaged(f"{modality}/zarr.json", str(error), rows) from error
            return self._arrays[modality]

    def _check(self, modality: str) -> None:
        """Compares a modality's files with the manifest; full look only at those that changed since."""
        spec = self.manifest.modality(modality)
        whole = spec is not None and spec.kind == "camera"
        for name, facts in self.manifest.files.items():
            if not name.startswith(f"{modality}/"):
                continue
            path = self.directory / name
            try:
                stat = os.stat(path)
            except FileNotFoundError:
                raise self._damaged(name, "the file is missing") from None
            if stat.st_size != facts.size:
                raise self._damaged(name, f"it has {stat.st_size} bytes where {facts.size} were written")
            stamp = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if self._stamps.get(name) != stamp:
                self._check_content(name, path, facts, whole)
                self._stamps[name] = stamp
                self._arrays.pop(modality, None)

    def _check_content(self, name: str, path: Path, facts: FileFacts, whole: bool) -> None:
        with open(path, "rb") as file:
            if whole or facts.size < _SUM_WHOLE_BELOW:
                same = crc32c_text(file.read()) == facts.crc32c
            else:
                file.seek(-4, os.SEEK_END)
                same = file.read().hex() == facts.tail
        if not same:
            raise self._damaged(name, "its content is not what was written (crc32c differs)")

    def _damaged(self, file: str, problem: str, rows: Rows | None = None) -> DamagedPartError:
        return DamagedPartError(
            f"{spaces_text(self._spaces(rows))}part {self.manifest.part!r}, file {self.directory / file}: "
            f"{problem}. {fix(self.directory) if self._fetch is None else refetch(self.directory)}"
        )

    def _spaces(self, rows: Rows | None) -> list[str]:
        """Spaces that frames belong to."""
        runs = self.manifest.runs
        if rows is not None:
            first, last = (rows.start, rows.stop - 1) if isinstance(rows, slice) else (rows.min(), rows.max())
            runs = [r for r in runs if r.start <= last and first < r.start + r.count]
        return [r.space for r in runs]
