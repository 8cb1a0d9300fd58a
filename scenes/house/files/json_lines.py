"""Random access to lines of `.jsonl` and `.jsonl.gz` files, with one line in memory.

    count_lines(path)        # all of them, or no more than a limit
    read_line(path, 12)      # the thirteenth

Reading consecutive lines costs no more than reading the file once: each thread keeps its last file open at
its position.
"""

import gzip
import os
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

SUFFIXES = (".jsonl", ".jsonl.gz")
_POINTER = b"version https://git-lfs"


def is_json_lines(path: Path) -> bool:
    """Whether a file holds a JSON value a line, by its name."""
    return path.name.endswith(SUFFIXES)


def count_lines(path: Path, limit: int | None = None) -> int:
    """Lines of a file, counted no further than `limit`. Raises ValueError for damaged compressed data."""
    found = 0
    with _opened(path) as file, _errors_named(path):
        for _ in file:
            if found == limit:
                break
            found += 1
    return found


def read_line(path: Path, number: int) -> bytes:
    """A line, counted from 0, without its end. Raises ValueError where there is none, for a blank one and
    for damaged compressed data."""
    cursor = getattr(_kept, "cursor", None)
    if cursor is None or not cursor.can_reach(path, number):
        if cursor is not None:
            cursor.close()
        cursor = _kept.cursor = _Cursor(path)
    line = cursor.read(number).rstrip(b"\r\n")
    if not line.strip():
        raise ValueError(f"{path}: line {number + 1} is blank: delete it")
    return line


class _Cursor:
    """A file, read forwards."""

    def __init__(self, path: Path) -> None:
        self._identity = _identity(path)
        self._path, self._file, self._next = path, _opened(path), 0

    def can_reach(self, path: Path, number: int) -> bool:
        """Whether it is of this file as it is now, opened by this process, and not past that line."""
        return not self._file.closed and number >= self._next and self._identity == _identity(path)

    def read(self, number: int) -> bytes:
        try:
            with _errors_named(self._path):
                line = b""
                while self._next <= number:
                    line = self._file.readline()
                    if not line:
                        raise ValueError(f"{self._path} holds {self._next} lines: there is no #{number}")
                    self._next += 1
                return line
        except ValueError:
            self.close()
            raise

    def close(self) -> None:
        self._file.close()


_kept = threading.local()


def _identity(path: Path) -> tuple[object, ...]:
    """A process that was forked shares its parent's place in an open file: hence the process's number."""
    status = path.stat()
    return os.getpid(), path.absolute(), status.st_ino, status.st_size, status.st_mtime_ns


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


@contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise ValueError(f"{path} was cut short: fetch or write it again") from error
    except (gzip.BadGzipFile, zlib.error) as error:
        with path.open("rb") as file:
            pointer = file.read(len(_POINTER)) == _POINTER
        if pointer:
            text = "is only Git LFS's pointer to the data: `git lfs pull` in its folder fetches them"
        else:
            text = f"is damaged, or no gzip file at all ({error}): fetch or write it again"
        raise ValueError(f"{path} {text}") from error
