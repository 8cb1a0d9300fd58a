"""Every simulator of the table under the kit, and the renderer's kernels on CUDA."""

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import warp as wp

from agents.cameras import Cameras
from agents.modalities import LABELS, SENSORY
from agents.raycast import kernel_distances, kernel_probes
from agents.raycast import kernel_render as kernels
from agents.simulator import SIMULATORS, make_simulator
from tests.agents.simulator_kit import IN_A_HOUSE, POSES, SimulatorKit, furnished


class TestRaycast(SimulatorKit):
    name = "raycast"


class TestAi2Thor(SimulatorKit):
    name = "ai2thor"
    stage = IN_A_HOUSE
    environment: ClassVar = {"TESTSPACE_AI2THOR_EXECUTABLE": "standin"}


class TestReplica(SimulatorKit):
    name = "replica"


class TestHabitat(SimulatorKit):
    name = "habitat"


def test_every_simulator_of_the_table_is_under_the_kit() -> None:
    assert {kit.name for kit in (TestRaycast, TestAi2Thor, TestReplica, TestHabitat)} == set(SIMULATORS)


@pytest.mark.gpu
@pytest.mark.skipif(not wp.get_cuda_devices(), reason="no CUDA device")
def test_a_gpu_sees_what_a_cpu_sees() -> None:
    cameras = Cameras.same(POSES, 80.0, 128, 128)
    frames = []
    for device in ("cpu", "cuda:0"):
        simulator = make_simulator("raycast", device)
        simulator.load(furnished())
        frames.append(simulator.render(cameras, (*SENSORY, *LABELS)))
    cpu, gpu = frames
    assert (np.abs(cpu["depth"].astype(int) - gpu["depth"]) <= 1).mean() > 0.999
    assert (cpu["instance"] == gpu["instance"]).mean() > 0.999
    assert (np.abs(cpu["rgb"].astype(int) - gpu["rgb"]) <= 2).mean() > 0.99


@pytest.mark.slow
def test_the_kernels_compile_for_cuda_where_there_is_no_gpu(tmp_path: Path) -> None:
    # NVRTC comes with Warp's wheel for Linux: that they compile is known, how fast they are is not.
    for module in (kernels, kernel_probes, kernel_distances):
        try:
            wp.compile_aot_module(wp.get_module(module.__name__), arch=80, module_dir=tmp_path, use_ptx=True)
        except RuntimeError as error:
            pytest.skip(f"Warp has no CUDA compiler here: {error}")
    assert len(list(tmp_path.glob("*.ptx"))) == 3
