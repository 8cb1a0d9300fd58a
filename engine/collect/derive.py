"""A second pass over a store: modalities computed from those it holds, beside them, on the same actors.

    tst derive STORE --names normals_from_depth edges_from_rgb

Every part gets what it lacks, as a group of its own (`PART.NAME`) with a manifest of its own; nothing that
was written is written again, and a pass that was stopped goes on when started again. A new way to derive is
a row of `DERIVATIONS`.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Float32, UInt8, UInt16
from pydantic import Field

from agents.edges import canny_edges
from engine.collect.collect import run_tasks
from engine.collect.ledger import Ledger
from engine.collect.part_maker import PartResult, failed
from engine.collect.plan import HouseRef, PartTask, Segment
from engine.store.errors import PartExistsError
from engine.store.schema import ModalitySpec
from engine.store.store import Store
from engine.store.writing.staging import clean_staging
from scenes.config import Config

_AT_ONCE = 256  # frames


def normals_from_depth(
    depth: UInt16[np.ndarray, "n h w"], intrinsics: Float32[np.ndarray, "n 4"]
) -> UInt8[np.ndarray, "n h w 3"]:
    """Normals as `agents/modalities.py` encodes them, from depth [mm] and fx, fy, cx, cy [px].

    Of the two neighbours along each axis the one nearer in depth counts, so that silhouettes stay sharp.
    (0, 0, 0) where nothing was hit.
    """
    z = depth.astype(np.float32) / 1000
    fx, fy, cx, cy = (v[:, None, None] for v in intrinsics.T)
    v, u = np.mgrid[0 : depth.shape[1], 0 : depth.shape[2]].astype(np.float32) + 0.5
    points = np.stack([(u - cx) / fx * z, -(v - cy) / fy * z, -z], axis=-1)
    right, up = _step(points, z, axis=2), -_step(points, z, axis=1)
    normals = np.cross(right, up)
    normals *= np.sign(-(normals * points).sum(axis=-1, keepdims=True))  # towards the viewer
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    coded = np.round((normals / np.maximum(length, 1e-20) * 0.5 + 0.5) * 255).astype(np.uint8)
    return np.where((length > 0) & (depth > 0)[..., None], coded, 0).astype(np.uint8)


def _step(points: np.ndarray, z: np.ndarray, axis: int) -> np.ndarray:
    """From each pixel to the next along an axis, or from the one before where that is nearer in depth."""
    step = np.diff(points, axis=axis)
    jump = np.abs(np.diff(z, axis=axis))
    far = np.full_like(jump.take([0], axis), np.inf)
    none = np.zeros_like(step.take([0], axis))
    ahead, behind = np.concatenate([jump, far], axis), np.concatenate([far, jump], axis)
    steps = np.concatenate([step, none], axis), np.concatenate([none, step], axis)
    return np.where((ahead <= behind)[..., None], *steps)


@dataclass(frozen=True)
class Derivation:
    """How a modality comes of others: `compute(*inputs)`, frames along the first axis."""

    inputs: tuple[str, ...]
    like: str  # the modality of the store that it looks like: dtype, shape, unit, kind
    compute: Callable[..., np.ndarray]


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
