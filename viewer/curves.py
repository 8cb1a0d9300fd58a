"""Loss curves of trainings, while they run too: from the record of one that ended, else from its TensorBoard
file (a point a step, written every two minutes at the latest) or its checkpoint, whichever is further.

A TensorBoard file is a row of records: length (8 bytes), its checksum (4), an event, its checksum (4).
"""

import json
import struct
from pathlib import Path
from typing import Any

from viewer.answers import Answer, Query, json_answer
from viewer.opened import Opened, Place, read_json_within, within

Points = list[list[float]]
_MOST = 400  # points of a curve
_TAIL = 2000  # bytes of a log that are read
_TOTAL = "loss/total"
_LARGEST_EVENT = 1 << 20  # bytes


def curves(opened: Opened, query: Query) -> Answer:
    """Every training that was opened: its label, whether it is done, [step, loss] of its curve, and the last
    line of its log."""
    opened.look()
    every = (training_facts(id, place) for id, place in opened.found.stages.items())
    found = [facts for facts in every if facts is not None]
    return json_answer(sorted(found, key=lambda facts: facts["done"]))  # those that run come first


def training_facts(id: str, place: Place) -> dict[str, Any] | None:
    """One training; None for a stage that trains nothing and is done, or that has not begun."""
    folder = Path(place.path)
    done = read_json_within(folder / "done.json", folder)
    metrics = done["metrics"] if done else read_json_within(folder / "metrics.json", folder)
    ended = metrics is not None
    points = (metrics or {}).get("curve") or []
    line = ""
    if not ended:
        points = max(_from_checkpoint(folder), _from_events(folder), key=lambda p: p[-1][0] if p else -1)
        line = _last_line(folder)
    if not points and not line:
        return None
    facts = {"id": id, "label": place.name, "kind": place.kind, "done": ended, "line": line}
    return facts | {"points": thinned([[int(s), float(v)] for s, v in points])}


def thinned(points: Points) -> Points:
    """Points of a curve evenly over it, the last among them."""
    every = max(1, -(-len(points) // _MOST))
    return points[::-1][::every][::-1]


def _from_checkpoint(folder: Path) -> Points:
    """The curve that a checkpoint keeps in its safetensors header."""
    file = within(folder / "training.safetensors", folder)
    try:
        if file is None:
            return []
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(min(length, 1 << 26)))
        return json.loads(header["__metadata__"]["facts"])["curve"]
    except (OSError, ValueError, KeyError, struct.error):
        return []  # there is none, or another kind of checkpoint


def _from_events(folder: Path) -> Points:
    """Total losses of the TensorBoard files of a training and of those it was resumed from."""
    found: dict[int, float] = {}
    for file in sorted((folder / "tensorboard").glob("events.out.tfevents.*")):
        if within(file, folder):
            for step, value in _scalars(file.read_bytes(), _TOTAL):
                found = {s: v for s, v in found.items() if s < step}  # it went back to a checkpoint
                found[step] = value
    return [[step, value] for step, value in found.items()]


def _scalars(data: bytes, tag: str) -> list[tuple[int, float]]:
    """(step, value) of one tag; a record that is still being written ends the list."""
    # Here, because its package imports torch, which takes seconds.
    from tensorboardX.proto.event_pb2 import Event  # pyright: ignore[reportAttributeAccessIssue]

    found, at = [], 0
    while at + 12 <= len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        if length > _LARGEST_EVENT or at + 16 + length > len(data):
            break
        event = Event.FromString(data[at + 12 : at + 12 + length])
        found += [(event.step, value.simple_value) for value in event.summary.value if value.tag == tag]
        at += 16 + length
    return found


def _last_line(folder: Path) -> str:
    """The last line of a log, a progress bar's last state where it ends with one."""
    file = within(folder / "log.txt", folder)
    if file is None:
        return ""
    with file.open("rb") as stream:
        stream.seek(0, 2)
        stream.seek(max(0, stream.tell() - _TAIL))
        lines = stream.read().decode(errors="replace").replace("\r", "\n").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")
