"""Manifests: the contents of a part and the expected state of its files, as JSON with a checksum.

A sealed file is `{"crc32c": ..., "body": ...}`, with the checksum of the body in canonical JSON. A part
without a manifest does not exist; a part with one has exactly the files listed there.
"""

import json
import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import google_crc32c

from engine.store.errors import DamagedPartError
from engine.store.schema import FORMAT, FrameRange, ModalitySpec, Role, Space
from scenes.config import Config

MANIFEST = "MANIFEST.json"
_BLOCK = 1 << 23  # bytes read at a time when summing a file


class FileFacts(Config):
    """What a file must be. `tail` is its last four bytes: of a shard, the checksum of its index."""

    size: int
    crc32c: str
    tail: str


class Manifest(Config):
    """A part (`of` is None) or what was derived from one (`of` names it)."""

    format: int = FORMAT
    part: str
    of: str | None = None
    of_crc32c: str | None = None  # seal of the manifest of the part it was derived from
    role: Role
    frames: int
    config_hash: str
    seeds: list[dict[str, Any]]
    modalities: tuple[ModalitySpec, ...]
    spaces: tuple[Space, ...] = ()
    runs: tuple[FrameRange, ...] = ()
    files: dict[str, FileFacts]

    def modality(self, name: str) -> ModalitySpec | None:
        """The modality of this name, if the part holds it."""
        return next((m for m in self.modalities if m.name == name), None)

    @property
    def seal(self) -> str:
        """crc32c of the manifest, hex."""
        return crc32c_text(_canonical(self.model_dump(mode="json")))

    @property
    def bytes(self) -> int:
        """Size on disk of all files that are listed."""
        return sum(f.size for f in self.files.values())


def crc32c_text(data: bytes) -> str:
    """crc32c of `data`, eight hex digits."""
    return f"{google_crc32c.value(data):08x}"


def _canonical(body: Any) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def seal(body: Any) -> bytes:
    """`body` as sealed JSON."""
    sealed = {"crc32c": crc32c_text(_canonical(body)), "body": body}
    return (json.dumps(sealed, sort_keys=True, indent=1, allow_nan=False) + "\n").encode()


def unseal(data: bytes) -> Any:
    """The body of sealed JSON. Raises ValueError where it is not what was sealed."""
    try:
        sealed = json.loads(data)
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are both
        raise ValueError(f"not readable as JSON ({error})") from None
    if not isinstance(sealed, dict) or set(sealed) != {"crc32c", "body"}:
        raise ValueError("not a sealed file")
    if seal(sealed["body"]) != data:  # stricter than the checksum: the seal's own bytes count too
        raise ValueError("its checksum does not fit its content")
    return sealed["body"]


def load_manifest(part_dir: Path) -> Manifest:
    """Reads and checks `part_dir`'s manifest. Raises FileNotFoundError, or DamagedPartError."""
    path = part_dir / MANIFEST
    try:
        manifest = Manifest.model_validate(unseal(path.read_bytes()))
    except ValueError as error:
        raise DamagedPartError(
            f"part {part_dir.name!r}: {path} is damaged: {error}. {fix(part_dir)}"
        ) from None
    if manifest.part != part_dir.name:
        raise DamagedPartError(
            f"part {part_dir.name!r}: {path} is the manifest of {manifest.part!r}. {fix(part_dir)}"
        )
    return manifest


def spaces_text(ids: Iterable[str]) -> str:
    """`space 'a', 'b', `: how an error begins, three spaces at most; empty where none is known."""
    names = sorted(set(ids))
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"space {', '.join(map(repr, names[:3]))}{more}, " if names else ""


def fix(part_dir: Path) -> str:
    """The line that says how a damaged part is replaced."""
    return (
        f"Delete the part (rm -r {part_dir}) and run the command that wrote it again "
        "(`tst collect` with the same arguments): it adds only what is missing."
    )


def refetch(kept: Path) -> str:
    """The same for what was fetched from an object store."""
    return f"Delete what was kept of the part (rm -r {kept}): it is fetched again."


def file_facts(path: Path) -> FileFacts:
    """Size, crc32c and last four bytes of a file."""
    checksum = google_crc32c.Checksum()
    size, tail = 0, b""
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            checksum.update(block)
            size += len(block)
            tail = (tail + block[-4:])[-4:]
    return FileFacts(size=size, crc32c=checksum.digest().hex(), tail=tail.hex())


def files_below(directory: Path) -> list[str]:
    """Every file under `directory` but its manifest, as sorted relative POSIX paths."""
    found = (p.relative_to(directory).as_posix() for p in directory.rglob("*") if not p.is_dir())
    return sorted(name for name in found if name != MANIFEST)


def fsync_path(path: Path) -> None:
    """Waits until a file's content, or a directory's entries, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces `path` by `data`: a reader sees the old content or the new, never half of it."""
    staging = path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        with open(staging, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(staging, path)
    except BaseException:
        staging.unlink(missing_ok=True)
        raise
    fsync_path(path.parent)
