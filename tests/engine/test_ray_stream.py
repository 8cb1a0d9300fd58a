"""Tickets through Ray Data give the batches of the local stream, byte for byte."""

from itertools import islice

import numpy as np
import pytest
import ray.train
from ray.train.torch import TorchTrainer

from engine.cluster import ray_session
from engine.store.access import PretrainFrames
from engine.stream.ray_stream import shard_batches, ticket_data_config, ticket_dataset
from engine.stream.stream import Order, TicketReader

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def cluster():
    with ray_session(2):
        yield


def _reader(store, world_size=1, rank=0):
    frames = PretrainFrames(store)
    return TicketReader(frames, ["rgb", "depth"], 5, seed=7, world_size=world_size, rank=rank)


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
    _check_same(shard_batches(dataset, reader), islice(_reader(store).batches(start), stop - start))


def test_two_ranks_see_each_frame_once(cluster, store):
    readers = [_reader(store, 2, rank) for rank in range(2)]
    per_epoch = readers[0].batches_per_epoch
    dataset = ticket_dataset(Order.of(readers[0].frames, 5, 7, 2), per_epoch)
    seen = []
    for rank, reader in enumerate(readers):
        batches = list(shard_batches(dataset, reader))
        _check_same(batches, islice(_reader(store, 2, rank).batches(), per_epoch))
        seen += [i for b in batches for i in b["id"].tolist()]
    assert set(seen) == set(range(87))
    assert len(seen) - 87 < 2 * 5


def test_a_ray_train_worker_gets_them_too(cluster, store, tmp_path):
    def loop(config):
        reader = _reader(config["store"])
        batches = shard_batches(ray.train.get_dataset_shard("tickets"), reader)
        np.savez(config["out"], **_stacked(batches))

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
