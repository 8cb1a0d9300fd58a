"""Modalities computed from those that a store holds, on the same actors as collection.

    tst derive STORE --names normals_from_depth edges_from_rgb

Each part gets what it lacks as a group of its own (`PART.NAME`) with its own manifest; existing files are not
rewritten, and an interrupted pass resumes. To add a derivation, add a row to `DERIVATIONS`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Shaped
from pydantic import Field

from agents.edges import canny_edges
from agents.normals import normals_from_depth
from engine.collect.ledger import Ledger
from engine.collect.part_maker import PartResult, failed
from engine.collect.plan import HouseRef, PartTask, Segment
from engine.collect.run_tasks import run_tasks
from engine.store.errors import PartExistsError
from engine.store.schema import ModalitySpec
from engine.store.store import Store
from engine.store.writing.staging import clean_staging
from scenes.config import Config

_AT_ONCE = 256  # frames


@dataclass(frozen=True)
class Derivation:
    """How a modality comes of others: `compute(*inputs)`, frames along the first axis."""

    inputs: tuple[str, ...]
    like: str  # the modality of the store that it looks like: dtype, shape, unit, kind
    compute: Callable[..., Shaped[np.ndarray, "frames ..."]]


DERIVATIONS: Mapping[str, Derivation] = {
    "normals_from_depth": Derivation(("depth", "intrinsics"), "normals", normals_from_depth),
    "edges_from_rgb": Derivation(("rgb",), "edges", canny_edges),
}


class DeriveConfig(Config):
    """What to derive, of which store."""

    store: tyro.conf.Positional[Path]
    """The store; what is derived stands beside its parts."""
    names: tuple[str, ...]
    """What to derive."""
    actors: int = Field(2, ge=0)
    """Ray actors; 0 works in this process."""


@dataclass(frozen=True)
class DeriveRecipe:
    """What all parts of a pass have in common."""

    store: str
    name: str

    def maker(self) -> "Deriver":
        """What derives, in the process that is to do it."""
        return Deriver(self)


class Deriver:
    """Derives one modality, part by part."""

    def __init__(self, recipe: DeriveRecipe):
        self.recipe = recipe
        self._store = Store.open(recipe.store)

    def make(self, task: PartTask) -> PartResult:
        """Derives the part `task.name`. Errors are returned, not raised: they cross processes as text."""
        started, store, way = time.monotonic(), self._store, DERIVATIONS[self.recipe.name]
        reading, size = task.name, 0
        try:
            blocks = []
            for first in range(0, task.frames, _AT_ONCE):
                values = store.read(task.name, first, min(_AT_ONCE, task.frames - first), way.inputs)
                blocks.append(way.compute(*(values[m] for m in way.inputs)))
            reading = ""
            spec = spec_of(store, self.recipe.name)
            array = {spec.name: np.concatenate(blocks)}
            size = store.add_derived(task.name, spec.name, array, [spec]).bytes
        except PartExistsError:
            pass  # of the same part in the same way: whoever wrote it wrote the same
        except Exception as error:
            return failed(task, error, self.recipe.store, reading, time.monotonic() - started)
        return PartResult(task.name, task.frames, time.monotonic() - started, bytes=size)


def spec_of(store: Store, name: str) -> ModalitySpec:
    """The modality that is derived. Raises ValueError where the store has none that it looks like."""
    if name not in DERIVATIONS:
        raise ValueError(f"{name!r} cannot be derived; choose from {', '.join(DERIVATIONS)}")
    like = next((m for m in store.facts.modalities if m.name == DERIVATIONS[name].like), None)
    if like is None:
        raise ValueError(f"{store.path} knows no {DERIVATIONS[name].like!r}, which {name!r} would look like")
    return ModalitySpec(name, like.dtype, like.shape, like.unit, like.kind)


def derive(config: DeriveConfig) -> None:
    """Derives what parts lack. Raises ValueError, CollectError naming the parts that failed three times."""
    store = Store.open(config.store)
    clean_staging(store.path / "parts")
    for name in config.names:
        spec_of(store, name)
    for name in config.names:
        needed = DERIVATIONS[name].inputs
        able = [p for p in store.parts if all(p.modality(m) for m in needed)]
        lacking = [p for p in able if not any(d.modality(name) for d in store.derived(p.part))]
        tasks = [PartTask(p.part, (Segment(HouseRef(p.part, p.seal, p.part), 0, p.frames),)) for p in lacking]
        total, missing = sum(p.frames for p in able), sum(p.frames for p in lacking)
        if tasks:
            ledger = Ledger(name, "", total - missing, total, verb="derive")
            run_tasks(tasks, DeriveRecipe(store.place, name), ledger, config.actors, {})
            store.refresh()
        print(f"{store.place}: {name} of {missing} frames, {total - missing} were there")
