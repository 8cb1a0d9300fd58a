"""Labels of frames for modality generalization: rooms by geometry, dominant objects, splits by house."""

from typing import Any

import numpy as np
import pytest
from jaxtyping import Shaped

from engine.store.access import TransferFrames
from engine.store.schema import Kind, LabelRow
from engine.store.store import FrameRange, ModalitySpec, Space, Store
from training.generalization.frames import (
    NONE,
    dominant_objects,
    houses_of,
    room_types,
    rooms_of,
    validation_frames,
)
from training.generalization.rooms import Rooms, in_world

NAMES = ("nothing", "Floor", "Bed", "Toilet", "Sofa")
LABELS: list[LabelRow] = [
    {"id": i, "name": name, "group": "void" if i == 0 else name.lower()} for i, name in enumerate(NAMES)
]
SIDE, HEIGHT = 128, 2.0
PLACES = (-4.0, -2.0, 2.0, 7.0)
"""Of cameras, by x [m]."""
FLOORS = {7: (-9.0, 0.0), 9: (0.1, 9.0)}
"""Floors that meet at x = 0, between them a strip of ground; from x to x [m]."""
THINGS = {20: ("Bed", (-3.0, 0.0)), 21: ("Toilet", (3.0, 0.0)), 22: ("Sofa", (4.0, 1.0))}
"""Flat things on the floor, 1 m square: name, and middle (x, z) [m]."""


def above(x: float, z: float) -> dict[str, Shaped[np.ndarray, "1 ..."]]:
    """A frame of a camera that looks straight down at the floor from 2 m."""
    pose = np.eye(4)
    pose[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]  # its x is the world's, its y is z, it looks along -y
    pose[:3, 3] = (x, HEIGHT, z)
    steps = (np.arange(SIDE) + 0.5 - SIDE / 2) / (SIDE / 2) * HEIGHT
    px, pz = np.broadcast_arrays(x + steps, (z + steps)[:, None])
    semantic, instance = np.ones((SIDE, SIDE), np.uint8), np.full((SIDE, SIDE), 5, np.uint16)
    for number, (low, high) in FLOORS.items():
        instance[(px >= low) & (px < high)] = number
    for number, (name, (cx, cz)) in THINGS.items():
        there = (np.abs(px - cx) < 0.5) & (np.abs(pz - cz) < 0.5)
        semantic[there], instance[there] = NAMES.index(name), number
    return {
        "semantic": semantic[None],
        "instance": instance[None],
        "depth": np.full((1, SIDE, SIDE), HEIGHT * 1000, np.uint16),
        "pose": pose[None],
        "intrinsics": np.array([[SIDE / 2, SIDE / 2, SIDE / 2, SIDE / 2]], np.float32),
    }


def test_pixels_are_put_back_where_they_were_seen():
    points = in_world(above(1.0, -2.0))
    np.testing.assert_allclose(points[..., 1], 0, atol=1e-9)
    at = (np.arange(1, SIDE, 2) + 0.5 - SIDE / 2) / (SIDE / 2) * HEIGHT
    np.testing.assert_allclose(points[0, 0, :, 0], 1.0 + at)
    np.testing.assert_allclose(points[0, :, 0, 2], -2.0 + at)


def test_a_room_is_where_its_floor_is_and_what_its_furniture_says():
    rooms = Rooms(LABELS)
    assert rooms.at(np.zeros((2, 3))).tolist() == [0, 0]
    assert rooms.types() == {}
    for x in (-4.0, -2.0, 0.0, 2.0, 4.0):
        rooms.add(above(x, 0.0))
    positions = np.array([[-3.0, 1.5, 0.5], [-0.1, 1.5, 0], [0.2, 1.5, 0], [50.0, 0, 0]])
    assert rooms.at(positions).tolist() == [7, 7, 9, 0]
    assert rooms.types() == {7: "bedroom", 9: "bathroom"}  # a sofa in a bathroom does not make it another
    assert 5 not in rooms.at(np.array([[0.05, 0, 0]])), "the ground between two floors is no room"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Two houses of the floors above, each seen from four places; the second is the first on another day."""
    shapes = {name: (str(array.dtype), array.shape[1:]) for name, array in above(0, 0).items()}
    kinds: dict[str, Kind] = {"semantic": "label", "instance": "label", "depth": "sensory"}
    specs = [ModalitySpec(n, d, shape, "1", kinds.get(n, "camera")) for n, (d, shape) in shapes.items()]
    made = Store.create(tmp_path_factory.mktemp("frames") / "store", specs, LABELS, frames_per_part=8)
    spaces = [
        Space(name, "drawn", digest * 8, 0, "dense", "none", "drawn by a test", layout_digest="layout")
        for name, digest in (("a", "0"), ("b", "1"))
    ]
    seen = [above(x, 0.0) for x in PLACES] * 2
    arrays = {name: np.concatenate([frame[name] for frame in seen]) for name in shapes}
    runs = [FrameRange(s.id, "transfer", "transfer-0", 4 * i, 4) for i, s in enumerate(spaces)]
    made.write_part("transfer-0", arrays, runs, spaces, "0" * 8, [{"seed": 7}])
    return made


def test_labels_of_a_store(store: Store):
    elsewhere = Space("home", "drawn", "2" * 8, 0, "dense", "none", "drawn by a test")
    view = TransferFrames(store, [elsewhere])
    objects = dominant_objects(view)
    assert objects.names == ("bed", "toilet", "sofa")
    assert objects.classes.tolist() == [0, 0, 1, NONE] * 2
    assert (dominant_objects(view, least_share=0.5).classes == NONE).all()
    assert rooms_of(view) == [(space, room) for space in "ab" for room in (7, 7, 9, 9)]
    types = room_types(view)
    assert [types.names[c] for c in types.classes] == ["bedroom", "bedroom", "bathroom", "bathroom"] * 2
    assert houses_of(view) == ["layout"] * 8
    nothing: Any = "no view"
    with pytest.raises(AssertionError, match="labels are of transfer or evaluation frames"):
        dominant_objects(nothing)


def test_a_house_is_on_one_side():
    many = [f"h{i % 10}" for i in range(100)]
    sides = [validation_frames(many, 0.2, trial) for trial in range(20)]
    for validates in sides:
        assert validates.sum() == 20
        assert not set(np.array(many)[validates]) & set(np.array(many)[~validates])
    assert len({tuple(side.tolist()) for side in sides}) > 5
    with pytest.raises(ValueError, match="1 of 1 houses would be for validation"):
        validation_frames(["h"] * 5, 0.2, 0)
