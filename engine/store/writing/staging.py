"""Writes a part atomically: it exists completely or not at all.

Staging directory → files → fsync → manifest → fsync → rename → fsync of the parent. A crash leaves a
`*.tmp-HOST-PID-RANDOM` directory, which readers ignore and the next collection removes.
"""

import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from engine.store import codecs
from engine.store.errors import PartExistsError
from engine.store.manifest import MANIFEST, Manifest, file_facts, files_below, fsync_path, seal
from engine.store.schema import ModalitySpec

_STAGING = re.compile(r"\.tmp-(?P<host>.+)-(?P<pid>\d+)-[0-9a-f]{8}$")
_FOREIGN_AGE = 24 * 3600.0  # seconds after which another machine's staging directory is taken for dead


def is_staging(name: str) -> bool:
    """Whether a directory entry is something still being written, or left by a crash."""
    return _STAGING.search(name) is not None


def staging_path(parts_dir: Path, name: str) -> Path:
    """Where this process may write something that is to become the part `name`; not made yet."""
    host = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname())
    return parts_dir / f"{name}.tmp-{host}-{os.getpid()}-{secrets.token_hex(4)}"


def publish(staging: Path, target: Path) -> None:
    """Puts a finished staging directory, its manifest in it, in its place.

    Raises PartExistsError if another writer was first.
    """
    fsync_path(staging / MANIFEST)
    for directory in [staging, *(p for p in staging.rglob("*") if p.is_dir())]:
        fsync_path(directory)
    if target.exists() and not (target / MANIFEST).exists():
        shutil.rmtree(target)  # without a manifest it does not exist, it is only in the way
    try:
        os.rename(staging, target)
    except OSError as error:
        if target.exists():
            raise PartExistsError(f"part {target.name!r} was written by someone else meanwhile") from error
        raise
    fsync_path(target.parent)


def commit_part(
    parts_dir: Path,
    manifest: Manifest,
    arrays: dict[str, Shaped[np.ndarray, "frames ..."]],
    chunk_frames: int,
    put: Callable[[Path, Path], None] = publish,
) -> Manifest:
    """Writes `arrays` as the part `manifest.part`, atomically; returns the manifest with its files.

    `put` brings the finished staging directory to its place.

    Raises PartExistsError if a part of that name is there, also when another writer was first.
    """
    target = parts_dir / manifest.part
    if (target / MANIFEST).exists():
        raise PartExistsError(
            f"part {manifest.part!r} is already in {parts_dir}; parts are never overwritten"
        )
    specs: dict[str, ModalitySpec] = {m.name: m for m in manifest.modalities}
    staging = staging_path(parts_dir, manifest.part)
    try:
        codecs.write_arrays(staging, arrays, specs, chunk_frames)
        names = files_below(staging)
        for name in names:
            fsync_path(staging / name)
        complete = manifest.model_copy(update={"files": {n: file_facts(staging / n) for n in names}})
        (staging / MANIFEST).write_bytes(seal(complete.model_dump(mode="json")))
        put(staging, target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return complete


def remove_part(parts_dir: Path, name: str) -> None:
    """Takes a part away: renamed first, so that no reader ever finds half of it."""
    doomed = staging_path(parts_dir, name)
    os.rename(parts_dir / name, doomed)
    fsync_path(parts_dir)
    shutil.rmtree(doomed)


def clean_staging(parts_dir: Path) -> list[str]:
    """Removes what dead writers left behind; returns the names. What a living process writes stays."""
    host = re.sub(r"[^A-Za-z0-9]+", "-", socket.gethostname())
    removed = []
    for entry in sorted(parts_dir.iterdir()):
        match = _STAGING.search(entry.name)
        if match is None:
            continue
        if match["host"] == host:
            dead = not _alive(int(match["pid"]))
        else:
            dead = time.time() - entry.stat().st_mtime > _FOREIGN_AGE
        if dead:
            shutil.rmtree(entry, ignore_errors=True)
            removed.append(entry.name)
    return removed


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
