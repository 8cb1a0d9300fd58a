"""Digests of the files that a space was read from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path


def digest_of_files(paths: Iterable[Path]) -> str:
    """sha256 over the files' names and contents, hex; the same whatever folder they lie in."""
    total = hashlib.sha256()
    for path in sorted(paths, key=lambda p: p.name):
        with path.open("rb") as file:
            total.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return total.hexdigest()
