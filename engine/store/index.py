"""The index: all manifests in one file, so that opening a store reads one file instead of thousands.

`index.json` is a cache, derived from the manifests, updated when a part changes, and discarded when damaged;
deleting it loses nothing. It is read at every opening, so it is one line of crc32c and one of compact JSON
instead of a sealed file, which takes several times as long to read.

It also records which parts existed: a part that it knows and that is absent was lost, since
`Store.remove_part`, the only way to remove one, updates the index.
"""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from engine.store.errors import DamagedPartError
from engine.store.manifest import (
    MANIFEST,
    Manifest,
    crc32c_text,
    load_manifest,
    spaces_text,
    write_atomically,
)
from engine.store.writing.staging import is_staging

INDEX = "index.json"


@dataclass(frozen=True)
class Index:
    """What a store holds, and what it held."""

    manifests: dict[str, Manifest]
    """Of all parts and what was derived from them, by name in sorted order."""
    lost: dict[str, Manifest | None]
    """Parts of frames that vanished, or that have no manifest any more; None: not known what they held."""


class Source(Protocol):
    """Where manifests are: a folder, or an object store."""

    def stamps(self) -> tuple[dict[str, list[Any]], set[str]]:
        """What tells one version of a manifest from another, by part; and parts that lost theirs."""
        ...

    def load(self, name: str) -> Manifest:
        """A part's manifest. Raises DamagedPartError."""
        ...


class Folder:
    """Parts in a folder."""

    def __init__(self, parts_dir: Path):
        self._parts_dir = parts_dir

    def stamps(self) -> tuple[dict[str, list[Any]], set[str]]:
        """Size [bytes] and time [ns] of every manifest, by part; and parts that lost theirs."""
        return _stamps(self._parts_dir)

    def load(self, name: str) -> Manifest:
        """A part's manifest. Raises DamagedPartError."""
        return load_manifest(self._parts_dir / name)


def load_index(root: Path, source: Source | None = None) -> Index:
    """The index kept in the folder `root`, brought up to date with `source`, by default `root/parts`.

    Raises DamagedPartError.
    """
    source = source or Folder(root / "parts")
    cached = _read_cache(root / INDEX)
    stamps, bare = source.stamps()
    manifests: dict[str, Manifest] = {}
    gone = _gone(cached or {}, stamps)
    lost = {name: gone.get(name) for name in sorted({*bare, *gone})}
    fresh = cached is not None and set(cached) == {*stamps, *gone}
    for name in sorted(stamps):
        entry = cached.get(name) if cached else None
        if entry is not None and entry["stamp"] == stamps[name]:
            manifests[name] = Manifest.model_validate(entry["manifest"])
        else:
            manifests[name] = _load(source, name, entry)
            fresh = False
    if not fresh:
        body = {
            name: {"stamp": stamps[name], "manifest": manifest.model_dump(mode="json")}
            for name, manifest in manifests.items()
        }
        _write(root, body | {name: entry for name, entry in (cached or {}).items() if name in gone})
    return Index(manifests, lost)


def forget(root: Path, names: set[str]) -> None:
    """Takes parts that were removed out of the index."""
    cached = _read_cache(root / INDEX)
    if cached is not None and names & set(cached):
        _write(root, {name: entry for name, entry in cached.items() if name not in names})


def lost_parts(root: Path) -> set[str]:
    """Parts of frames that the index knows and that are not there any more, not even without a manifest."""
    known = _gone(_read_cache(root / INDEX) or {}, _stamps(root / "parts")[0])
    return {name for name in known if not (root / "parts" / name).exists()}


def _gone(cached: Mapping[str, dict], stamps: Mapping[str, Any]) -> dict[str, Manifest]:
    """Parts of frames that are known and have no manifest any more; what was derived is missed when used."""
    entries = {n: e["manifest"] for n, e in cached.items() if n not in stamps}
    return {n: Manifest.model_validate(m) for n, m in entries.items() if m["of"] is None}


def _write(root: Path, body: Mapping[str, dict]) -> None:
    with suppress(OSError):  # a store that cannot be written to, or is full, can still be read
        text = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
        write_atomically(root / INDEX, crc32c_text(text).encode() + b"\n" + text)


def _load(source: Source, name: str, known: dict[str, Any] | None) -> Manifest:
    """A part's manifest; where it is damaged, the error names the spaces that the index knew it to hold."""
    try:
        return source.load(name)
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


def _stamps(parts_dir: Path) -> tuple[dict[str, list[Any]], set[str]]:
    """Size [bytes] and time [ns] of every manifest, and the folders of parts that have none.

    A part comes into its place with its manifest in it, so that one without has lost it. What is being
    written does not exist.
    """
    stamps: dict[str, list[Any]] = {}
    bare: set[str] = set()
    with os.scandir(parts_dir) as entries:
        for entry in entries:
            if is_staging(entry.name):
                continue
            try:
                stat = os.stat(os.path.join(entry.path, MANIFEST))
            except NotADirectoryError:
                continue
            except FileNotFoundError:
                if "." not in entry.name:  # else derived from a part
                    bare.add(entry.name)
                continue
            stamps[entry.name] = [stat.st_size, stat.st_mtime_ns]
    return stamps, bare
