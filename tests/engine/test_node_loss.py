"""A machine goes away while one collects or trains, as spot machines do: all goes on, nothing is missing."""

import json
import os
import threading
import time

import numpy as np
import pytest
import ray
from ray.cluster_utils import Cluster

from engine.collect import actors
from engine.collect.collect import CollectConfig, collect
from engine.store.store import Store
from tests.training.conftest import TINY_PRETRAIN
from tests.training.tiny_world import make_store
from training.pretrain.launch import PROGRESS, Source, launch_pretrain

from .bare_rooms import write_houses
from .conftest import by_frame

pytestmark = [pytest.mark.ray, pytest.mark.slow]


@pytest.fixture
def two_nodes(monkeypatch):
    """A head without room for work, and two machines of one CPU each."""
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    room = {"object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, **room})
    nodes = [cluster.add_node(num_cpus=1, resources={"collector": 1}, **room) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster, nodes
    ray.shutdown()
    cluster.shutdown()


def test_a_lost_machine_is_nobodys_fault(two_nodes, tmp_path, monkeypatch):
    cluster, nodes = two_nodes
    houses = write_houses(tmp_path / "houses", 8)
    request = {"houses": [houses], "role": "eval", "frames": 12, "size": 16, "frames_per_part": 8}
    request |= {"device": "cpu", "node_resource": "collector"}
    pool, lost, kept, blamed = [], [], actors.make_parts, []

    class Watched(actors._Worker):
        def __init__(self, *args):
            super().__init__(*args)
            pool.append(self)

    def make_parts(tasks, recipe, count, claims, ledger):
        ended = ledger.ended

        def lose_one(task, result):
            blamed.extend([result.error] if result.error else [])
            busy = {w.node for w in pool if w.in_flight}
            if not lost and len(busy) == 2:
                lost.append(nodes[0])
                cluster.remove_node(nodes[0], allow_graceful=False)
            return ended(task, result)

        ledger.ended = lose_one
        kept(tasks, recipe, count, claims, ledger)

    monkeypatch.setattr(actors, "_Worker", Watched)
    monkeypatch.setattr(actors, "make_parts", make_parts)
    report = collect(CollectConfig.model_validate(request | {"store": tmp_path / "store", "actors": 2}))
    assert lost
    assert report.frames == 96
    assert not [e for e in blamed if "lost" in e], blamed
    store = Store.open(tmp_path / "store")
    assert store.verify() == []
    collect(CollectConfig.model_validate(request | {"store": tmp_path / "peace", "actors": 0}))
    assert by_frame(store) == by_frame(Store.open(tmp_path / "peace"))
    assert os.environ.get("RAY_ADDRESS") is None


# Ray warns of settings that it reads itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
def test_a_training_goes_on_with_the_machines_that_are_left(two_nodes, tmp_path):
    """Two workers, a machine each; one machine is lost at a step that nobody chose. One worker goes on at the
    last checkpoint, with the losses of a run that nobody disturbed."""
    cluster, nodes = two_nodes
    store = make_store(tmp_path / "store").path
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 6400, "checkpoint_every": 10})
    lost = []

    def lose_one():
        progress = tmp_path / "out" / PROGRESS
        while not lost:
            time.sleep(0.2)
            if progress.exists() and json.loads(progress.read_text())["step"] > 40:
                cluster.remove_node(nodes[0], allow_graceful=False)
                lost.append(nodes[0])

    watcher = threading.Thread(target=lose_one, daemon=True)
    watcher.start()
    sources = [Source(store=store)]
    metrics = launch_pretrain(config, sources, {}, tmp_path / "out", workers=2, min_workers=1, retries=3)
    assert lost
    assert metrics["workers"] == 1
    alone = launch_pretrain(config, sources, {}, tmp_path / "alone", use_ray=False)
    np.testing.assert_allclose(metrics["curve"], alone["curve"], atol=1e-3)
