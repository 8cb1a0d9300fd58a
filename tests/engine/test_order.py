"""The order of batches: a function of its arguments, each frame once an epoch, weights as shares of it."""

import hashlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from engine.stream.order import Order

# Odd lengths throughout: chunks of many sizes, batches that do not divide them.
SIZES = (16, 16, 3, 16, 9, 16, 16, 1, 14, 16, 7)


def _ids(sizes, tickets):
    """Ids of tickets, from the sizes of chunks alone, as a reader finds them."""
    starts = np.cumsum([0, *sizes])
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
    seen = [_ids(SIZES, o.tickets(epoch=2)) for o in orders]
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
        return hashlib.sha256(_ids(SIZES, order.tickets(epoch)).tobytes()).hexdigest()

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
    assert _ids((4, 4, 3), order.tickets(0)).tolist() == [9, 0, 10, 6, 7, 4, 5, 8, 8, 3, 1, 2]


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
    seen = [_ids(SIZES, o.evaluation()) for o in orders]
    assert sorted(np.concatenate(seen).tolist()) == list(range(sum(SIZES)))
    for ids in seen:
        assert (np.diff(ids) > 0).all()


def test_weights_are_shares_of_an_epoch():
    sizes = (16,) * 60
    weights = (3.0,) * 6 + (0.5,) * 50 + (0.0,) * 4
    order = Order(sizes, 10, 1, weights=weights)
    frames = order.frames_per_epoch
    shares = np.asarray(weights) / sum(weights)
    for epoch in range(5):
        got = np.bincount(_ids(sizes, order.tickets(epoch)) // 16, minlength=60)
        assert abs(got[:6].sum() - frames * shares[:6].sum()) <= 32
        assert got[56:].sum() == 0
    assert order.tickets(0) == replace(order).tickets(0) != order.tickets(1)


def test_a_small_source_is_sampled_again():
    order = Order((16,) * 11, 16, 1, weights=(100.0,) + (1.0,) * 10)
    chunks = Counter(c for t in order.tickets(0) for c in t.chunks)
    assert chunks[0] >= 9


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"rank": 2, "world_size": 2},
        {"weights": (0.0,) * len(SIZES)},
        {"weights": (-1.0,) * len(SIZES)},
    ],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Order(SIZES, **{"batch_size": 4, **wrong})
