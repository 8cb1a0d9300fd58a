"""`tst bench stream` and `tst bench collect`: figures as JSON."""

import json
from pathlib import Path

import tyro
from pydantic import Field

from agents.modalities import SENSORY
from engine.bench.collect import bench_collect
from engine.bench.stream import bench_stream
from scenes.config import Config


class BenchStreamConfig(Config):
    """Which store to read, and how."""

    store: tyro.conf.Positional[Path]
    """The store; its pre-training frames are read."""
    modalities: tuple[str, ...] = SENSORY
    """What to read of a frame."""
    batch: int = Field(64, ge=1)
    """Frames in a batch."""
    workers: int = Field(2, ge=1)
    """Threads of ours, processes of the others."""
    rounds: int = Field(3, ge=1)
    """Times that everything is run; the median counts."""
    epochs: int = Field(10, ge=1)
    """Epochs over which memory is watched."""
    peers: bool = True
    """Also torch's DataLoader, WebDataset and LitData, those that are installed."""


class BenchCollectConfig(Config):
    """Which houses to collect, and what to project to."""

    houses: tyro.conf.Positional[list[Path]]
    """House files, or folders of them."""
    frames: int = Field(50, ge=1)
    """Frames of every house."""
    size: int = Field(64, ge=16)
    """Height and width of a frame [pixels]."""
    actors: int = Field(2, ge=0)
    """Ray actors; 0 collects in this process."""
    device: str = "auto"
    """Warp device of every actor."""
    rounds: int = Field(3, ge=1)
    """Times that the frames are written, by the store and by its peers."""
    to_houses: int = Field(3000, ge=1)
    """Houses of the collection that is projected."""
    to_frames: int = Field(160_000, ge=1)
    """Frames of each of its houses."""
    dollars_per_core_hour: float = Field(0.05, ge=0)
    """What a core costs."""
    peers: bool = True
    """Also write the frames as WebDataset and LitData do, those that are installed."""


def stream(config: BenchStreamConfig) -> None:
    """Frames a second out of a store."""
    result = bench_stream(
        config.store,
        config.modalities,
        batch=config.batch,
        workers=config.workers,
        rounds=config.rounds,
        epochs=config.epochs,
        peers=config.peers,
    )
    print(json.dumps(result, indent=1))


def collect(config: BenchCollectConfig) -> None:
    """Frames a second into a store."""
    print(json.dumps(bench_collect(**config.model_dump()), indent=1))
