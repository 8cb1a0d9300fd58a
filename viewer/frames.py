"""Frames of a store: what there is, thumbnails by the chunk, one frame, poses, and frames that show a class.

Thumbnails come a chunk at a time: the store decodes the 16 frames of a chunk together, so a request for them
reads one range of one file. Nothing here reads an array from end to end.
"""

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from engine.store.errors import MissingPartError
from engine.store.manifest import Manifest
from engine.store.pictures import is_class_map, is_drawn, is_on_rgb, tiles
from engine.store.schema import ROLES, FrameRange, ModalitySpec
from engine.store.store import Store
from viewer.answers import (
    Answer,
    NotThereError,
    Query,
    floats_answer,
    json_answer,
    picture_answer,
)
from viewer.opened import Opened

_TALLEST = 1024  # pixels, of a picture
_SEARCH_SECONDS = 0.5  # before a search for a class answers with what it has
_MOST_POSES = 4000  # of a space, evenly over its frames
_LABELS = "semantic"


def store_facts(opened: Opened, query: Query) -> Answer:
    """Modalities, classes, spaces, and runs of frames as [space, role, part, start, count], the first three
    as indices."""
    store = opened.store(query.text("store"))
    parts = {part.part: i for i, part in enumerate(store.parts)}
    spaces = {space: i for i, space in enumerate(dict.fromkeys(run.space for run in store.runs))}
    facts = {
        "modalities": [_spec_facts(spec) for spec in store.modalities if is_drawn(spec)],
        "labels": [{"id": row["id"], "name": row["name"]} for row in store.labels],
        "spaces": list(spaces),
        "roles": list(ROLES),
        "parts": list(parts),
        "runs": [[spaces[r.space], ROLES.index(r.role), parts[r.part], r.start, r.count] for r in store.runs],
        "chunk": store.facts.chunk_frames,
        "aspect": _aspect(store),
        "posed": any(spec.name == "pose" for spec in store.modalities),
    }
    return json_answer(facts)


def thumbnails(opened: Opened, query: Query) -> Answer:
    """The frames of one chunk side by side, in one modality, `size` pixels tall."""
    store, part, spec = _asked(opened, query)
    size = query.number("size", 16, 256)
    chunk = store.facts.chunk_frames
    first = query.number("chunk", 0, (part.frames - 1) // chunk) * chunk
    pictures = _drawn(store, part, spec, first, min(chunk, part.frames - first), size)
    width = pictures[0].width
    strip = Image.new("RGB", (width * len(pictures), size))
    for i, picture in enumerate(pictures):
        strip.paste(picture, (i * width, 0))
    return picture_answer(strip, is_class_map(spec))


def frame_picture(opened: Opened, query: Query) -> Answer:
    """One frame in one modality, `size` pixels tall. Feature maps have the colours of their chunk."""
    store, part, spec = _asked(opened, query)
    size, frame = query.number("size", 16, _TALLEST), query.number("frame", 0, part.frames - 1)
    first, count = frame, 1
    if spec.origin is not None and spec.origin.output == "features":
        chunk = store.facts.chunk_frames
        first = frame // chunk * chunk
        count = min(chunk, part.frames - first)
    return picture_answer(_drawn(store, part, spec, first, count, size)[frame - first], is_class_map(spec))


def frame_facts(opened: Opened, query: Query) -> Answer:
    """Modalities that are drawn of a frame, its space as the collection described it, its pose, and the
    classes that it shows with their share of the pixels."""
    store = opened.store(query.text("store"))
    part = _part(store, query)
    frame = query.number("frame", 0, part.frames - 1)
    held = _held(store, part)
    run = next(r for r in part.runs if r.start <= frame < r.start + r.count)
    space = next(s for s in part.spaces if s.id == run.space)
    facts: dict[str, Any] = {
        "space": {name: getattr(space, name) for name in ("id", "family", "sampler", "simulator", "seed")},
        "role": run.role,
        "modalities": [spec.name for spec in held.values() if is_drawn(spec)],
    }
    if "pose" in held:
        pose = store.read(part.part, frame, 1, ["pose"])["pose"][0]
        facts["pose"] = pose.tolist() if np.isfinite(pose).all() else None
    if _LABELS in held:
        names = {row["id"]: row["name"] for row in store.labels}
        ids, counts = np.unique(store.read(part.part, frame, 1, [_LABELS])[_LABELS], return_counts=True)
        shares = sorted(zip((counts / counts.sum()).tolist(), ids.tolist(), strict=True), reverse=True)
        facts["classes"] = [[names.get(i, str(i)), round(share, 4)] for share, i in shares]
    return json_answer(facts)


def poses(opened: Opened, query: Query) -> Answer:
    """Cameras of the frames of a space, of one role or of all: eight numbers (every how many-th frame it is,
    fx, fy, cx, cy [pixels], width and height [pixels], number of cameras), then the upper three rows of each
    camera-to-world matrix [m]. Raises NotThereError where the frames have no poses."""
    store = opened.store(query.text("store"))
    runs = runs_of(store, query)
    total = sum(run.count for run in runs)
    every = max(1, -(-total // _MOST_POSES))
    waits, lens, at = [], np.zeros(4, np.float32), 0
    for run in runs:
        held = _held(store, store.part(run.part))
        if "pose" not in held:
            raise NotThereError(f"the frames of {run.space} have no poses")
        wanted = np.arange(-at % every, run.count, every)
        at += run.count
        if not len(wanted):
            continue
        if "intrinsics" in held and not waits:
            lens = store.read(run.part, run.start, 1, ["intrinsics"])["intrinsics"][0]
        waits.append(store.reader(run.part, "pose").start("pose", run.start + wanted))
    matrices = np.concatenate([wait()[:, :3] for wait in waits]).reshape(-1, 12).astype(np.float32)
    height, width = _shape(store)
    head = np.array([every, *lens, width, height, len(matrices)], np.float32)
    return floats_answer(np.concatenate([head, matrices.ravel()]))


class ClassSearch:
    """Which frames show which class, chunk by chunk as searches need it. Safe to share between threads."""

    def __init__(self, chunks: int = 20_000):
        """`chunks`: of how many chunks it remembers the classes, 4 kB each."""
        self._known: OrderedDict[tuple[Any, ...], Bool[np.ndarray, "n 256"]] = OrderedDict()
        self._most, self._lock = chunks, Lock()

    def find(self, opened: Opened, query: Query) -> Answer:
        """Positions, among the frames of a space and role, of those that show the class; from position
        `after` on, until `limit` are found or half a second has passed. `next` is where to go on, null at
        the end."""
        store = opened.store(query.text("store"))
        runs = runs_of(store, query)
        wanted, limit = query.number("class", 0, 255), query.number("limit", 1, 1000, 200)
        total = sum(run.count for run in runs)
        at = query.number("after", 0, total, 0)
        found: list[int] = []
        until = time.monotonic() + _SEARCH_SECONDS
        for first, run, start, count in _pieces(store, runs, at):
            shown = self._classes(query.text("store"), store, run.part, start // store.facts.chunk_frames)
            offset = start % store.facts.chunk_frames
            found += (first + np.flatnonzero(shown[offset : offset + count, wanted])).tolist()
            at = first + count
            if len(found) >= limit or time.monotonic() > until:
                break
        else:
            at = total
        return json_answer({"found": found, "next": at if at < total else None, "total": total})

    def _classes(self, id: str, store: Store, part: str, chunk: int) -> Bool[np.ndarray, "n 256"]:
        manifest = store.part(part)
        if _LABELS not in _held(store, manifest):
            return np.zeros((store.facts.chunk_frames, 256), bool)
        key = (id, part, manifest.config_hash, chunk)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                return known
        first = chunk * store.facts.chunk_frames
        count = min(store.facts.chunk_frames, manifest.frames - first)
        values = store.read(part, first, count, [_LABELS])[_LABELS].reshape(count, -1)
        shown = np.zeros((count, 256), bool)
        for row, pixels in zip(shown, values, strict=True):
            row[np.unique(pixels)] = True
        with self._lock:
            self._known[key] = shown
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return shown


def runs_of(store: Store, query: Query) -> list[FrameRange]:
    """Runs of the query's `space` and `role`; empty: of any. Raises NotThereError where there are none."""
    space, role = query.text("space"), query.text("role")
    runs = [r for r in store.runs if (not space or r.space == space) and (not role or r.role == role)]
    if not runs:
        raise NotThereError(f"there are no frames of space {space!r} and role {role!r}")
    return runs


def _pieces(
    store: Store, runs: Sequence[FrameRange], after: int
) -> Iterator[tuple[int, FrameRange, int, int]]:
    """Runs cut where chunks end, from position `after` on: (position, run, frame in the part, count)."""
    size, before = store.facts.chunk_frames, 0
    for run in runs:
        at = run.start + max(0, after - before)
        while at < run.start + run.count:
            stop = min((at // size + 1) * size, run.start + run.count)
            yield before + at - run.start, run, at, stop - at
            at = stop
        before += run.count


def _drawn(
    store: Store, part: Manifest, spec: ModalitySpec, first: int, count: int, size: int
) -> list[Image.Image]:
    wanted = [spec.name, "rgb"] if is_on_rgb(spec) else [spec.name]
    values = store.read(part.part, first, count, wanted)
    width = max(1, round(size * _aspect(store)))
    return tiles(spec, values[spec.name], (width, size), values.get("rgb"))


def _asked(opened: Opened, query: Query) -> tuple[Store, Manifest, ModalitySpec]:
    store = opened.store(query.text("store"))
    part = _part(store, query)
    spec = _held(store, part).get(query.text("modality"))
    if spec is None or not is_drawn(spec):
        raise NotThereError(f"frames of {part.part} have no picture of {query.text('modality')!r}")
    return store, part, spec


def _part(store: Store, query: Query) -> Manifest:
    try:
        return store.part(query.text("part"))
    except MissingPartError as error:
        raise NotThereError(str(error)) from None


def _held(store: Store, part: Manifest) -> dict[str, ModalitySpec]:
    return {m.name: m for held in (part, *store.derived(part.part)) for m in held.modalities}


def _spec_facts(spec: ModalitySpec) -> dict[str, Any]:
    origin = spec.origin
    return {"name": spec.name, "kind": spec.kind, "sharp": is_class_map(spec)} | (
        {"network": origin.network, "output": origin.output} if origin else {}
    )


def _shape(store: Store) -> tuple[int, int]:
    """Height and width of the frames [pixels]."""
    height, width = next(m for m in store.facts.modalities if m.kind != "camera").shape[:2]
    return height, width


def _aspect(store: Store) -> float:
    height, width = _shape(store)
    return width / height
