"""`tst import`: a real capture into a store.

    tst import scan/ --store STORE                       what wrote it is recognised by its files
    tst import clip.mp4 --store STORE --every 10         a video: colours alone
    tst import scan/ --store STORE --role eval --labels MESH     labels, for evaluation or of transfer spaces

Frames get the store's size and modalities; what the capture does not have is missing in the store too. Run
again it adds only parts that are missing.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tyro
from jaxtyping import Shaped
from pydantic import Field
from tqdm import tqdm

from engine.collect.collect import open_or_create
from engine.collect.frame_size import FrameSize, height_width
from engine.collect.plan import hash_of
from engine.importers.capture import Capture
from engine.importers.fit import fit
from engine.importers.labels.frame_labels import FrameLabels, LabelOptions
from engine.importers.labels.sources import find_labels
from engine.importers.registry import CAPTURE_FORMATS, find_format, place_of
from engine.importers.selection import FrameSelection
from engine.store.schema import FrameRange, Role, Space
from engine.store.store import Store

PART_FRAMES = 512
"""Frames in a part: what is in memory at a time."""
_VERSION = 2  # of what a frame becomes; to be raised when the same capture would give other frames

_NAMED = {"source", "store", "space", *LabelOptions.model_fields}  # fields that decide frames by content


class ImportConfig(LabelOptions):
    """What to import, into which store."""

    source: tyro.conf.Positional[Path]
    """The capture: a folder or a file."""
    store: Path
    """The store to fill; made if it is not there."""
    role: Role = "pretrain"
    """What the frames are for."""
    size: FrameSize = 224
    """Height and width of a frame [pixels]; frames are cut to this shape about their centre, then scaled."""
    format: str | None = None
    """What wrote the capture; by default it is recognised."""
    space: str = ""
    """Name of the space in the store; by default that of the file or folder, or of ScanNet++'s scene."""
    every: int = Field(1, gt=0)
    """Only every n-th frame."""
    min_sharpness: float = Field(0.25, ge=0)
    """Frames whose Laplacian varies less than this share of what is usual about them are dropped; 0: none."""
    min_change: float = Field(0.5, ge=0)
    """Frames that differ from the one before by less, in steps of 255 on average, are dropped; 0: none."""


def import_capture(config: ImportConfig) -> None:
    """Fills a store from a capture and says what was dropped.

    Raises ValueError, naming the file, for a capture that is broken, and for labels that do not fit it: the
    parts before the broken frame stay.
    """
    labels = _labels(config)
    name = find_format(config.source, config.format)
    capture = CAPTURE_FORMATS[name].open(config.source)
    if labels:
        labels.expect(capture)
    photographs = _are_photographs(capture, name, config)
    store = open_or_create(config.store, config.size)
    digest = _digest(config.source, capture)
    place, place_digest = place_of(config.source, name)
    space = Space(
        id=config.space or place,
        family="capture",
        house_digest=place_digest or digest,
        seed=None,
        sampler="capture",
        simulator=name,
        provenance=f"{CAPTURE_FORMATS[name].title}, {config.source.name}"
        + (f"; {labels.note}" if labels else ""),
        external_access="internet" if photographs else "none",
        layout_digest=labels.place_digest if labels else "",
    )
    decides = config.model_dump(mode="json", exclude=_NAMED)
    if labels:
        decides["labels"] = labels.digest
    config_hash = hash_of({"version": _VERSION, "format": name, "capture": digest, **decides})
    # Photographs follow no walk: none is compared with those before it.
    limits = (0.0, 0.0) if photographs else (config.min_sharpness, config.min_change)
    selection = FrameSelection(*limits)
    held = {part.part for part in store.parts}
    added = present = 0
    for number, arrays in enumerate(_blocks(capture, config, selection, labels)):
        part, count = f"{config.role}-{config_hash[:12]}-{number:04d}", len(arrays["rgb"])
        if part in held:
            present += count
            continue
        _write(store, part, arrays, space, config, config_hash)
        added += count
    lacks = [m for m in ("depth", "pose", "intrinsics") if m not in capture.modalities]
    print(f"{config.source}: {CAPTURE_FORMATS[name].title}, {len(capture)} frames; {selection.rule}")
    print(f"space {space.id!r}: {added} frames added, {present} were there" + _lacks_text(lacks))
    if labels:
        print(labels.summary())


def _labels(config: ImportConfig) -> FrameLabels | None:
    """What labels the frames. Raises ValueError for frames of pre-training: no label may be near them."""
    if config.labels is None:
        return None
    if config.role == "pretrain":
        raise ValueError(
            f"frames of role pretrain have no labels: import {config.source} again with --role eval and "
            f"--labels {config.labels}, and without labels for pre-training"
        )
    return find_labels(config.labels, config)


def _are_photographs(capture: Capture, name: str, config: ImportConfig) -> bool:
    """Whether the capture is a data set with labels of its own, of many places. Raises ValueError where it is
    to be anything but a transfer set."""
    if "semantic" not in capture.modalities:
        return False
    if config.role != "transfer" or config.labels:
        raise ValueError(
            f"{config.source}: {CAPTURE_FORMATS[name].title} is photographs with labels of their own, of no "
            "test space: import them with --role transfer and without --labels"
        )
    return True


def _lacks_text(lacks: list[str]) -> str:
    return f"; the capture has no {' and no '.join(lacks)}" if lacks else ""


def _blocks(
    capture: Capture, config: ImportConfig, selection: FrameSelection, labels: FrameLabels | None
) -> Iterator[dict[str, Shaped[np.ndarray, "frames ..."]]]:
    """Frames that are kept, at the size asked for, as many at a time as a part holds."""
    height, width = height_width(config.size)
    block: list[dict[str, np.ndarray]] = []
    with tqdm(capture.frames(), total=len(capture), desc="import", unit="frame") as bar:
        for number, frame in enumerate(bar):
            if number % config.every or (labels and not labels.knows(frame)):
                continue
            arrays = fit(frame, height, width)
            if not selection.keeps(arrays["rgb"]):
                continue
            if labels:
                arrays |= labels.of(frame, arrays)
            block.append(arrays)
            if len(block) == PART_FRAMES:
                yield _stacked(block, labels)
                block = []
    if block:
        yield _stacked(block, labels)


def _stacked(block: list[dict[str, np.ndarray]], labels: FrameLabels | None) -> dict[str, np.ndarray]:
    if labels:
        labels.check()
    return {name: np.stack([frame[name] for frame in block]) for name in block[0]}


def _write(
    store: Store,
    part: str,
    arrays: dict[str, np.ndarray],
    space: Space,
    config: ImportConfig,
    config_hash: str,
) -> None:
    runs = [FrameRange(space.id, config.role, part, 0, len(arrays["rgb"]))]
    store.write_part(part, arrays, runs, [space], config_hash, [{"capture": space.house_digest}])


def _digest(source: Path, capture: Capture) -> str:
    """sha256 of the capture's files and their names within it, hex. Raises ValueError for a missing one."""
    digest = hashlib.sha256()
    root = source.resolve() if source.is_dir() else source.resolve().parent
    for path in capture.files():
        digest.update(path.resolve().relative_to(root).as_posix().encode() + b"\0")
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError:
            raise ValueError(
                f"{path} is missing, and {source} names it: copy it too, or take it out of the capture"
            ) from None
    return digest.hexdigest()
