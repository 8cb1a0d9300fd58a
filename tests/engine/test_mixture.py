"""Views in proportion, each behind its own guard; batches that hash the same, resumed or not."""

import hashlib
import pickle
from itertools import islice

import numpy as np
import pytest

from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from engine.stream.mixture import MixedFrames
from engine.stream.stream import TicketReader

from .conftest import arrays, space

TEST_SPACES = [space(1), space(2)]


@pytest.fixture
def mixed(store):
    """Test-space frames with a fifth of transfer frames mixed in."""
    return MixedFrames([PretrainFrames(store), TransferFrames(store, TEST_SPACES)], [4, 1])


def _digest(batch):
    digest = hashlib.sha256()
    for name in sorted(batch):
        digest.update(name.encode() + batch[name].tobytes())
    return digest.hexdigest()


def test_frames_of_both_views_in_the_order_of_ids(mixed):
    truth = np.concatenate(
        [arrays("pretrain", 57, 1)["rgb"], arrays("pretrain", 30, 2)["rgb"], arrays("transfer", 39, 3)["rgb"]]
    )
    ids = np.array([125, 0, 87, 86, 3, 3, 100])
    np.testing.assert_array_equal(mixed.read(ids, ["rgb"])["rgb"], truth[ids])
    assert mixed.view_of(ids).tolist() == [1, 0, 1, 0, 0, 0, 1]
    assert len(mixed) == 126
    assert {s.id for s in mixed.spaces} == {"house-1", "house-2", "house-3", "house-4"}
    assert mixed.modalities == ("rgb", "depth", "edges", "pose", "intrinsics")
    with pytest.raises(IndexError, match="0 to 125"):
        mixed.read([126], ["rgb"])


def test_an_epoch_has_each_views_share(mixed):
    reader = TicketReader(mixed, ["pose"], 10, seed=3)
    for epoch in range(3):
        ids = np.concatenate([b["id"] for b in reader.epoch(epoch)])
        assert len(ids) == 130  # 126 frames, and what fills the last batch
        assert abs((mixed.view_of(ids) == 1).sum() - 0.2 * 126) <= 16 + 4  # a chunk, and what fills the batch


def test_weights_per_space_are_views_per_space(store):
    spaces = [PretrainFrames(store, [name]) for name in ("house-1", "house-2")]
    mixed = MixedFrames(spaces, [1, 9])
    reader = TicketReader(mixed, ["pose"], 10)
    ids = np.concatenate([b["id"] for epoch in range(25) for b in reader.epoch(epoch)])
    assert abs((mixed.view_of(ids) == 0).mean() - 0.1) <= 0.02


def test_each_view_keeps_its_guard(store, mixed):
    with pytest.raises(LeakError, match="semantic"):
        TicketReader(mixed, ["rgb", "semantic"], 4)
    with pytest.raises(LeakError, match="semantic"):
        mixed.read([125], ["semantic"])  # of the view that has labels: the other one is asked all the same
    with pytest.raises(LeakError, match="evaluation"):
        MixedFrames([PretrainFrames(store), EvalFrames(store)], [1, 1])
    for ratios in ([1], [1, 0]):
        with pytest.raises(ValueError, match="ratio"):
            MixedFrames(mixed.views, ratios)


def test_a_view_that_hides_sensors_gives_zeros_and_is_not_asked(store):
    views = [PretrainFrames(store), TransferFrames(store, TEST_SPACES)]
    mixed = MixedFrames(views, [4, 1], [None, ("rgb",)])
    read = mixed.read([3, 125], ["rgb", "depth", "pose"])
    own = views[1].read([len(views[1]) - 1], ["rgb", "depth", "pose"])
    assert own["depth"].any()
    assert not read["depth"][1].any()
    np.testing.assert_array_equal(read["depth"][0], views[0].read([3], ["depth"])["depth"][0])
    for name in ("rgb", "pose"):  # where a camera stands is not hidden
        np.testing.assert_array_equal(read[name][1], own[name][0])
    assert mixed.modalities == ("rgb", "pose", "intrinsics")
    assert mixed.showing("depth") == (views[0],)
    assert mixed.digest() != MixedFrames(views, [4, 1]).digest()
    with pytest.raises(LeakError, match="semantic"):  # a label is not hidden but refused
        mixed.read([125], ["semantic"])
    with pytest.raises(ValueError, match="no view of the mixture shows 'depth'"):
        MixedFrames(views, [4, 1], [("rgb",), ("rgb",)]).read([0], ["depth"])
    with pytest.raises(ValueError, match="2 views, 1 given"):
        MixedFrames(views, [4, 1], [None])


def test_mixtures_pickle_and_have_digests(mixed):
    again = pickle.loads(pickle.dumps(mixed))
    assert again.digest() == mixed.digest() != MixedFrames(mixed.views, [1, 1]).digest()


@pytest.mark.parametrize("stop", [0, 5, 13, 20])
def test_batches_hash_the_same_resumed_or_not(store, mixed, stop):
    for frames in (PretrainFrames(store), mixed):

        def read(start, frames=frames):
            reader = TicketReader(frames, ["rgb", "depth", "pose"], 10, seed=4)
            return [_digest(b) for b in islice(reader.batches(start), 30 - start)]

        whole = read(0)
        assert len(set(whole)) == 30
        assert read(stop) == whole[stop:]
