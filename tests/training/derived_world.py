"""The synthetic rooms with what networks would make of them beside: an array of every kind of output."""

from pathlib import Path

import numpy as np

from engine.store.schema import ArrayOrigin, ExternalAccess, OutputKind
from engine.store.store import ModalitySpec, Store
from tests.training.tiny_world import make_store

CLASSES = ("wall", "floor", "bed", "chair", "arm chair")
MOST = 4
"""Boxes of a frame."""
SHAPES: dict[str, tuple[OutputKind, tuple[int, ...], str]] = {
    "clip": ("features", (8, 8, 12), "float16"),
    "masks": ("labels", (32, 32), "uint8"),
    "sam_edges": ("edges", (32, 32), "uint8"),
    "boxes": ("boxes", (MOST, 6), "float32"),
    "global_clip": ("vector", (12,), "float16"),
    "said": ("text", (7,), "uint16"),
}
"""Modality: what it is, the shape of a frame's, dtype."""


def origin_of(
    name: str, access: ExternalAccess = "pseudolabels", houses: tuple[str, ...] = ()
) -> ArrayOrigin:
    """That of a network called after its modality."""
    output = SHAPES[name][0]
    classes = CLASSES if output in ("labels", "boxes", "text") else ()
    return ArrayOrigin(f"net-{name}", output, access, f"hub/{name}", "MIT", "0" * 64, houses, classes)


def spec_of(name: str, origin: ArrayOrigin) -> ModalitySpec:
    """Of the array in a store."""
    _, shape, dtype = SHAPES[name]
    return ModalitySpec(name, dtype, shape, "1", "pseudolabel", origin)


def values_of(name: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """Arrays of so many frames."""
    output, shape, dtype = SHAPES[name]
    if output == "boxes":
        low, high = np.sort(rng.random((2, count, MOST, 2)), axis=0)
        names = rng.integers(1, len(CLASSES) + 1, (count, MOST, 1))
        score = -np.sort(-rng.uniform(0.1, 1, (count, MOST, 1)), axis=1)
        boxes = np.concatenate([low, high, names, score], axis=-1)
        there = np.arange(MOST) < rng.integers(0, MOST + 1, (count, 1))
        return np.where(there[..., None], boxes, 0).astype(dtype)
    if output == "text":
        words = rng.integers(1, len(CLASSES) + 1, (count, *shape))
        there = np.arange(*shape) < rng.integers(0, shape[0] + 1, (count, 1))
        return np.where(there, words, 0).astype(dtype)
    if output == "labels":
        coarse = rng.integers(0, len(CLASSES) + 1, (count, 8, 8))
        return coarse.repeat(4, 1).repeat(4, 2).astype(dtype)
    if output == "edges":
        return (rng.random((count, *shape)) ** 4 * 255).astype(dtype)
    return rng.normal(size=(count, *shape)).astype(dtype)


def derive(store: Store, names: tuple[str, ...] = tuple(SHAPES), **origin: object) -> Store:
    """Put arrays beside every part of a store; `origin`: as `origin_of`."""
    for number, part in enumerate(store.parts):
        rng = np.random.default_rng(number)
        for name in names:
            spec = spec_of(name, origin_of(name, **origin))  # pyright: ignore[reportArgumentType]
            store.add_derived(part.part, name, {name: values_of(name, part.frames, rng)}, [spec])
    return Store.open(store.path)


def derived_store(path: Path, names: tuple[str, ...] = tuple(SHAPES), **origin: object) -> Store:
    """`make_store` with these beside its frames."""
    return derive(make_store(path, pretrain=48, transfer=16, held_out=8), names, **origin)
