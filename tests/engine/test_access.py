"""The leak guard: every way in which a stage could see what it must not is tried, and refused."""

import inspect
import math
import pickle
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.store import access
from engine.store.access import EvalFrames, Frames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError, MissingModalityError
from engine.store.held_out import check_held_out
from engine.store.schema import FrameRange
from engine.store.store import ModalitySpec, Store
from scenes.generate.generate import generate_house
from scenes.generate.perturb.perturb import perturb_house

from .conftest import LABELS, SPECS, add_part, arrays, build, space

TEST_SPACES = [space(1), space(2)]


def test_views_read_rows_in_the_order_of_ids(store):
    truth = np.concatenate([arrays("pretrain", 57, 1)["rgb"], arrays("pretrain", 30, 2)["rgb"]])
    frames = PretrainFrames(store)
    assert len(frames) == 87
    ids = np.array([86, 0, 57, 56, 3, 3, 40])
    read = frames.read(ids, ["rgb", "depth"])
    np.testing.assert_array_equal(read["rgb"], truth[ids])
    assert read["depth"].shape == (7, 12, 12)
    assert frames.read([], ["rgb"])["rgb"].shape == (0, 12, 12, 3)
    for wrong in ([87], [-1]):
        with pytest.raises(IndexError, match="0 to 86"):
            frames.read(wrong, ["rgb"])


@pytest.mark.parametrize("view", [PretrainFrames, EvalFrames])
def test_a_view_holds_only_runs_of_its_role(store, view):
    roles = {store.part(part).role for part in view(store).parts()}
    assert roles == {view.role}


def test_pretraining_gives_no_labels(store):
    frames = PretrainFrames(store)
    assert frames.modalities == ("rgb", "depth", "edges", "pose", "intrinsics")
    for ask in (lambda: frames.read([0], ["rgb", "semantic"]), lambda: frames.frame_shape("semantic")):
        with pytest.raises(LeakError, match="semantic"):
            ask()


def test_pretraining_gives_no_labels_even_if_a_part_held_them(store):
    """Were `write_part` to fail, the view would still refuse: it goes by the kind, not by what is there."""
    part = store._manifests["pretrain-a"]
    label = next(s for s in SPECS if s.kind == "label")
    store._manifests["pretrain-a"] = part.model_copy(update={"modalities": (*part.modalities, label)})
    frames = PretrainFrames(store)
    assert "semantic" not in frames.modalities
    with pytest.raises(LeakError):
        frames.read([0], ["semantic"])


def test_a_derived_label_is_a_label(store):
    spec = ModalitySpec("pseudo", "uint8", (2,), "1", "label")
    store.add_derived("eval-a", "p", {"pseudo": np.ones((19, 2), np.uint8)}, [spec])
    assert EvalFrames(store).read([3], ["pseudo"])["pseudo"].tolist() == [[1, 1]]
    with pytest.raises(LeakError, match="pseudo"):
        PretrainFrames(store).read([0], ["pseudo"])


@pytest.mark.parametrize("view", ["pretrain", "transfer"])
def test_roles_are_checked_at_every_read(store, view):
    """A view whose table of runs was bent towards evaluation frames still gives none of them."""
    frames = PretrainFrames(store) if view == "pretrain" else TransferFrames(store, TEST_SPACES)
    part = next(iter(frames.parts()))
    smuggled = FrameRange("house-1", frames.role, "eval-a", 0, frames._runs[0].count)
    frames._runs = (smuggled, *frames._runs[1:])
    with pytest.raises(LeakError, match="eval-a"):
        frames.read([0], ["rgb"])
    assert len(frames.read([len(frames) - 1], ["rgb"])["rgb"]) == 1, part  # what is its own it still gives


def test_transfer_refuses_a_test_space_by_id(store):
    with pytest.raises(LeakError, match="house-3"):
        TransferFrames(store, [replace(space(3), house_digest="0" * 64)])


def test_transfer_refuses_a_test_space_by_digest(store):
    """The same house under another name is the same house."""
    with pytest.raises(LeakError, match="house-4"):
        TransferFrames(store, [replace(space(4), id="renamed")])


def test_transfer_refuses_a_test_space_on_another_day(tmp_path):
    """A perturbed house has another name and another digest; its layout gives it away."""
    house = generate_house(0, "studio")
    day = perturb_house(house, seed=1, strength=1.0)
    assert house.digest() != day.digest()
    today, other = (
        replace(space(n), id=h.space_id, house_digest=h.digest(), layout_digest=h.layout_digest())
        for n, h in ((1, house), (2, day))
    )
    assert today.id != other.id
    store = Store.create(tmp_path / "store", SPECS, LABELS)
    run = FrameRange(other.id, "transfer", "transfer-a", 0, 6)
    store.write_part("transfer-a", arrays("transfer", 6, 1), [run], [other], "config", [{"seed": 1}])
    with pytest.raises(LeakError, match=re.escape(other.id)):
        TransferFrames(store, [today])
    assert len(TransferFrames(store, [space(3)])) == 6


def test_transfer_refuses_the_spaces_of_other_views(store):
    add_part(store, "transfer-b", "transfer", [(1, 5)], seed=8)
    for tests in ([PretrainFrames(store)], [EvalFrames(store)], [space(1)]):
        with pytest.raises(LeakError, match="house-1"):
            TransferFrames(store, tests)
    frames = TransferFrames(store, [EvalFrames(store)], spaces=["house-3", "house-4"])
    assert len(frames) == 39
    assert {s.id for s in frames.spaces} == {"house-3", "house-4"}


def test_transfer_must_be_told_the_test_spaces(store):
    with pytest.raises(ValueError, match="test spaces"):
        TransferFrames(store, [])
    without: Any = TransferFrames
    with pytest.raises(TypeError):
        without(store)


def test_transfer_checks_spaces_at_every_read(store):
    add_part(store, "transfer-b", "transfer", [(1, 21)], seed=8)
    frames = TransferFrames(store, TEST_SPACES, spaces=["house-3", "house-4"])
    frames._runs = (FrameRange("house-1", "transfer", "transfer-b", 0, 21), *frames._runs[1:])
    with pytest.raises(LeakError, match="house-1"):
        frames.read([0], ["semantic"])


def test_views_can_be_narrowed_to_spaces_that_are_there(store):
    frames = PretrainFrames(store, spaces=["house-2"])
    truth = np.concatenate([arrays("pretrain", 57, 1)["depth"][37:], arrays("pretrain", 30, 2)["depth"]])
    np.testing.assert_array_equal(frames.read(np.arange(50), ["depth"])["depth"], truth)
    assert list(frames.parts()) == ["pretrain-b"]  # of the other part it sees but a piece
    with pytest.raises(ValueError, match="house-3"):
        PretrainFrames(store, spaces=["house-3"])
    with pytest.raises(MissingModalityError, match="smell"):
        frames.read([0], ["smell"])


def test_a_role_without_frames_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="no frames of role 'eval'"):
        EvalFrames(Store.create(tmp_path / "s", SPECS, LABELS))


def test_no_view_spans_roles():
    views = [v for _, v in inspect.getmembers(access, inspect.isclass) if issubclass(v, Frames)]
    assert sorted(v.role for v in views if v is not Frames) == ["eval", "pretrain", *["transfer"] * 3]
    assert not hasattr(Frames, "role")
    assert not [name for view in views for name in ("__iter__", "__getitem__") if hasattr(view, name)]


def test_chunks_tile_the_view_along_the_stores_chunks(store):
    chunks = PretrainFrames(store).chunks()
    assert [c.first for c in chunks] == np.cumsum([0, *(c.count for c in chunks[:-1])]).tolist()
    assert [c.count for c in chunks] == [16, 16, 16, 9, 16, 14]
    # Narrowed to one space, its run starts within a chunk of the part, at frame 37.
    assert [c.count for c in PretrainFrames(store, spaces=["house-2"]).chunks()] == [11, 9, 16, 14]


def test_digest_tells_views_and_contents_apart(store, tmp_path):
    digest = PretrainFrames(store).digest()
    assert digest == PretrainFrames(build(tmp_path / "again")).digest()
    assert digest != EvalFrames(store).digest()
    assert digest != PretrainFrames(store, spaces=["house-1"]).digest()
    add_part(store, "pretrain-c", "pretrain", [(1, 5)], seed=5)
    assert digest != PretrainFrames(store).digest()


def test_views_pickle(store):
    frames = pickle.loads(pickle.dumps(TransferFrames(store, TEST_SPACES)))
    assert len(frames) == 39
    frames._runs = (FrameRange("house-1", "transfer", "eval-a", 0, 19), *frames._runs[1:])
    with pytest.raises(LeakError):
        frames.read([0], ["rgb"])


def test_the_least_distance_to_held_out_poses(store):
    seen = arrays("pretrain", 57, 1)["pose"][:37, :3, 3]  # of house 1, the only one that both have
    held = arrays("eval", 19, 4)["pose"][:, :3, 3]
    expected = np.linalg.norm(seen[:, None] - held[None], axis=-1).min()
    assert check_held_out(PretrainFrames(store), EvalFrames(store)) == pytest.approx(expected)
    assert check_held_out(TransferFrames(store, TEST_SPACES), EvalFrames(store)) == math.inf


def test_a_pose_seen_before_is_a_leak(store):
    values = arrays("eval", 5, seed=6)
    values["pose"][3] = arrays("pretrain", 57, 1)["pose"][20]
    store.write_part("eval-b", values, [FrameRange("house-1", "eval", "eval-b", 0, 5)], [space(1)], "c", [])
    with pytest.raises(LeakError, match="held-out pose"):
        check_held_out(PretrainFrames(store), EvalFrames(store))


def test_the_same_place_seen_in_another_direction_is_no_leak(store):
    values = arrays("eval", 5, seed=6)
    values["pose"][3] = arrays("pretrain", 57, 1)["pose"][20]
    values["pose"][3, :3, :3] = np.diag([-1.0, 1.0, -1.0])
    store.write_part("eval-b", values, [FrameRange("house-1", "eval", "eval-b", 0, 5)], [space(1)], "c", [])
    assert check_held_out(PretrainFrames(store), EvalFrames(store)) == 0.0
