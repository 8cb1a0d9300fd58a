"""The order of batches is a pure function of its arguments, and a resumed stream is the same stream."""

import hashlib
from collections import Counter
from itertools import islice, pairwise

import numpy as np
import pytest

from engine.store.access import EvalFrames, PretrainFrames
from engine.store.errors import DamagedPartError, LeakError
from engine.stream.stream import Order, TicketReader

from .conftest import arrays

# Odd lengths throughout: chunks of many sizes, batches that do not divide them.
SIZES = (16, 16, 3, 16, 9, 16, 16, 1, 14, 16, 7)


def _ids(order, tickets):
    """Ids of tickets, from the sizes alone, as a reader finds them."""
    starts = np.cumsum([0, *SIZES])
    out = []
    for t in tickets:
        ids = np.concatenate([np.arange(starts[c], starts[c + 1]) for c in t.chunks])[
            t.skip : t.skip + t.count
        ]
        assert len(ids) == t.count
        out.append(ids if t.shuffle is None else np.random.default_rng(t.shuffle).permutation(ids))
    return np.concatenate(out) if out else np.empty(0, int)


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 8, 64, 200])
@pytest.mark.parametrize("ticket_frames", [16, 40, 512])
def test_an_epoch_is_each_frame_once_and_full_batches(world_size, batch_size, ticket_frames):
    total = sum(SIZES)
    orders = [Order(SIZES, batch_size, 5, world_size, rank, ticket_frames) for rank in range(world_size)]
    seen = [_ids(o, o.tickets(epoch=2)) for o in orders]
    assert {len(s) for s in seen} == {orders[0].batches_per_epoch * batch_size}  # every rank the same
    counts = Counter(np.concatenate(seen).tolist())
    assert set(counts) == set(range(total))
    wrapped = sum(map(len, seen)) - total
    assert 0 <= wrapped < world_size * batch_size
    # What is given again is given as evenly as can be.
    assert sum(counts.values()) - len(counts) == wrapped
    assert max(counts.values()) <= 1 + -(-wrapped // total)


def test_the_order_depends_on_its_arguments_and_nothing_else():
    def digest(**changes):
        arguments = {"seed": 1, "world_size": 2, "rank": 0, "batch_size": 8, "epoch": 0} | changes
        epoch = arguments.pop("epoch")
        order = Order(SIZES, **arguments)
        return hashlib.sha256(_ids(order, order.tickets(epoch)).tobytes()).hexdigest()

    same = digest()
    np.random.seed(0)  # what is global must not matter
    np.random.random(3)
    assert digest() == same
    changed = {
        digest(**c) for c in ({"seed": 2}, {"epoch": 1}, {"world_size": 3}, {"rank": 1}, {"batch_size": 7})
    }
    assert same not in changed
    assert len(changed) == 5


def test_the_order_is_written_down():
    """Recorded once: a run stopped under an older version of this code must resume in the same order."""
    order = Order((4, 4, 3), batch_size=4, seed=3, ticket_frames=8)
    starts = np.cumsum([0, 4, 4, 3])
    found = []
    for t in order.tickets(0):
        ids = np.concatenate([np.arange(starts[c], starts[c + 1]) for c in t.chunks])[
            t.skip : t.skip + t.count
        ]
        found += np.random.default_rng(t.shuffle).permutation(ids).tolist()
    assert found == [9, 0, 10, 6, 7, 4, 5, 8, 8, 3, 1, 2]


def test_a_ticket_mixes_chunks():
    sizes = (16,) * 200
    order = Order(sizes, batch_size=64, seed=0)
    first = order.tickets(0)[0]
    assert len(first.chunks) == 32
    assert np.abs(np.diff(first.chunks)).mean() > 30  # far apart in the store; neighbours would give 1
    starts = np.cumsum([0, *sizes])
    ids = np.concatenate([np.arange(starts[c], starts[c + 1]) for c in first.chunks])
    batch = np.random.default_rng(first.shuffle).permutation(ids)[:64]
    assert len({i // 16 for i in batch.tolist()}) > 20


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [7, 64])
def test_evaluation_drops_nothing_and_repeats_nothing(world_size, batch_size):
    orders = [Order(SIZES, batch_size, 0, world_size, rank, 64) for rank in range(world_size)]
    seen = [_ids(o, o.evaluation()) for o in orders]
    assert sorted(np.concatenate(seen).tolist()) == list(range(sum(SIZES)))
    for ids in seen:
        assert (np.diff(ids) > 0).all()


def test_wrong_arguments_are_refused():
    for wrong in ({"batch_size": 0}, {"batch_size": 4, "rank": 2, "world_size": 2}):
        with pytest.raises(ValueError, match="at least 1"):
            Order(SIZES, **wrong)


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
