"""Labelled frames for a task: which class every pixel is of, how rare each class is, mirrors and crops.

The class is that of the store's labels, or a pseudo-label that training/transfer/propagate.py left in a
folder. Classes are the groups of the store's label table; the group "void" is ignored."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from engine.store.access import Frames, PretrainFrames
from engine.stream.augment import crop_and_flip
from engine.stream.stream import Batch, TicketReader
from training.common.checkpoint import CONFIG, read_json
from training.models.metrics import VOID

PSEUDO_LABELS = "labels.npy"
TRUTH = "truth"
"""The array of a batch that holds the class of every pixel, uint8 [b, h, w], VOID where there is none."""


def class_table(frames: Frames) -> tuple[list[str], UInt8[np.ndarray, "256"]]:
    """Names of the classes (groups of the label table in order of appearance) and the map from label id to
    class.

    Void, and ids that are in no table, map to VOID.
    """
    names = [g for g in dict.fromkeys(row["group"] for row in frames.labels) if g != "void"]
    table = np.full(256, VOID, dtype=np.uint8)
    for row in frames.labels:
        if row["group"] != "void":
            table[row["id"]] = names.index(row["group"])
    return names, table


def facts_of_spaces(frames: Frames) -> list[dict[str, str]]:
    """What the spaces of a view are known by, as a model's config.json keeps it."""
    return [
        {"id": s.id, "house_digest": s.house_digest, "layout_digest": s.layout_digest} for s in frames.spaces
    ]


@dataclass(frozen=True)
class Labelled:
    """Frames, and the class of each of their pixels: by `table` from the store's labels, or `pseudo`."""

    frames: Frames
    table: UInt8[np.ndarray, "256"]
    pseudo: UInt8[np.ndarray, "n h w"] | None = None

    def reads(self, inputs: tuple[str, ...]) -> list[str]:
        """What must be read of the store."""
        return [*inputs] if self.pseudo is not None else [*inputs, "semantic"]

    def named(self, batch: Batch) -> Batch:
        """A batch that was read, with its classes as TRUTH."""
        truth = self.pseudo[batch["id"]] if self.pseudo is not None else self.table[batch["semantic"]]
        return {**{name: v for name, v in batch.items() if name not in ("id", "semantic")}, TRUTH: truth}

    def truths(self, at_once: int) -> Iterator[UInt8[np.ndarray, "b h w"]]:
        """Classes of all frames in order, so many frames at a time."""
        for first in range(0, len(self.frames), at_once):
            ids = np.arange(first, min(first + at_once, len(self.frames)))
            yield self.named({"id": ids, **self.frames.read(ids, self.reads(()))})[TRUTH]


def pseudo_labelled(folder: Path, frames: PretrainFrames) -> tuple[Labelled, dict[str, Any]]:
    """Frames with the pseudo-labels in `folder`, and what its config.json says. The labels stay on disk.

    Raises ValueError when they are not of these frames."""
    assert isinstance(frames, PretrainFrames), "pseudo-labels are of pre-training frames only"
    facts = read_json(folder / CONFIG)
    if facts["frames_digest"] != frames.digest():
        raise ValueError(
            f"{folder} has pseudo-labels of other frames than those of {frames.store_path}: propagate again, "
            "or give the view that was labelled"
        )
    labels = np.load(folder / PSEUDO_LABELS, mmap_mode="r", allow_pickle=False)
    return Labelled(frames, class_table(frames)[1], labels), facts


Sources = Sequence[tuple[Labelled, int]]
"""Where a batch comes from: frames, and how many of them each batch has."""


def class_weights(source: Labelled, classes: int, balance: float) -> Float[Tensor, " k"]:
    """Weight of each class: frequency^-balance, scaled so that the mean pixel weighs 1.

    A class that no frame shows weighs as much as one with a single pixel; it has none to weigh.
    """
    counts = np.zeros(256, dtype=np.int64)
    for truth in source.truths(512):
        counts += np.bincount(truth.ravel(), minlength=256)
    share = np.maximum(counts[:classes], 1) / max(1, counts[:classes].sum())
    weight = share**-balance
    return torch.from_numpy(weight / (share * weight).sum()).float()


def image_batches(
    sources: Sources, inputs: tuple[str, ...], crop: float, flip: bool, seed: int, done: int
) -> Iterator[Batch]:
    """Images, mirrored and cropped, with their classes, from the `done`-th batch on.

    What is random is a function of (seed, step)."""
    readers = [
        TicketReader(source.frames, source.reads(inputs), count, seed=seed).batches(done)
        for source, count in sources
    ]
    for step in itertools.count(done):
        parts = [source.named(next(r)) for (source, _), r in zip(sources, readers, strict=True)]
        batch = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        yield mirror_and_zoom(batch, crop, flip, np.random.default_rng((seed, step)))


def mirror_and_zoom(batch: Batch, crop: float, flip: bool, rng: np.random.Generator) -> Batch:
    """Images as large as before, each a window of at least `crop` of its side, mirrored half of the time.

    Windows and mirrors are those of engine/stream/augment.py. A window is scaled back to the full size, since
    the encoder's positions are of one grid: RGB bilinearly, everything else to the nearest pixel (there is
    no mean of two classes, nor of a depth and of nothing hit)."""
    side = batch["rgb"].shape[1]
    if crop == 1:
        return crop_and_flip(batch, side, rng, flip=flip) if flip else batch
    sizes = rng.integers(int(np.ceil(crop * side)), side + 1, len(batch["rgb"]))
    windows = [
        crop_and_flip({name: v[i : i + 1] for name, v in batch.items()}, size, rng, flip=flip)
        for i, size in enumerate(sizes.tolist())
    ]
    return {name: np.concatenate([_zoom(name, w[name], side) for w in windows]) for name in batch}


def _zoom(name: str, images: np.ndarray, side: int) -> np.ndarray:
    """Square images [n, s, s, ...] at `side` pixels."""
    if name == "rgb":
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        larger = F.interpolate(pixels.float(), size=(side, side), mode="bilinear", align_corners=False)
        return larger.round().byte().permute(0, 2, 3, 1).numpy()
    nearest = ((np.arange(side) + 0.5) * images.shape[1] / side).astype(np.int64)
    return images[:, nearest[:, None], nearest]
