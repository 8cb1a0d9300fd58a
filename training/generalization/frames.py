"""The task indoors: frames are items, and their classes are room types or the object that fills most of them.

Labels are read through guarded views: of transfer frames for training and validation, of evaluation frames
for the test. All frames of a house are in one split."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64, Shaped

from engine.store.access import EvalFrames, TransferFrames
from training.generalization.rooms import READS, ROOM_TYPES, Rooms
from training.generalization.splits import split
from training.transfer.objects.instances import STUFF, object_classes

Labelled = TransferFrames | EvalFrames
AT_ONCE = 128
"""Frames that are read together."""
NO_THING = (*STUFF, "door", "window", "object")
"""Groups of a label table that are no class: structure, and the rest."""
NONE = -1
"""The class of a frame that has none."""


@dataclass(frozen=True)
class FrameLabels:
    """Classes of all frames of a view, in the order of ids."""

    names: tuple[str, ...]
    """Of the classes."""
    classes: Int64[np.ndarray, " n"]
    """Index into `names`, NONE where there is none."""


def dominant_objects(view: Labelled, least_share: float = 0.02) -> FrameLabels:
    """The class of object (group of the label table) that most pixels show, of at least `least_share` of the
    frame."""
    chunks, found = _chunks(view), []
    names, table = object_classes(view.labels, NO_THING)
    for ids in chunks:
        classes = table[view.read(ids, ["semantic"])["semantic"]].reshape(len(ids), -1)
        rows = np.arange(len(ids))[:, None] * (len(names) + 1)
        counts = np.bincount((rows + classes + 1).ravel(), minlength=len(ids) * (len(names) + 1))
        counts = counts.reshape(len(ids), -1)[:, 1:]
        enough = counts.max(1) >= least_share * classes.shape[1]
        found.append(np.where(enough, counts.argmax(1), NONE))
    return FrameLabels(tuple(names), np.concatenate(found))


def room_types(view: Labelled) -> FrameLabels:
    """The type of the room that the camera is in, after its furniture (`Rooms`)."""
    rooms, kinds = _rooms(view)
    numbers = {kind: number for number, kind in enumerate(ROOM_TYPES)}
    classes = [NONE if kind is None else numbers[kind] for kind in (kinds.get(room) for room in rooms)]
    return FrameLabels(ROOM_TYPES, np.array(classes, np.int64))


def rooms_of(view: Labelled) -> list[tuple[str, int]]:
    """The room that each frame's camera is in, for batches by room: its space, and the instance of its
    floor."""
    return _rooms(view)[0]


def _rooms(view: Labelled) -> tuple[list[tuple[str, int]], dict[tuple[str, int], str]]:
    """The room of each frame, and the types of rooms that have one."""
    spaces = view.space_of(np.arange(len(view)))
    places: list[Shaped[np.ndarray, "n 3"]] = []
    of_space: dict[str, Rooms] = {space: Rooms(view.labels) for space in dict.fromkeys(spaces)}
    for ids in _chunks(view):
        arrays = view.read(ids, READS)
        places.append(arrays["pose"][:, :3, 3])
        here = np.array(spaces)[ids]
        for space in np.unique(here).tolist():
            of_space[space].add({name: values[here == space] for name, values in arrays.items()})
    where = np.concatenate(places)
    floors = np.zeros(len(view), np.int64)
    kinds: dict[tuple[str, int], str] = {}
    for space, rooms in of_space.items():
        inside = np.array(spaces) == space
        floors[inside] = rooms.at(where[inside])
        kinds |= {(space, room): kind for room, kind in rooms.types().items()}
    return list(zip(spaces, floors.tolist(), strict=True)), kinds


def _chunks(view: Labelled) -> list[Int64[np.ndarray, " _"]]:
    """All ids, so many at a time."""
    assert isinstance(view, Labelled), "labels are of transfer or evaluation frames"
    return np.array_split(np.arange(len(view)), -(-len(view) // AT_ONCE))


def houses_of(view: Labelled) -> list[str]:
    """Digest of the house of each frame, the same on all of its days."""
    known = {space.id: space.layout_digest or space.house_digest for space in view.spaces}
    return [known[space] for space in view.space_of(np.arange(len(view)))]


def validation_frames(houses: Sequence[str], share: float, trial: int) -> Bool[np.ndarray, " n"]:
    """Which frames validate in a repeat: those of `share` of the houses, at least one.

    The public code splits the items of each modality by a draw of its own, and so validates on items that
    were trained on in another modality. Here a house is on one side, in all modalities. Raises ValueError
    where no house is left for training."""
    names = sorted(set(houses))
    held_out = max(1, round(share * len(names)))
    if held_out >= len(names):
        raise ValueError(
            f"{held_out} of {len(names)} houses would be for validation: frames of more houses are needed"
        )
    chosen = {names[i] for i in split(len(names), held_out, trial, 0)[0]}
    return np.array([house in chosen for house in houses])
