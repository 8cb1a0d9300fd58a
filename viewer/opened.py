"""What `tst view` was given: stores, houses, runs of studies and folders of trainings, each by a short id.

Requests name things by id alone. What lies behind an id was found here, and lies, with its links followed,
in what was opened; a link that leads out is left out. The one exception is the link that `tst study run
--stages` makes to a folder of stages that several studies share.
"""

import hashlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from engine.store.remote.places import url_of
from engine.store.store import Store
from scenes.formats.spaces import HOUSE, format_of
from studies.run.rows import HEAD, STAGES
from viewer.answers import NotThereError

_SCANS = (".glb", ".gltf", ".obj", ".ply")
_OF_TRAINING = ("done.json", "log.txt", "metrics.json", "training.safetensors", "tensorboard")


@dataclass(frozen=True)
class Place:
    """A thing that was found: `path` is a folder or a file, or the URL of a store."""

    id: str
    name: str
    path: Path | str
    kind: str = ""
    """Of a stage, the kind before the dash."""


@dataclass
class Found:
    """Things by id."""

    stores: dict[str, Place] = field(default_factory=dict)
    houses: dict[str, Place] = field(default_factory=dict)
    studies: dict[str, Place] = field(default_factory=dict)
    stages: dict[str, Place] = field(default_factory=dict)


class Opened:
    """What was opened. Safe to share between threads."""

    def __init__(self, places: Sequence[str]):
        """Raises ValueError for a place that holds nothing to look at, OSError for one that is not there."""
        self.places = tuple(places)
        self._stores: dict[str, tuple[Store, int]] = {}
        self._lock = threading.Lock()
        self.found = self.look()

    def look(self) -> Found:
        """Looks again: a study that runs makes stores and trains."""
        found = Found()
        for place in self.places:
            _find(place, found)
        self.found = found
        return found

    def store(self, id: str) -> Store:
        """A store, with what was written since it was last asked for. Raises NotThereError."""
        place = self._named(self.found.stores, id, "store")
        parts = Path(place.path) / "parts"
        with self._lock:
            stamp = parts.stat().st_mtime_ns if isinstance(place.path, Path) else 0
            known = self._stores.get(id)
            if known is None:
                known = self._stores[id] = (Store.open(place.path), stamp)
            elif known[1] != stamp:
                known[0].refresh()
                known = self._stores[id] = (known[0], stamp)
            return known[0]

    def house(self, id: str) -> Path:
        """The file, or Replica's folder, of a house. Raises NotThereError."""
        return Path(self._named(self.found.houses, id, "house").path)

    def study(self, id: str) -> Path:
        """The folder of a run. Raises NotThereError."""
        return Path(self._named(self.found.studies, id, "study").path)

    def _named(self, table: dict[str, Place], id: str, what: str) -> Place:
        if id not in table:
            raise NotThereError(f"there is no {what} {id!r} here")
        return table[id]


def within(path: Path, root: Path) -> Path | None:
    """`path` where it exists and lies, links followed, in `root` or in its folder of stages; else None."""
    roots = [root.resolve(), (root / STAGES).resolve()]
    real = path.resolve()
    return path if path.exists() and any(real.is_relative_to(r) for r in roots) else None


def read_json_within(path: Path, root: Path) -> dict | None:
    """A JSON object in what was opened; None where there is none, or only half of one."""
    inside = within(path, root)
    try:
        value = json.loads(inside.read_text()) if inside else None
    except (ValueError, OSError):
        return None
    return value if isinstance(value, dict) else None


def _find(place: str, found: Found) -> None:
    if url_of(place):
        _add(found.stores, place, place)
        return
    path = Path(place).absolute()
    if not path.exists():
        raise FileNotFoundError(f"{place} is not there")
    if path.is_file() or (path.is_dir() and format_of(path) is not HOUSE):
        if path.suffix not in (".json", *_SCANS) and path.is_file():
            raise ValueError(f"{place} is no house: give a .json of one, or one of {', '.join(_SCANS)}")
        _add(found.houses, path, path.stem)
    elif Store.exists(path):
        _add(found.stores, path, path.name)
    elif (path / HEAD).exists() or (path / STAGES).is_dir():
        _find_study(path, found)
    elif any((path / name).exists() for name in _OF_TRAINING):
        _find_stage(path, path, found)
    else:
        houses = sorted(p for p in path.iterdir() if p.suffix in (".json", *_SCANS) and within(p, path))
        if not houses:
            raise ValueError(
                f"{place} holds nothing to look at: give a house (.json, .glb) or a folder of them, a store, "
                "the folder of a training, or that of a run of a study"
            )
        for house in houses:
            _add(found.houses, house, house.stem)


def _find_study(path: Path, found: Found) -> None:
    _add(found.studies, path, path.name)
    for folder in _folders(path / STAGES):
        if within(folder, path):
            _find_stage(folder, path, found)


def _find_stage(folder: Path, root: Path, found: Found) -> None:
    kind = folder.name.partition("-")[0] if root != folder else "training"
    done = read_json_within(folder / "done.json", root) or {}
    label = str(done.get("label", f"{kind} {folder.name.rpartition('-')[2][:6]}"))
    _add(found.stages, folder, label, str(done.get("kind", kind)))
    store = within(folder / "store", root)
    if store and Store.exists(store):
        _add(found.stores, store, label)
    for house in sorted((folder / "houses").glob("*.json")):
        if within(house, root):
            _add(found.houses, house, house.stem)


def _folders(path: Path) -> Iterator[Path]:
    return (p for p in sorted(path.iterdir()) if p.is_dir()) if path.is_dir() else iter(())


def _add(table: dict[str, Place], path: Path | str, name: str, kind: str = "") -> None:
    id = hashlib.sha256(str(path).encode()).hexdigest()[:10]
    table[id] = Place(id, name, path, kind)
