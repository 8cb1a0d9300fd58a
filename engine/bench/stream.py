"""Speed of reading a store: `tst bench stream STORE`, beside other loaders where installed.

    {"threads": plain threads that read the store's chunks and discard them,
     "stream": batches of `TicketReader`, shuffled,
     "torch ...", "webdataset ...", "litdata ...": the same frames through others, with worker processes}

All loaders run in turn for several rounds, and the median is reported, since other work on the machine
varies. Other loaders read copies of the frames in their own format, in a temporary folder.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from jaxtyping import Int64

from engine.bench.peers import PEERS
from engine.store.access import PretrainFrames
from engine.stream.stream import TicketReader

_BLOCK = 512  # frames that a plain thread reads at a time, as many as a ticket has


def bench_stream(
    store: Path,
    modalities: tuple[str, ...],
    *,
    batch: int = 64,
    workers: int = 2,
    rounds: int = 3,
    epochs: int = 10,
    peers: bool = True,
) -> dict[str, Any]:
    """Frames a second of an epoch of the store's pre-training frames, each way; see the module.

    `workers`: threads of ours, processes of the others. `ratio` is the stream's rate by that of plain
    threads, round by round, the median. `rss_mb`: memory of this process after each of `epochs` epochs of
    the stream. Raises ValueError, MissingModalityError, LeakError.
    """
    frames = PretrainFrames(store)
    reader = TicketReader(frames, modalities, batch, threads=workers)
    ways: dict[str, Callable[[int], Iterator[int]]] = {
        "threads": lambda epoch: _plain(frames, modalities, workers, epoch),
        "stream": lambda epoch: (len(b["id"]) for b in reader.epoch(epoch)),
    }
    absent: dict[str, str] = {}
    with TemporaryDirectory(prefix="tst-bench-") as folder:
        for name, make in PEERS.items() if peers else ():
            try:
                ways[name] = make(frames, modalities, batch, workers, Path(folder))
            except ImportError as error:
                absent[name] = f"not installed ({error.name})"
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(rounds):
            for name, way in ways.items():
                rates[name].append(_rate(way(number)))
    ratio = statistics.median(a / b for a, b in zip(rates["stream"], rates["threads"], strict=True))
    return {
        "frames": len(frames),
        "modalities": list(modalities),
        "frame_bytes": _frame_bytes(frames, modalities),
        "batch": batch,
        "workers": workers,
        "rounds": rounds,
        "frames_per_s": {name: round(statistics.median(r)) for name, r in rates.items()},
        "all_rounds": {name: [round(x) for x in r] for name, r in rates.items()},
        "ratio": round(ratio, 3),
        "absent": absent,
        "rss_mb": [round(m, 1) for m in memory_by_epoch(reader, epochs)],
    }


def memory_by_epoch(reader: TicketReader, epochs: int) -> Iterator[float]:
    """Resident memory of this process [MB] after each epoch of a stream."""
    for epoch in range(epochs):
        for _ in reader.epoch(epoch):
            pass
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        yield pages * 4096 / 1e6


def _rate(counts: Iterator[int]) -> float:
    """Frames a second from the first batch on, which pays for starting up."""
    next(counts)
    start, frames = time.perf_counter(), 0
    for count in counts:
        frames += count
    return frames / (time.perf_counter() - start)


def _plain(frames: PretrainFrames, modalities: tuple[str, ...], threads: int, epoch: int) -> Iterator[int]:
    """Whole chunks in shuffled order, as many at a time as a ticket has, read and dropped."""
    chunks = frames.chunks()
    line = np.random.default_rng(epoch).permutation(len(chunks))
    block = min(_BLOCK, len(frames) // 8)  # of a small store too, there is more than the first one
    per_block = max(1, block // max(c.count for c in chunks))

    def read(block: Int64[np.ndarray, " n"]) -> int:
        ids = np.concatenate([np.arange(c.first, c.first + c.count) for c in (chunks[i] for i in block)])
        frames.read(ids, modalities)
        return len(ids)

    with ThreadPoolExecutor(threads) as pool:
        yield from pool.map(read, [line[i : i + per_block] for i in range(0, len(line), per_block)])


def _frame_bytes(frames: PretrainFrames, modalities: tuple[str, ...]) -> int:
    return sum(v.nbytes for v in frames.read([0], modalities).values())
