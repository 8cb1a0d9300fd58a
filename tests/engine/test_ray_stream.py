"""Tickets through Ray Data give the batches of the local stream, byte for byte."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import ray.train
from ray.train.torch import TorchTrainer

from engine.cluster import ray_session
from engine.store.access import PretrainFrames
from engine.stream.order import Order
from engine.stream.ray_stream import shard_tickets, ticket_data_config, ticket_dataset
from engine.stream.stream import TicketReader

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster():
    with ray_session(2):
        yield


def _reader(store):
    return TicketReader(PretrainFrames(store), ["rgb", "depth"], 5, seed=7)


def _check_same(ones, others):
    for one, other in zip(ones, others, strict=True):
        for name in ("id", "rgb", "depth"):
            np.testing.assert_array_equal(one[name], other[name])


def _stacked(batches):
    batches = list(batches)
    return {name: np.stack([b[name] for b in batches]) for name in batches[0]}


@pytest.mark.parametrize(("start", "stop"), [(0, 40), (23, 31)])
def test_the_dataset_gives_the_same_batches(cluster, store, start, stop):
    reader = _reader(store)
    dataset = ticket_dataset(reader.order, stop, start_batch=start)
    batches = reader.decode(shard_tickets(dataset, [0]))
    _check_same(batches, islice(_reader(store).batches(start), stop - start))


def test_two_ranks_see_each_frame_once(cluster, store):
    reader = _reader(store)
    order = Order.of(reader.frames, 5, 7, 2)
    dataset = ticket_dataset(order, order.batches_per_epoch)
    seen = []
    for rank in range(2):
        batches = list(reader.decode(shard_tickets(dataset, [rank])))
        local = reader.decode(replace(order, rank=rank).from_batch(0))
        _check_same(batches, islice(local, order.batches_per_epoch))
        seen += [i for b in batches for i in b["id"].tolist()]
    assert set(seen) == set(range(87))
    assert len(seen) - 87 < 2 * 5


def test_every_worker_is_given_all_tickets(cluster, store):
    """As Ray Train asks the configuration of data for what each of two workers iterates over."""
    reader = _reader(store)
    dataset = ticket_dataset(reader.order, 25)
    shards = ticket_data_config().configure({"tickets": dataset}, 2, None, None)
    for shard in shards:
        batches = reader.decode(shard_tickets(shard["tickets"], [0]))
        _check_same(batches, islice(_reader(store).batches(), 25))


@pytest.mark.slow
def test_a_ray_train_worker_gets_them_too(cluster, store, tmp_path):
    def loop(config):
        tickets = shard_tickets(ray.train.get_dataset_shard("tickets"), [0])
        np.savez(config["out"], **_stacked(_reader(config["store"]).decode(tickets)))

    reader = _reader(store)
    TorchTrainer(
        loop,
        train_loop_config={"store": store.path, "out": tmp_path / "seen.npz"},
        datasets={"tickets": ticket_dataset(reader.order, 25)},
        dataset_config=ticket_data_config(),
        scaling_config=ray.train.ScalingConfig(num_workers=1),
        run_config=ray.train.RunConfig(name="tickets", storage_path=str(tmp_path)),
    ).fit()
    with np.load(tmp_path / "seen.npz") as seen:
        for name, values in _stacked(islice(reader.batches(), 25)).items():
            np.testing.assert_array_equal(seen[name], values)
