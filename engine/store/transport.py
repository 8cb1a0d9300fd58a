"""Copies of whole stores in object stores: `tst store push STORE URL` and `tst store pull URL STORE`.

    push(Path("store"), "s3://bucket/flat-1")        # also file:///..., gs://, az://; needs obstore

Object stores have no rename, so a part exists once its manifest does, which is written last and only if
absent. Parts that were pushed are not pushed again; interrupted ones are ignored by `pull` and completed by
the next `push`. Every byte is verified against its manifest in both directions.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.store.errors import DamagedPartError, NotAStoreError, PartExistsError, StoreExistsError
from engine.store.manifest import MANIFEST, Manifest, crc32c_text, fix, fsync_path, spaces_text, unseal
from engine.store.remote.objects import ROOT, create, get, manifests, open_objects, put, put_root
from engine.store.store import Store
from engine.store.writing.staging import clean_staging, publish, staging_path


@dataclass(frozen=True)
class Moved:
    """What a push or a pull did."""

    parts: int
    skipped: int  # parts that were there
    bytes: int


def push(path: Path, url: str, options: dict[str, Any] | None = None) -> Moved:
    """Copies the parts of the store at `path` that are not at `url` yet.

    `options`: what `obstore.store.from_url` takes, such as `endpoint`. Raises StoreErrors: another store is
    there (StoreExistsError), another part of a name (PartExistsError), a file here is damaged
    (DamagedPartError).
    """
    store, objects = Store.open(path), open_objects(url, options)
    put_root(objects, path, url)
    there = set(manifests(objects))
    parts = skipped = size = 0
    # Parts before what was derived from them: a reader may come by at any time.
    derived = [d for p in store.parts for d in store.derived(p.part)]
    for manifest in (*store.parts, *derived):
        directory, prefix = path / "parts" / manifest.part, f"parts/{manifest.part}"
        sealed = (directory / MANIFEST).read_bytes()
        if manifest.part not in there:
            for name, facts in manifest.files.items():
                data = (directory / name).read_bytes()
                _check(manifest, name, data, f"{directory / name}", fix(directory))
                put(objects, f"{prefix}/{name}", data)
                size += facts.size
        if not create(objects, f"{prefix}/{MANIFEST}", sealed):
            raise PartExistsError(f"another part {manifest.part!r} is at {url}: parts are never overwritten")
        new = manifest.part not in there
        parts, skipped = parts + new, skipped + (not new)
    return Moved(parts, skipped, size)


def pull(url: str, path: Path, options: dict[str, Any] | None = None) -> Moved:
    """Copies the parts at `url` that the store at `path` lacks; makes the store if there is none.

    Raises NotAStoreError, StoreExistsError, DamagedPartError as `push` does.
    """
    objects = open_objects(url, options)
    try:
        root = get(objects, MANIFEST)
    except FileNotFoundError:
        raise NotAStoreError(f"there is no store at {url}: `tst store push` puts one there") from None
    if not (path / MANIFEST).exists():
        if path.exists() and any(path.iterdir()):
            raise StoreExistsError(f"{path} is not empty and not a store: choose another path")
        for name in (*ROOT, MANIFEST):  # the manifest last here too
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(get(objects, name))
    elif (path / MANIFEST).read_bytes() != root:
        raise StoreExistsError(f"{path} is another store than the one at {url}: choose another path")
    clean_staging(path / "parts")
    parts = skipped = size = 0
    for part in sorted(manifests(objects)):
        target = path / "parts" / part
        if (target / MANIFEST).exists():
            skipped += 1
            continue
        sealed = get(objects, f"parts/{part}/{MANIFEST}")
        try:
            manifest = Manifest.model_validate(unseal(sealed))
        except ValueError as error:
            raise DamagedPartError(f"part {part!r}: {MANIFEST} at {url} is damaged: {error}") from None
        staging = staging_path(path / "parts", part)
        try:
            for name in manifest.files:
                data = get(objects, f"parts/{part}/{name}")
                _check(manifest, name, data, f"{name} at {url}", "Push the part again from where it was made")
                (staging / name).parent.mkdir(parents=True, exist_ok=True)
                (staging / name).write_bytes(data)
                fsync_path(staging / name)
                size += len(data)
            (staging / MANIFEST).write_bytes(sealed)
            publish(staging, target)
        except BaseException:
            shutil.rmtree(staging, ignore_errors=True)
            raise
        parts += 1
    return Moved(parts, skipped, size)


def _check(manifest: Manifest, name: str, data: bytes, where: str, mend: str) -> None:
    facts = manifest.files[name]
    if len(data) != facts.size or crc32c_text(data) != facts.crc32c:
        spaces = spaces_text(r.space for r in manifest.runs)
        raise DamagedPartError(f"{spaces}part {manifest.part!r}, file {where}: not what was written. {mend}")
