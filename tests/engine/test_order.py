"""Epoch sizes, weights, and an order that goes on with another number of workers."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from engine.stream.order import Order, Position

SIZES = (16, 16, 3, 16, 9, 16, 16, 1, 14, 16, 7)
TOTAL = sum(SIZES)
STARTS = np.cumsum([0, *SIZES])


def _ids(ticket):
    spans = [np.arange(STARTS[c], STARTS[c + 1]) for c in ticket.chunks]
    ids = np.concatenate(spans)[ticket.skip : ticket.skip + ticket.count]
    assert len(ids) == ticket.count
    return np.random.default_rng(ticket.shuffle).permutation(ids)


def _batches(order, first, last):
    """Ids of this rank's batches `first` to `last`."""
    found = []
    for ticket, wanted in order.from_batch(first):
        ids = _ids(ticket).reshape(-1, order.batch_size)
        found += list(ids[wanted.start : wanted.stop])
        if len(found) >= last - first:
            return found[: last - first]
    raise AssertionError


def _epoch(order, epoch):
    return np.concatenate([_ids(t) for t in order.tickets(epoch)])


@pytest.mark.parametrize("epoch_size", [1, 40, TOTAL, 200, 1000])
@pytest.mark.parametrize("world_size", [1, 3])
def test_an_epoch_has_the_size_asked_for(epoch_size, world_size):
    orders = [Order(SIZES, 8, 5, world_size, rank, 32, epoch_size=epoch_size) for rank in range(world_size)]
    per_epoch = orders[0].batches_per_epoch
    assert per_epoch == -(-epoch_size // (8 * world_size))
    for epoch in range(4):
        seen = [_epoch(o, epoch) for o in orders]
        assert {len(s) for s in seen} == {per_epoch * 8}  # no short batch, no rank with fewer


def test_short_epochs_give_every_frame_its_turn():
    """Epochs of 40 frames out of 130 that fill up no batch: thirteen epochs are four passes."""
    order = Order(SIZES, 8, 5, epoch_size=40)
    seen = Counter(np.concatenate([_epoch(order, e) for e in range(13)]).tolist())
    assert len(seen) == TOTAL
    assert set(seen.values()) == {4}


def test_long_epochs_repeat_every_frame_as_often():
    order = Order(SIZES, 10, 5, epoch_size=3 * TOTAL)
    assert set(Counter(_epoch(order, 1).tolist()).values()) == {3}


def test_an_epoch_of_all_frames_is_the_order_without_an_epoch_size():
    for epoch in (0, 3):
        plain, sized = Order(SIZES, 8, 5), Order(SIZES, 8, 5, epoch_size=TOTAL)
        assert plain.tickets(epoch) == sized.tickets(epoch)


@pytest.mark.parametrize("epoch_size", [None, 300])
def test_weights_are_shares_of_an_epoch(epoch_size):
    sizes = (16,) * 60
    weights = (3.0,) * 6 + (0.5,) * 50 + (0.0,) * 4
    starts = np.cumsum([0, *sizes])
    order = Order(sizes, 10, 1, weights=weights, epoch_size=epoch_size)
    frames = order.frames_per_epoch
    shares = np.asarray(weights) / sum(weights)
    for epoch in range(5):
        tickets = order.tickets(epoch)
        laid = np.concatenate(
            [
                np.concatenate([np.arange(starts[c], starts[c + 1]) for c in t.chunks])[
                    t.skip : t.skip + t.count
                ]
                for t in tickets
            ]
        )
        got = np.bincount(laid // 16, minlength=60)
        assert abs(got[:6].sum() - frames * shares[:6].sum()) <= 32
        assert got[56:].sum() == 0
    assert order.tickets(0) == replace(order).tickets(0) != order.tickets(1)


def test_a_small_source_is_sampled_again():
    order = Order((16,) * 11, 16, 1, weights=(100.0,) + (1.0,) * 10)
    chunks = Counter(c for t in order.tickets(0) for c in t.chunks)
    assert chunks[0] >= 9


def test_tiny_epochs_of_weighted_chunks_still_have_frames():
    order = Order((16,) * 50, 2, 1, weights=(1.0,) * 50, epoch_size=2)
    assert {len(np.concatenate([np.arange(t.count) for t in order.tickets(e)])) for e in range(30)} == {2}


@pytest.mark.parametrize("weights", [None, tuple(1.0 + (i % 3) for i in range(len(SIZES)))])
@pytest.mark.parametrize(("before", "after"), [(1, 2), (2, 1), (2, 3), (3, 2), (2, 2)])
@pytest.mark.parametrize("stop", [0, 2, 4, 5])
def test_the_rest_of_an_epoch_with_another_number_of_workers(before, after, stop, weights):
    """What was seen before the stop and after it is each frame of the epoch's line once."""
    old = Order(SIZES, 4, 7, before, 0, ticket_frames=8, weights=weights)
    stop = min(stop, old.batches_per_epoch - 1)
    position = old.position(stop)
    done = stop - stop % 2  # two batches to a ticket: one of a ticket that was not finished comes again
    assert position == Position(0, done * 4 * before)
    seen = [np.concatenate(_batches(replace(old, rank=r), 0, done) or [[]]) for r in range(before)]
    new = replace(old, world_size=after, start=position)
    rest = [_epoch(replace(new, rank=r), 0) for r in range(after)]
    assert len({len(r) for r in rest}) == 1
    line, at = old._line(0)
    laid = np.concatenate([np.arange(STARTS[c], STARTS[c + 1]) for c in line])[at:]
    got = Counter(np.concatenate([*seen, *rest]).astype(int).tolist())
    extra = got - Counter(np.resize(laid, TOTAL).tolist())
    assert not Counter(np.resize(laid, TOTAL).tolist()) - got
    assert extra.total() < after * 4  # the last batch is filled up
    # The epoch after it is whole.
    per_epoch = replace(new, start=Position(0, 0)).batches_per_epoch
    whole = _epoch(replace(new, start=Position(0, 0)), 1)
    first = new._batches_from(position.frame)
    np.testing.assert_array_equal(np.concatenate(_batches(new, first, first + per_epoch)), whole)


def test_a_position_counts_from_where_the_order_began():
    order = Order(SIZES, 4, 7, 2, ticket_frames=8)
    start = order.position(order.batches_per_epoch * 2 + 4)
    assert start == Position(2, 4 * 4 * 2)
    again = replace(order, start=start)
    assert again.position(0) == start
    for one, other in zip(islice(again.from_batch(0), 40), islice(again.from_batch(2), 1, 40), strict=False):
        assert one[0].epoch <= other[0].epoch
    assert again.position(again._batches_from(start.frame)) == Position(3, 0)


@pytest.mark.parametrize(
    "wrong",
    [{"epoch_size": 0}, {"weights": (0.0,) * 11}, {"weights": (-1.0,) * 11}, {"start": Position(0, TOTAL)}],
)
def test_wrong_arguments_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        Order(SIZES, 4, **wrong)
