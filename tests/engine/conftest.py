"""Small stores with every kind of modality, filled from a seed."""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from engine.store.store import FrameRange, LabelRow, ModalitySpec, Role, Space, Store

SIDE = 12
SPECS = (
    ModalitySpec("rgb", "uint8", (SIDE, SIDE, 3), "1", "sensory"),
    ModalitySpec("depth", "uint16", (SIDE, SIDE), "mm", "sensory"),
    ModalitySpec("edges", "uint8", (SIDE, SIDE), "1", "sensory"),
    ModalitySpec("semantic", "uint8", (SIDE, SIDE), "1", "label"),
    ModalitySpec("pose", "float64", (4, 4), "m", "camera"),
    ModalitySpec("intrinsics", "float32", (4,), "px", "camera"),
)
LABELS: list[LabelRow] = [
    {"id": 0, "name": "nothing", "group": "void"},
    {"id": 1, "name": "Wall", "group": "wall"},
]


def arrays(role: Role, count: int, seed: int) -> dict[str, np.ndarray]:
    """Frames of all modalities that a role records; poses are rigid and all different."""
    rng = np.random.default_rng(seed)
    values = {}
    for spec in SPECS:
        if spec.kind == "label" and role == "pretrain":
            continue
        if spec.name == "pose":
            values["pose"] = np.tile(np.eye(4), (count, 1, 1))
            values["pose"][:, :3, 3] = rng.random((count, 3)) * 5
        elif spec.name == "intrinsics":
            values["intrinsics"] = rng.random((count, 4)).astype(np.float32)
        else:
            values[spec.name] = rng.integers(0, 200, (count, *spec.shape)).astype(spec.dtype)
    return values


def space(number: int) -> Space:
    """A made-up space."""
    return Space(f"house-{number}", "procthor", f"{number:064x}", number, "dense", "raycast", "a test")


def add_part(
    store: Store, name: str, role: Role, runs: list[tuple[int, int]], seed: int
) -> dict[str, np.ndarray]:
    """Writes a part with runs (number of the space, count); returns its arrays."""
    values = arrays(role, sum(count for _, count in runs), seed)
    starts = np.cumsum([0, *(count for _, count in runs)]).tolist()
    table = [
        FrameRange(space(n).id, role, name, start, count)
        for (n, count), start in zip(runs, starts, strict=False)
    ]
    spaces = list({n: space(n) for n, _ in runs}.values())
    store.write_part(name, values, table, spaces, "config", [{"seed": seed}])
    return values


def build(path: Path) -> Store:
    """A store with two pre-training parts and one each for transfer and evaluation.

    Spaces 1 and 2 are pre-trained on (37, 20 and 30 frames), 1 is evaluated, 3 and 4 are for transfer.
    """
    store = Store.create(path, SPECS, LABELS)
    add_part(store, "pretrain-a", "pretrain", [(1, 37), (2, 20)], seed=1)
    add_part(store, "pretrain-b", "pretrain", [(2, 30)], seed=2)
    add_part(store, "transfer-a", "transfer", [(3, 21), (4, 18)], seed=3)
    add_part(store, "eval-a", "eval", [(1, 19)], seed=4)
    return store


def by_frame(store: Store, role: str = "eval") -> dict[tuple[str, int], dict[str, bytes]]:
    """Every frame's bytes by house and number in it, however they are parted."""
    found = {}
    for part in store.parts:
        if part.role != role:
            continue
        values = store.read(part.part, 0, part.frames, [m.name for m in part.modalities])
        for run, seed in zip(part.runs, part.seeds, strict=True):
            for i in range(run.count):
                key = (seed["house"], seed["first"] + i)
                assert key not in found, "a frame is there twice"
                found[key] = {name: v[run.start + i].tobytes() for name, v in values.items()}
    return found


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of moto's server, an S3 on this machine."""
    pytest.importorskip("moto.server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        for _ in range(1200):
            try:
                bucket = urllib.request.Request(f"{address}/bucket", method="PUT")
                urllib.request.urlopen(bucket).close()
                break
            except OSError:
                time.sleep(0.1)
        yield address
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(params=["file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of an empty place in an object store, a folder or a bucket, and nothing kept of it here."""
    pytest.importorskip("obstore")
    monkeypatch.setenv("TESTSPACE_CACHE", str(tmp_path / "cache"))
    if request.param == "file":
        (tmp_path / "bucket").mkdir()
        return f"file://{tmp_path}/bucket"
    settings = {"AWS_ENDPOINT_URL": request.getfixturevalue("s3"), "AWS_ALLOW_HTTP": "true"}
    settings |= {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return f"s3://bucket/{tmp_path.name}"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where such a store is, to be copied."""
    return build(tmp_path_factory.mktemp("template") / "store").path


@pytest.fixture
def store(template: Path, tmp_path: Path) -> Store:
    """Such a store, for a test to do with as it likes."""
    shutil.copytree(template, tmp_path / "store")
    return Store.open(tmp_path / "store")
