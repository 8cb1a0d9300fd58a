"""The simulator `ai2thor`: AI2-THOR's real client, here with the stand-in at the far end of its pipes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from agents.ai2thor.errors import AI2ThorError
from agents.ai2thor.simulator import AI2ThorConfig, AI2ThorSimulator, drawn_by
from agents.cameras import Cameras
from agents.modalities import MODALITIES
from agents.samplers.registry import sample_poses
from agents.simulator import make_simulator
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import SceneGeometry
from tests.agents.rooms_by_hand import room

pytest.importorskip("ai2thor")

HOUSE = Path(__file__).parents[1] / "golden" / "procthor" / "gen_wheel_dev2_seed1.json"
STANDIN = AI2ThorConfig(executable="standin")
AT_MOST = 10.0  # seconds until an error is said


@pytest.fixture(scope="module")
def house() -> SceneGeometry:
    return compile_house(House.load(HOUSE))


def without_objects() -> SceneGeometry:
    house = House.load(HOUSE)
    return compile_house(house.model_copy(update={"objects": ()}))


@pytest.fixture(scope="module")
def bare() -> SceneGeometry:
    """Quick to build."""
    return without_objects()


@pytest.fixture(scope="module")
def started() -> AI2ThorSimulator:
    return AI2ThorSimulator(config=STANDIN)


@pytest.fixture
def simulator(started: AI2ThorSimulator, house: SceneGeometry) -> AI2ThorSimulator:
    started.load(house)
    return started


def child_of(simulator: AI2ThorSimulator) -> subprocess.Popen:
    return simulator._controller.server.unity_proc


@pytest.fixture(scope="module")
def cameras(house: SceneGeometry) -> Cameras:
    raycast = make_simulator("raycast")
    raycast.load(house)
    poses = sample_poses("dense", raycast.free_space(), 12, np.random.default_rng(1))
    return Cameras.same(poses, 90.0, 64, 80)


def test_frames_are_those_of_the_raycast_simulator(simulator: AI2ThorSimulator, house: SceneGeometry) -> None:
    """Every byte of every modality, and the same free space, so the same poses."""
    raycast = make_simulator("raycast")
    raycast.load(house)
    both = (raycast, simulator)
    poses = [sample_poses("dense", s.free_space(), 10, np.random.default_rng(2)) for s in both]
    np.testing.assert_array_equal(poses[0], poses[1])
    for height, width in ((64, 64), (150, 100)):
        views = Cameras.same(poses[0], 85.0, height, width)
        expected, found = raycast.render(views, tuple(MODALITIES)), simulator.render(views, tuple(MODALITIES))
        for modality in MODALITIES:
            np.testing.assert_array_equal(found[modality], expected[modality], err_msg=modality)
        assert len(np.unique(found["instance"])) > 10


def test_only_houses(simulator: AI2ThorSimulator) -> None:
    with pytest.raises(ValueError, match="by-hand was not compiled from a house"):
        simulator.load(room())


def test_a_house_that_is_refused(simulator: AI2ThorSimulator, house: SceneGeometry) -> None:
    assert house.house is not None
    item = house.house.objects[0].model_copy(update={"asset_id": "No_Such_Thing"})
    broken = house.house.model_copy(update={"objects": (item,)})
    fields = {name: getattr(house, name) for name in ("meshes", "instances", "lights", "floor")}
    with pytest.raises(ValueError, match=r"AI2-THOR refuses broken.*No_Such_Thing"):
        simulator.load(SceneGeometry("broken", "another", **fields, house=broken))
    with pytest.raises(ValueError, match="load"):
        simulator.render(Cameras.same(np.eye(4)[None], 90, 8, 8), ["rgb"])


def test_cameras_that_unity_cannot_have(simulator: AI2ThorSimulator) -> None:
    off = Cameras(np.eye(4)[None], np.float32([[32, 32, 30, 32]]), 64, 64)
    with pytest.raises(ValueError, match="middle of the image"):
        simulator.render(off, ["rgb"])


def test_an_executable_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a file that can be run"):
        AI2ThorSimulator(config=AI2ThorConfig(executable=str(tmp_path / "thor")))


def test_who_draws_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTSPACE_AI2THOR_EXECUTABLE", "standin")
    assert "stand-in, not by AI2-THOR" in drawn_by()
    monkeypatch.delenv("TESTSPACE_AI2THOR_EXECUTABLE")
    assert drawn_by() == "ai2thor 5.0.0 client"


# What makes the client hang or fail unclearly, each with one clear error or none.


@contextmanager
def said_in_time(error: type[Exception], match: str) -> Iterator[None]:
    """An error of that kind and wording, within AT_MOST seconds."""
    began = time.monotonic()
    with pytest.raises(error, match=match):
        yield
    took = time.monotonic() - began
    print(f"{took:.2f} s")
    assert took < AT_MOST


def test_a_killed_child(bare: SceneGeometry, cameras: Cameras) -> None:
    simulator = AI2ThorSimulator(config=STANDIN)
    simulator.load(bare)
    before = simulator.render(cameras, ["rgb"])["rgb"]
    child_of(simulator).kill()
    with said_in_time(AI2ThorError, r"killed by SIGKILL\) at UpdateThirdPartyCamera"):
        simulator.render(cameras, ["rgb"])
    simulator.load(bare)  # starts another
    np.testing.assert_array_equal(simulator.render(cameras, ["rgb"])["rgb"], before)
    # In the middle of a step, too: the child is stopped, so that the client waits for it.
    child = child_of(simulator)
    os.kill(child.pid, signal.SIGSTOP)
    killer = threading.Timer(0.5, child.kill)
    killer.start()
    with said_in_time(AI2ThorError, "killed by SIGKILL"):
        simulator.render(cameras, ["rgb"])
    killer.join()


def executable(path: Path, text: str) -> AI2ThorConfig:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return AI2ThorConfig(executable=str(path), start_timeout=2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("exit 3", r"ended \(exit status 3\) at start"),
        ('exec 3>"$AI2THOR_FIFO_SERVER_PIPE_PATH"; exit 4', r"ended \(exit status 4\) at start"),
        ("exec sleep 60", "no answer within 2 s to start"),
    ],
)
def test_a_child_that_never_answers(
    text: str, message: str, bare: SceneGeometry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    simulator = AI2ThorSimulator(config=executable(tmp_path / "a thor", text))
    with said_in_time(AI2ThorError, message):
        simulator.load(bare)


def test_no_display(bare: SceneGeometry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    simulator = AI2ThorSimulator(config=executable(tmp_path / "thor", "exit 3"))
    with said_in_time(RuntimeError, "DISPLAY is not set"):
        simulator.load(bare)


def test_no_unity_to_be_had(bare: SceneGeometry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a way to its servers, say; nothing is fetched here."""
    monkeypatch.setattr("ai2thor.build.Build.exists", lambda _: False)
    for display in ("", ":0"):
        monkeypatch.setenv("DISPLAY", display)
        with said_in_time(AI2ThorError, "no Unity build to download.*EXECUTABLE=standin"):
            AI2ThorSimulator(config=AI2ThorConfig()).load(bare)


def test_no_display_and_a_gpu_of_rays_for_the_standin(
    bare: SceneGeometry, cameras: Cameras, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    simulator = AI2ThorSimulator(config=STANDIN)
    simulator.load(bare)
    assert simulator.render(cameras, ["rgb"])["rgb"].any()
    simulator.close()


def test_the_child_ends_with_its_client(tmp_path: Path) -> None:
    """Whatever ends the client, as Ray ends an actor."""
    script = (
        "import os, signal\n"
        "from tests.agents.test_ai2thor import *\n"
        "s = AI2ThorSimulator(config=STANDIN)\n"
        "s.load(without_objects())\n"
        "print(child_of(s).pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    child = Path("/proc") / done.stdout.split()[-1]
    until = time.monotonic() + AT_MOST
    while (child / "cmdline").exists() and b"standin" in (child / "cmdline").read_bytes():
        assert time.monotonic() < until, "the child outlives its client"
        time.sleep(0.05)


def usage(pid: int) -> tuple[float, int]:
    """Resident memory [MB] and number of open files of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6, len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.parametrize("steps", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_steps_leak_nothing(simulator: AI2ThorSimulator, cameras: Cameras, steps: int) -> None:
    few = Cameras.same(cameras.poses[:10], 90.0, 32, 40)
    pids = (os.getpid(), child_of(simulator).pid)
    for _ in range(4):
        simulator.render(few, tuple(MODALITIES))
    before = [usage(pid) for pid in pids]
    began = time.monotonic()
    for _ in range(steps // len(few)):
        simulator.render(few, tuple(MODALITIES))
    seconds = time.monotonic() - began
    after = [usage(pid) for pid in pids]
    growth = [a[0] - b[0] for a, b in zip(after, before, strict=True)]
    print(f"{steps / seconds:.1f} steps/s; client {growth[0]:+.2f} MB, stand-in {growth[1]:+.2f} MB")
    assert [a[1] for a in after] == [b[1] for b in before]
    assert max(growth) < 8
