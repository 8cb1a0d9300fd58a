"""Batches hold the frames that they name, and a resumed stream is the same stream."""

from itertools import islice, pairwise

import numpy as np
import pytest

from engine.store.access import EvalFrames, PretrainFrames
from engine.store.errors import DamagedPartError, LeakError
from engine.stream.stream import TicketReader

from .conftest import arrays


def _same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_batches_hold_the_frames_they_name(store):
    truth = {
        name: np.concatenate([arrays("pretrain", 57, 1)[name], arrays("pretrain", 30, 2)[name]])
        for name in ("rgb", "pose")
    }
    reader = TicketReader(PretrainFrames(store), ["rgb", "pose"], batch_size=10, seed=4)
    batches = list(reader.epoch(0))
    assert len(batches) == reader.batches_per_epoch == 9
    for batch in batches:
        assert len(batch["id"]) == 10
        for name, values in truth.items():
            np.testing.assert_array_equal(batch[name], values[batch["id"]])
    assert {i for b in batches for i in b["id"].tolist()} == set(range(87))


@pytest.mark.parametrize("start", [1, 8, 9, 10, 23])
def test_a_resumed_stream_is_the_same_stream(store, start):
    def reader():
        return TicketReader(PretrainFrames(store), ["depth"], batch_size=10, seed=4)

    whole = list(islice(reader().batches(), 27))  # three epochs
    resumed = list(islice(reader().batches(start_batch=start), 27 - start))
    for one, other in zip(whole[start:], resumed, strict=True):
        _same(one, other)


def test_an_epoch_can_be_entered_in_its_middle(store):
    reader = TicketReader(PretrainFrames(store), ["depth"], batch_size=4, seed=4)
    for one, other in zip(list(reader.epoch(3))[13:], reader.epoch(3, start_batch=13), strict=True):
        _same(one, other)


def test_threads_and_prefetch_change_nothing(store):
    frames = PretrainFrames(store)
    streams = [
        list(islice(TicketReader(frames, ["rgb"], 4, seed=1, threads=t, prefetch=p).batches(), 40))
        for t, p in ((1, 1), (4, 3))
    ]
    for one, other in zip(*streams, strict=True):
        _same(one, other)


def test_epochs_differ(store):
    reader = TicketReader(PretrainFrames(store), ["pose"], batch_size=29)
    epochs = [np.concatenate([b["id"] for b in reader.epoch(e)]) for e in range(4)]
    for one, other in pairwise(epochs):
        assert one.tolist() != other.tolist()


def test_evaluation_is_in_order_with_a_short_batch_last(store):
    batches = list(TicketReader(EvalFrames(store), ["semantic"], batch_size=8).evaluation())
    assert [len(b["id"]) for b in batches] == [8, 8, 3]
    assert np.concatenate([b["id"] for b in batches]).tolist() == list(range(19))
    np.testing.assert_array_equal(
        np.concatenate([b["semantic"] for b in batches]), arrays("eval", 19, 4)["semantic"]
    )


def test_the_guard_stands_in_the_stream(store):
    with pytest.raises(LeakError):
        TicketReader(PretrainFrames(store), ["rgb", "semantic"], 4)


def test_errors_of_threads_come_out(store):
    reader = TicketReader(PretrainFrames(store), ["rgb"], batch_size=4)
    shard = store.path / "parts" / "pretrain-b" / "rgb" / "c" / "0" / "0" / "0" / "0"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(DamagedPartError, match="pretrain-b"):
        list(reader.epoch(0))
