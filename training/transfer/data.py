"""Labelled frames for a task: images with their labels, mirrored and cropped alike.

Labels are what the task's `LabelReader` makes of the store, or pseudo-labels that
training/transfer/propagate.py left in a folder."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int16, Int32, Shaped

from engine.store.access import Frames, PretrainFrames
from engine.stream.augment import crop_and_flip
from engine.stream.stream import Batch, TicketReader
from training.common.checkpoint import CONFIG, read_json
from training.tokenizers.token_crops import crop as crop_of_tokens
from training.transfer.task import Arrays, LabelReader

_PIXELS = "pixels"  # numbers of pixels, cropped and mirrored beside images that hold fewer places
_OF_LABELS = " (label)"  # behind the name of a label array where it stands beside images


class LabelledBatch(NamedTuple):
    """Images as stored, by modality, and labels as the task's `LabelReader` makes them."""

    images: Arrays
    labels: Arrays


def facts_of_spaces(frames: Frames) -> list[dict[str, str]]:
    """What the spaces of a view are known by, as a model's config.json keeps it."""
    return [
        {"id": s.id, "house_digest": s.house_digest, "layout_digest": s.layout_digest} for s in frames.spaces
    ]


@dataclass(frozen=True)
class LabelledFrames:
    """Frames and their labels: by `reader` from the store, or `pseudo`, label arrays with a row a frame."""

    frames: Frames
    reader: LabelReader
    pseudo: Mapping[str, Shaped[np.ndarray, "n ..."]] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def _read(self) -> LabelReader:
        return self.reader.for_view(self.frames.digest())

    def reads(self, inputs: Sequence[str]) -> list[str]:
        """Modalities to read of the store for these inputs and the labels."""
        return [*inputs] if self.pseudo is not None else list(dict.fromkeys([*inputs, *self.reader.reads]))

    def split(self, batch: Batch, inputs: Sequence[str]) -> LabelledBatch:
        """Images and labels of a batch that was read."""
        if self.pseudo is not None:
            labels = {name: values[batch["id"]] for name, values in self.pseudo.items()}
        else:
            labels = self._read({name: batch[name] for name in ("id", *self.reader.reads)})
        return LabelledBatch({name: batch[name] for name in inputs}, labels)

    def labels(self, at_once: int) -> Iterator[Arrays]:
        """Labels of all frames in order, so many frames at a time."""
        for first in range(0, len(self.frames), at_once):
            ids = np.arange(first, min(first + at_once, len(self.frames)))
            yield self.split({"id": ids, **self.frames.read(ids, self.reads(()))}, ()).labels


def pseudo_labelled(
    folder: Path, frames: PretrainFrames, reader: LabelReader
) -> tuple[LabelledFrames, dict[str, Any]]:
    """Frames with the pseudo-labels in `folder`, and what its config.json says. The labels stay on disk.

    Raises ValueError when they are not of these frames."""
    assert isinstance(frames, PretrainFrames), "pseudo-labels are of pre-training frames only"
    facts = read_json(folder / CONFIG)
    if facts["frames_digest"] != frames.digest():
        raise ValueError(
            f"{folder} has pseudo-labels of other frames than those of {frames.store_path}: propagate again, "
            "or give the view that was labelled"
        )
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in facts["arrays"]
    }
    return LabelledFrames(frames, reader, arrays), facts


Sources = Sequence[tuple[LabelledFrames, int]]
"""Where a batch comes from: frames, and how many of them each batch has."""


def image_batches(
    sources: Sources, inputs: tuple[str, ...], crop: float, flip: bool, seed: int, done: int
) -> Iterator[LabelledBatch]:
    """Images with their labels, mirrored and cropped, from the `done`-th batch on.

    What is random is a function of (seed, step)."""
    readers = [
        TicketReader(source.frames, source.reads(inputs), count, seed=seed).batches(done)
        for source, count in sources
    ]
    for step in itertools.count(done):
        parts = [source.split(next(r), inputs) for (source, _), r in zip(sources, readers, strict=True)]
        batch = LabelledBatch(_joined([p.images for p in parts]), _joined([p.labels for p in parts]))
        yield mirror_and_zoom(batch, crop, flip, np.random.default_rng((seed, step)))


def _joined(parts: list[dict[str, Shaped[np.ndarray, "_ ..."]]]) -> Arrays:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def mirror_and_zoom(batch: LabelledBatch, crop: float, flip: bool, rng: np.random.Generator) -> LabelledBatch:
    """Images and maps as large as before, each a window of at least `crop` of its side, mirrored half of the
    time.

    Windows and mirrors are those of engine/stream/augment.py. A window is scaled back to the full size, since
    the encoder's positions are of one grid: RGB bilinearly, everything else to the nearest pixel (there is
    no mean of two classes, nor of a depth and of nothing hit)."""
    side = batch.images["rgb"].shape[1]
    coarse = {name: v for name, v in batch.images.items() if v.shape[1:3] != (side, side)}
    flat: Batch = {name: v for name, v in batch.images.items() if name not in coarse}
    flat |= {f"{name}{_OF_LABELS}": v for name, v in batch.labels.items()}
    if coarse:
        pixels = np.arange(side * side, dtype=np.int32).reshape(1, side, side)
        flat[_PIXELS] = np.repeat(pixels, len(batch.images["rgb"]), axis=0)
    if crop < 1:
        flat = _windows(flat, side, crop, flip, rng)
    elif flip:
        flat = crop_and_flip(flat, side, rng, flip=True)
    if coarse:
        boxes = _boxes_of(flat[_PIXELS], side)
        for name, values in coarse.items():
            kind = "features" if values.ndim == 4 else "boxes"
            flat[name] = crop_of_tokens(values, boxes, name, (side, side), kind)
    return LabelledBatch(
        {name: flat[name] for name in batch.images},
        {name: flat[f"{name}{_OF_LABELS}"] for name in batch.labels},
    )


def _boxes_of(pixels: Int32[np.ndarray, "n side side"], side: int) -> Int16[np.ndarray, "n 5"]:
    """The windows that images became, of the numbers of the pixels that they now show: top, left, height,
    width [pixels], mirrored."""
    rows, columns = pixels // side, pixels % side
    top, left = rows.min((1, 2)), columns.min((1, 2))
    height, width = rows.max((1, 2)) + 1 - top, columns.max((1, 2)) + 1 - left
    mirrored = columns[:, 0, 0] > columns[:, 0, -1]
    return np.stack([top, left, height, width, mirrored], axis=1).astype(np.int16)


def _windows(batch: Batch, side: int, crop: float, flip: bool, rng: np.random.Generator) -> Batch:
    sizes = rng.integers(int(np.ceil(crop * side)), side + 1, len(batch["rgb"]))
    windows = [
        crop_and_flip({name: v[i : i + 1] for name, v in batch.items()}, size, rng, flip=flip)
        for i, size in enumerate(sizes.tolist())
    ]
    return {name: np.concatenate([_zoom(name, w[name], side) for w in windows]) for name in batch}


def _zoom(name: str, images: Shaped[np.ndarray, "n ..."], side: int) -> Shaped[np.ndarray, "n ..."]:
    """Square images [n, s, s, ...] at `side` pixels; what is no map of pixels as it is."""
    if name == "rgb":
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
        larger = F.interpolate(pixels.float(), size=(side, side), mode="bilinear", align_corners=False)
        return larger.round().byte().permute(0, 2, 3, 1).numpy()
    if images.ndim < 3:
        return images
    nearest = ((np.arange(side) + 0.5) * images.shape[1] / side).astype(np.int64)
    return images[:, nearest[:, None], nearest]
