"""The store: frames on disk in parts, each verified, self-described and complete.

A store is a Zarr v3 hierarchy that zarr-python can open directly:

    STORE/zarr.json                    root group; attributes: format, modality table, label table
    STORE/MANIFEST.json                the same facts with a checksum: what this module trusts
    STORE/index.json                   a cache of all manifests (engine/store/index.py)
    STORE/parts/NAME/MODALITY/         one array per modality, one shard, chunks of 16 frames
    STORE/parts/NAME/MANIFEST.json     runs, spaces, seeds, size and crc32c of every file
    STORE/parts/NAME.DERIVED/...       arrays computed from a part (tokens), with a manifest of their own

A part holds frames of one role. A part of role `pretrain` holds no label, so none can leak. Training code
uses the views of `engine/store/access.py`, which check roles; `Store.read` is for tools.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Shaped

from engine.store import codecs
from engine.store.check import Problem, verify_store
from engine.store.errors import (
    DamagedPartError,
    MissingModalityError,
    MissingPartError,
    NotAStoreError,
    PartExistsError,
    StoreExistsError,
)
from engine.store.index import INDEX, Index, forget, load_index
from engine.store.manifest import (
    MANIFEST,
    Manifest,
    file_facts,
    seal,
    spaces_text,
    unseal,
    write_atomically,
)
from engine.store.part_reader import PartReader
from engine.store.remote.places import url_of
from engine.store.remote.store import Remote, open_root
from engine.store.schema import FORMAT, FrameRange, LabelRow, ModalitySpec, Role, Space, StoreFacts
from engine.store.writing.new_part import derived_part, frames_part
from engine.store.writing.staging import commit_part, publish, remove_part

__all__ = ["FrameRange", "LabelRow", "ModalitySpec", "Problem", "Role", "Space", "Store"]


class Store:
    """A store, as it was when opened or last refreshed. Pickles as its path."""

    def __init__(self, path: Path, facts: StoreFacts, index: Index, remote: Remote | None = None):
        self.path = path
        self._remote = remote
        self.facts = facts
        self._manifests = index.manifests
        self._lost = index.lost
        self._readers: dict[str, PartReader] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return (Store.open, (self.place,))

    @property
    def place(self) -> str:
        """What `Store.open` takes: the path, or the URL. (`path` is then what is kept on this machine.)"""
        return self._remote.url if self._remote else str(self.path)

    @classmethod
    def exists(cls, place: Path | str) -> bool:
        """Whether a store is there."""
        url = url_of(place)
        return Remote(url).read(MANIFEST) is not None if url else (Path(place) / MANIFEST).exists()

    @classmethod
    def create(
        cls,
        path: Path | str,
        modalities: Sequence[ModalitySpec],
        labels: Sequence[LabelRow],
        frames_per_part: int = 2048,
        chunk_frames: int = 16,
    ) -> "Store":
        """Makes an empty store. Raises StoreExistsError where one is."""
        if url := url_of(path):
            if cls.exists(url):
                raise StoreExistsError(f"there is a store at {url} already: open it, or choose another place")
            with TemporaryDirectory(prefix="tst-store-") as folder:
                Store.create(Path(folder) / "store", modalities, labels, frames_per_part, chunk_frames)
                Remote(url).create(Path(folder) / "store")
            return Store.open(url)
        path = Path(path).absolute()
        if (path / MANIFEST).exists():
            raise StoreExistsError(f"there is a store at {path} already: open it, or choose another path")
        if len({m.name for m in modalities}) != len(modalities):
            raise ValueError("two modalities have the same name")
        if frames_per_part < 1 or chunk_frames < 1:
            raise ValueError("frames_per_part and chunk_frames must be at least 1")
        facts = StoreFacts(
            modalities=tuple(modalities),
            labels=tuple(labels),
            frames_per_part=frames_per_part,
            chunk_frames=chunk_frames,
        )
        path.mkdir(parents=True, exist_ok=True)
        if any(path.iterdir()):
            raise StoreExistsError(f"{path} is not empty and not a store: choose another path")
        body = facts.model_dump(mode="json")
        codecs.create_root(path, {"testspace": body})
        files = {n: file_facts(path / n).model_dump() for n in ("zarr.json", "parts/zarr.json")}
        write_atomically(path / MANIFEST, seal({"facts": body, "files": files}))
        return cls(path, facts, Index({}, {}))

    @classmethod
    def open(cls, path: Path | str) -> "Store":
        """Opens a store: a folder, or a URL. Raises NotAStoreError, or DamagedPartError where a manifest is
        damaged."""
        url = url_of(path)
        remote = Remote(url) if url else None
        path = remote.folder if remote else Path(path).absolute()
        try:
            root = open_root(remote) if remote else (path / MANIFEST).read_bytes()
            facts = StoreFacts.model_validate(unseal(root)["facts"])
        except (FileNotFoundError, NotADirectoryError):
            raise NotAStoreError(
                f"there is no store at {path}: give the folder that `tst collect --store` wrote"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise NotAStoreError(
                f"{url or path}/{MANIFEST} is damaged: {error}. `tst store verify {url or path}` lists what "
                "is wrong"
            ) from None
        if facts.format != FORMAT:
            raise NotAStoreError(
                f"{url or path} has format {facts.format}; this version reads {FORMAT}: collect anew"
            )
        return cls(path, facts, load_index(path, remote), remote)

    def refresh(self) -> None:
        """Takes in what other processes wrote since."""
        index = load_index(self.path, self._remote)
        self._manifests, self._lost = index.manifests, index.lost
        self._readers = {n: r for n, r in self._readers.items() if self._manifests.get(n) == r.manifest}

    # What it holds.

    @property
    def parts(self) -> tuple[Manifest, ...]:
        """Manifests of the parts of frames, by name."""
        return tuple(m for m in self._manifests.values() if m.of is None)

    @property
    def runs(self) -> tuple[FrameRange, ...]:
        """All runs of frames, by part and start."""
        return tuple(run for part in self.parts for run in part.runs)

    @property
    def spaces(self) -> tuple[Space, ...]:
        """Every space, as each collection described it, sorted by id."""
        found = {space: None for part in self.parts for space in part.spaces}
        return tuple(sorted(found, key=lambda s: (s.id, repr(s))))

    @property
    def labels(self) -> tuple[LabelRow, ...]:
        """The classes behind the indices of `semantic`."""
        return self.facts.labels

    @property
    def modalities(self) -> tuple[ModalitySpec, ...]:
        """The store's own modalities, then derived ones."""
        own = {m.name: m for m in self.facts.modalities}
        derived = {m.name: m for d in self._manifests.values() if d.of for m in d.modalities}
        return tuple((derived | own)[name] for name in [*own, *sorted(set(derived) - set(own))])

    def part(self, name: str) -> Manifest:
        """A part's manifest. Raises MissingPartError."""
        manifest = self._manifests.get(name)
        if manifest is None or manifest.of is not None:
            raise MissingPartError(f"{self.path} has no part {name!r}: it holds {len(self.parts)} others")
        return manifest

    def derived(self, part: str) -> tuple[Manifest, ...]:
        """Manifests of what was derived from a part."""
        return tuple(m for m in self._manifests.values() if m.of == part)

    def check_whole(self, role: Role) -> None:
        """Raises DamagedPartError where a part that held frames of a role, or may have, was lost.

        What was lost is not read as if it had never been. Collecting goes on without asking, and replaces it.
        """
        for name, held in self._lost.items():
            if held is not None and held.role != role:
                continue
            spaces = spaces_text(r.space for r in held.runs) if held else ""
            what = f" with {held.frames} frames" if held else ""
            raise DamagedPartError(
                f"{spaces}part {name!r}, file {self.place}/parts/{name}/{MANIFEST}: it is missing, and a "
                f"part{what} with it. Run the command that wrote it again (`tst collect` with the same "
                f"arguments): it adds only what is missing. To do without, delete "
                f"{self.place}/parts/{name} and {self.path / INDEX}, which is made again."
            )

    # Writing.

    def write_part(
        self,
        name: str,
        arrays: Mapping[str, Shaped[np.ndarray, "_ ..."]],
        runs: Sequence[FrameRange],
        spaces: Sequence[Space],
        config_hash: str,
        seeds: Sequence[Mapping[str, Any]],
    ) -> Manifest:
        """Writes a part, atomically.

        `arrays` by modality, shape [frames, ...]; `runs` cover the frames in order without gaps and are of
        one role. Raises ValueError for arrays that do not fit (labels in a part of role `pretrain` among
        them), PartExistsError, SpaceConflictError.
        """
        manifest = frames_part(self.facts, self.spaces, name, arrays, runs, spaces, config_hash, seeds)
        return self._commit(manifest, arrays)

    def add_derived(
        self,
        part: str,
        name: str,
        arrays: Mapping[str, Shaped[np.ndarray, "_ ..."]],
        specs: Sequence[ModalitySpec],
        config_hash: str = "",
    ) -> Manifest:
        """Writes arrays computed from a part (tokens, say) beside it, as the group `PART.NAME`.

        Shapes [frames of the part, ...]. Raises ValueError, PartExistsError, MissingPartError.
        """
        parent = self.part(part)
        others = [parent, *(d for d in self.derived(part) if d.part != f"{part}.{name}")]
        known = {m.name: m for m in self.modalities}
        manifest = derived_part(parent, others, known, name, arrays, specs, config_hash)
        return self._commit(manifest, arrays)

    def remove_part(self, name: str) -> None:
        """Takes a part, or something derived, away. What was derived from a part goes with it."""
        if name not in self._manifests:
            raise MissingPartError(f"{self.path} has no part {name!r}")
        for victim in [*(d.part for d in self.derived(name)), name]:
            if self._remote:
                self._remote.remove(victim)
            else:
                remove_part(self.path / "parts", victim)
            self._manifests = {n: m for n, m in self._manifests.items() if n != victim}
            self._readers.pop(victim, None)
        forget(self.path, {name})

    def _commit(self, manifest: Manifest, arrays: Mapping[str, Shaped[np.ndarray, "_ ..."]]) -> Manifest:
        if self._remote and manifest.part in self._manifests:
            raise PartExistsError(f"part {manifest.part!r} is already at {self.place}: never overwritten")
        put = self._remote.publish if self._remote else publish
        done = commit_part(self.path / "parts", manifest, dict(arrays), self.facts.chunk_frames, put)
        self._manifests = dict(sorted({**self._manifests, done.part: done}.items()))
        return done

    # Reading.

    def read(
        self, part: str, start: int, count: int, modalities: Sequence[str]
    ) -> dict[str, Shaped[np.ndarray, "frames ..."]]:
        """Frames `start` to `start + count` of a part, by modality.

        Raises StoreErrors that name space, part and file.
        """
        frames = self.part(part).frames
        if start < 0 or count < 0 or start + count > frames:
            raise ValueError(f"frames {start} to {start + count} of part {part!r}, which has {frames}")
        waits = {m: self.reader(part, m).start(m, slice(start, start + count)) for m in modalities}
        return {m: wait() for m, wait in waits.items()}

    def reader(self, part: str, modality: str) -> PartReader:
        """The reader of the part, or of what was derived from it, that holds a modality."""
        holders = [m for m in (self.part(part), *self.derived(part)) if m.modality(modality)]
        if not holders:
            held = [m.name for d in (self.part(part), *self.derived(part)) for m in d.modalities]
            raise MissingModalityError(
                f"part {part!r} (role {self.part(part).role}) holds no {modality!r}, only {', '.join(held)}"
            )
        manifest = holders[0]
        if manifest.of is not None and manifest.of_crc32c != self.part(part).seal:
            raise DamagedPartError(
                f"{manifest.part!r} was derived from another version of part {part!r}: "
                f"delete it (rm -r {self.path / 'parts' / manifest.part}) and derive it again"
            )
        reader = self._readers.get(manifest.part)
        if reader is None:
            fetch = self._remote.fetch if self._remote else None
            reader = PartReader(self.path / "parts" / manifest.part, manifest, fetch)
            self._readers[manifest.part] = reader
        return reader

    def verify(self) -> list[Problem]:
        """Recomputes every checksum of every file on disk. No problem, no loss."""
        return self._remote.verify() if self._remote else verify_store(self.path)

    # What is not a part.

    def read_text(self, name: str) -> str:
        """A text that lies beside the parts, empty where there is none."""
        if self._remote:
            return (self._remote.read(name) or b"").decode()
        return (self.path / name).read_text(encoding="utf-8") if (self.path / name).exists() else ""

    def write_text(self, name: str, text: str) -> None:
        """Replaces such a text."""
        if self._remote:
            self._remote.write(name, text.encode())
        else:
            write_atomically(self.path / name, text.encode())
