"""The benchmarks run, compare what is installed, and say what is not."""

import json

from engine.bench.commands import BenchCollectConfig, BenchStreamConfig, collect, stream
from engine.bench.peers import PEERS
from engine.bench.stream import memory_by_epoch
from engine.store.access import PretrainFrames
from engine.stream.stream import TicketReader

from .bare_rooms import write_houses


def test_stream_without_peers(store, capsys):
    stream(
        BenchStreamConfig(
            store=store.path, modalities=("rgb", "depth"), batch=8, rounds=2, epochs=2, peers=False
        )
    )
    found = json.loads(capsys.readouterr().out)
    assert set(found["frames_per_s"]) == {"threads", "stream"}
    assert found["frames"] == 87
    assert found["ratio"] > 0
    assert len(found["rss_mb"]) == 2


def test_collect_projects_from_its_rates(tmp_path, capsys):
    houses = write_houses(tmp_path / "houses", 2)
    collect(
        BenchCollectConfig(
            houses=[houses], frames=8, size=16, actors=0, device="cpu", rounds=1, to_houses=10, to_frames=2048
        )
    )
    found = json.loads(capsys.readouterr().out)
    assert found["collect"]["frames"] == 16
    assert found["write"]["store"] > 0
    assert found["projection"]["files"] == 10 * found["collect"]["files"]
    assert set(found["absent"]) <= {"WebDataset, PNG", "WebDataset, npy", "LitData"}


def test_every_peer_gives_every_frame_once(store, tmp_path):
    """In this process, without workers: that what is compared is the same work."""
    frames = PretrainFrames(store)
    for name, make in PEERS.items():
        folder = tmp_path / name.replace(" ", "-")
        folder.mkdir()
        try:
            way = make(frames, ("rgb", "depth"), 8, 0, folder)
        except ImportError:
            continue
        assert sum(way(0)) == 87, name


def test_memory_is_flat_over_many_epochs(store):
    """So many that keeping what was read would take several times what is allowed."""
    reader, epochs, allowed = TicketReader(PretrainFrames(store), ["rgb", "depth"], 8), 400, 8  # MB
    frame = 12 * 12 * (3 + 2)  # bytes of rgb and depth
    assert epochs * len(PretrainFrames(store)) * frame > 2 * allowed * 1e6
    after = list(memory_by_epoch(reader, epochs))
    assert after[-1] - after[20] < allowed
