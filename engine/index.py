"""The index: every part's manifest in one file, so that opening a store reads one file and not thousands.

`index.json` is a cache. It is derived from the manifests, renewed where a part came, went or changed, and
thrown away when damaged; deleting it loses nothing. It is read whenever a store is opened, so it is one line
of crc32c and one of compact JSON, and not sealed as manifests are, which takes several times as long.
"""

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import DamagedPartError
from engine.manifest import (
    MANIFEST,
    Manifest,
    crc32c_text,
    load_manifest,
    spaces_text,
    write_atomically,
)
from engine.staging import is_staging

INDEX = "index.json"


def load_index(root: Path) -> dict[str, Manifest]:
    """Manifests of all parts of a store, by name in sorted order. Raises DamagedPartError."""
    cached = _read_cache(root / INDEX)
    stamps = _stamps(root / "parts")
    manifests: dict[str, Manifest] = {}
    fresh = cached is not None and set(cached) == set(stamps)
    for name in sorted(stamps):
        entry = cached.get(name) if cached else None
        if entry is not None and entry["stamp"] == stamps[name]:
            manifests[name] = Manifest.model_validate(entry["manifest"])
        else:
            manifests[name] = _load(root / "parts" / name, entry)
            fresh = False
    if not fresh:
        body = {
            name: {"stamp": stamps[name], "manifest": manifest.model_dump(mode="json")}
            for name, manifest in manifests.items()
        }
        with suppress(OSError):  # a store that cannot be written to, or is full, can still be read
            text = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
            write_atomically(root / INDEX, crc32c_text(text).encode() + b"\n" + text)
    return manifests


def _load(part_dir: Path, known: dict[str, Any] | None) -> Manifest:
    """A part's manifest; where it is damaged, the error names the spaces that the index knew it to hold."""
    try:
        return load_manifest(part_dir)
    except DamagedPartError as error:
        spaces = [r["space"] for r in known["manifest"]["runs"]] if known else []
        raise DamagedPartError(f"{spaces_text(spaces)}{error}") from None


def index_problem(root: Path) -> str | None:
    """What is wrong with the index on disk, if anything. An index that is only stale is not wrong."""
    try:
        _parse((root / INDEX).read_bytes())
    except FileNotFoundError:
        return None
    except ValueError as error:
        return str(error)
    return None


def _read_cache(path: Path) -> dict[str, dict] | None:
    try:
        return _parse(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None


def _parse(data: bytes) -> dict[str, dict]:
    """What was written. Raises ValueError where it is not."""
    head, text = data[:9], data[9:]
    if head != crc32c_text(text).encode() + b"\n":
        raise ValueError("its checksum does not fit its content")
    return json.loads(text)


def _stamps(parts_dir: Path) -> dict[str, list[int]]:
    """Size [bytes] and time [ns] of every manifest. What has none, or is being written, does not exist."""
    stamps = {}
    with os.scandir(parts_dir) as entries:
        for entry in entries:
            if is_staging(entry.name):
                continue
            try:
                stat = os.stat(os.path.join(entry.path, MANIFEST))
            except (FileNotFoundError, NotADirectoryError):
                continue
            stamps[entry.name] = [stat.st_size, stat.st_mtime_ns]
    return stamps
