"""A store in an object store, read and written in place: `Store.open("s3://bucket/flat")`.

Writing: a part is made in a folder and uploaded file by file, its manifest last and only if absent; then the
folder is deleted. Reading: the files of a modality are fetched when it is first read, verified against the
manifest, and cached (`engine/store/remote/places.py`). Credentials and endpoints come from the environment,
such as AWS_ACCESS_KEY_ID, AWS_REGION, AWS_ENDPOINT_URL, on every machine that takes part.
"""

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from engine.store.check import Problem
from engine.store.errors import DamagedPartError, NotAStoreError, PartExistsError, UnreachableError
from engine.store.manifest import MANIFEST, Manifest, crc32c_text, files_below, spaces_text, unseal
from engine.store.remote import objects
from engine.store.remote.places import cache_folder


class Remote:
    """The objects of one store, and the folder of what was read from them."""

    def __init__(self, url: str):
        self.url = url
        self.folder = cache_folder(url)
        self._objects = objects.open_objects(url)
        (self.folder / "parts").mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> bytes | None:
        """A file of the store; None where there is none. Raises UnreachableError."""
        with self._reached():
            try:
                return objects.get(self._objects, name)
            except FileNotFoundError:
                return None

    def write(self, name: str, data: bytes) -> None:
        """Writes a file that is not a part's. Raises UnreachableError."""
        with self._reached():
            objects.put(self._objects, name, data)

    def create(self, path: Path) -> None:
        """Puts a store here that has no parts yet. Raises StoreExistsError, UnreachableError."""
        with self._reached():
            objects.put_root(self._objects, path, self.url)

    # What is there: for engine/store/index.py.

    def stamps(self) -> tuple[dict[str, list[Any]], set[str]]:
        """Size [bytes] and tag of every manifest. What has none was cut off, and does not exist."""
        with self._reached():
            return objects.manifests(self._objects), set()

    def load(self, name: str) -> Manifest:
        """A part's manifest. Raises DamagedPartError, UnreachableError."""
        where = f"{self.url}/parts/{name}/{MANIFEST}"
        try:
            manifest = Manifest.model_validate(unseal(self.read(f"parts/{name}/{MANIFEST}") or b""))
        except ValueError as error:
            raise DamagedPartError(f"part {name!r}: {where} is damaged: {error}. {self._fix(name)}") from None
        if manifest.part != name:
            raise DamagedPartError(
                f"part {name!r}: {where} is the manifest of {manifest.part!r}. {self._fix(name)}"
            )
        return manifest

    # Parts.

    def publish(self, staging: Path, target: Path) -> None:
        """Sends a finished staging folder as the part `target.name`, and deletes it.

        Raises PartExistsError if another writer was first, UnreachableError. Two who send other content under
        one name in the same moment spoil the part, which every reader notices; names of what is collected are
        hashes of the content.
        """
        prefix = f"parts/{target.name}"
        if self.read(f"{prefix}/{MANIFEST}") is not None:
            raise PartExistsError(f"part {target.name!r} was written by someone else meanwhile")
        with self._reached():
            for name in files_below(staging):
                objects.put(self._objects, f"{prefix}/{name}", (staging / name).read_bytes())
            if not objects.create(self._objects, f"{prefix}/{MANIFEST}", (staging / MANIFEST).read_bytes()):
                raise PartExistsError(f"part {target.name!r} was written by someone else meanwhile")
        shutil.rmtree(staging)

    def fetch(self, manifest: Manifest, modality: str) -> None:
        """Makes sure that a modality's files are in the folder. Raises DamagedPartError, UnreachableError."""
        for name, facts in manifest.files.items():
            path = self.folder / "parts" / manifest.part / name
            if not name.startswith(f"{modality}/") or (path.exists() and path.stat().st_size == facts.size):
                continue
            data = self.read(f"parts/{manifest.part}/{name}")
            problem = _problem(manifest, name, data)
            if data is None or problem:
                spaces = spaces_text(r.space for r in manifest.runs)
                where = f"{self.url}/parts/{manifest.part}/{name}"
                raise DamagedPartError(
                    f"{spaces}part {manifest.part!r}, file {where}: {problem}. {self._fix(manifest.part)}"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            staging = path.with_name(f"{path.name}.tmp-{os.getpid()}-{secrets.token_hex(4)}")
            staging.write_bytes(data)
            os.replace(staging, path)  # others on this machine may fetch it too

    def remove(self, part: str) -> None:
        """Takes a part away, its manifest first, so that no reader ever finds half of it."""
        with self._reached():
            objects.delete(self._objects, f"parts/{part}/{MANIFEST}")
            objects.delete(self._objects, *objects.listed(self._objects, f"parts/{part}"))
        shutil.rmtree(self.folder / "parts" / part, ignore_errors=True)

    def verify(self, on_part: Callable[[int, int], None] | None = None) -> list[Problem]:
        """Fetches every file of every part and checks it; what is kept here is left alone."""
        root = self.read(MANIFEST)
        if root is None:
            return [Problem(None, MANIFEST, "the file is missing: this is not a store, or no longer one")]
        problems = []
        try:
            files = unseal(root)["files"]
            for name, facts in files.items():
                if crc32c_text(self.read(name) or b"") != facts["crc32c"]:
                    problems.append(Problem(None, name, "missing, or not what was written"))
        except (ValueError, KeyError, TypeError) as error:
            problems.append(Problem(None, MANIFEST, str(error)))
        names = sorted(self.stamps()[0])
        manifests: dict[str, Manifest] = {}
        for done, part in enumerate(names):
            try:
                manifests[part] = self.load(part)
            except DamagedPartError as error:
                problems.append(Problem(part, MANIFEST, str(error)))
                continue
            for name in manifests[part].files:
                what = _problem(manifests[part], name, self.read(f"parts/{part}/{name}"))
                problems += [Problem(part, name, what)] if what else []
            if on_part is not None:
                on_part(done + 1, len(names))
        for name, manifest in manifests.items():
            parent = manifests.get(manifest.of) if manifest.of else None
            if manifest.of and (parent is None or parent.seal != manifest.of_crc32c):
                what = f"derived from part {manifest.of!r}, which is not here, or is another version"
                problems.append(Problem(name, MANIFEST, what))
        return problems

    def _fix(self, part: str) -> str:
        return (
            f"Delete {self.url}/parts/{part}/ and run the command that wrote it again (`tst collect` with "
            "the same arguments): it adds only what is missing."
        )

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (objects.errors(), FileNotFoundError) as error:
            raise UnreachableError(f"{self.url} cannot be read or written: {error}") from error


def open_root(remote: Remote) -> bytes:
    """The manifest of the store itself. Raises NotAStoreError where there is none."""
    root = remote.read(MANIFEST)
    if root is None:
        raise NotAStoreError(f"there is no store at {remote.url}: `tst collect --store` makes one")
    return root


def _problem(manifest: Manifest, name: str, data: bytes | None) -> str:
    """What is wrong with a file, empty if nothing is."""
    facts = manifest.files[name]
    if data is None:
        return "the file is missing"
    if len(data) != facts.size:
        return f"{len(data)} bytes where {facts.size} were written"
    found = crc32c_text(data)
    return "" if found == facts.crc32c else f"crc32c {found} where {facts.crc32c} was written"
