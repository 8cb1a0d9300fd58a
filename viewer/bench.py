"""`tst bench view`: how soon the viewer answers about a large store.

    tst bench view --frames 100000

It writes such a store into a temporary folder (parts of 2,048 frames of noise, one space), serves it, and
asks what the page asks, in its order.
"""

import http.client
import json
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from pydantic import Field

from engine.store.schema import FrameRange, ModalitySpec, Space
from engine.store.store import Store
from scenes.config import Config
from viewer.opened import Opened
from viewer.server import Server


class BenchConfig(Config):
    """What store is made."""

    frames: int = Field(default=100_000, ge=1)
    """Frames of the store."""
    size: int = Field(default=32, ge=8)
    """Height and width of a frame [pixels]."""


def bench_view(config: BenchConfig) -> None:
    """Print seconds by the clock and of the processor for each answer, and its bytes, as JSON."""
    with tempfile.TemporaryDirectory(prefix="tst-view-") as folder:
        path = _make_store(Path(folder) / "store", config)
        began, cpu = time.perf_counter(), time.process_time()
        server = Server(Opened([str(path)]), "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        facts = {"frames": config.frames, "size": config.size, "start": _spent(began, cpu)}
        (id,) = server.opened.found.stores
        for name, request in {
            "page": "",
            "summary": "api/summary",
            "store": f"api/store?store={id}",
            "thumbnails": f"api/thumbnails?store={id}&part=p-00000&modality=rgb&chunk=3&size=96",
            "poses": f"api/poses?store={id}&space=home",
            "find": f"api/find?store={id}&class=200",
        }.items():
            began, cpu = time.perf_counter(), time.process_time()
            size = _get(server, request)
            facts[name] = _spent(began, cpu) | {"bytes": size}
        server.shutdown()
        server.server_close()
    print(json.dumps(facts, indent=1))


def _spent(began: float, cpu: float) -> dict[str, float]:
    return {
        "seconds": round(time.perf_counter() - began, 4),
        "cpu_seconds": round(time.process_time() - cpu, 4),
    }


def _get(server: Server, request: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", server.guard.port, timeout=600)
    connection.request("GET", f"/{server.guard.token}/{request}")
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, body[:200]
    return len(body)


def _make_store(path: Path, config: BenchConfig) -> Path:
    side = (config.size, config.size)
    specs = [
        ModalitySpec("rgb", "uint8", (*side, 3), "sRGB", "sensory"),
        ModalitySpec("semantic", "uint8", side, "label", "label"),
        ModalitySpec("pose", "float64", (4, 4), "m", "camera"),
        ModalitySpec("intrinsics", "float32", (4,), "px", "camera"),
    ]
    store = Store.create(path, specs, [])
    space = Space("home", "noise", "0" * 64, 0, "dense", "none", "made for a benchmark")
    rng = np.random.default_rng(0)
    most = store.facts.frames_per_part
    pixels = rng.integers(0, 200, (min(most, config.frames), *side, 3)).astype(np.uint8)
    for number, first in enumerate(range(0, config.frames, most)):
        count = min(most, config.frames - first)
        pose = np.tile(np.eye(4), (count, 1, 1))
        pose[:, :3, 3] = rng.uniform(0, 10, (count, 3))
        arrays = {"rgb": pixels[:count], "semantic": pixels[:count, ..., 0], "pose": pose}
        arrays["intrinsics"] = np.tile(np.float32(config.size / 2), (count, 4))
        runs = [FrameRange("home", "eval", f"p-{number:05d}", 0, count)]
        store.write_part(f"p-{number:05d}", arrays, runs, [space], "", [{"seed": 0}])
    return path
