"""Every simulator of the table under the kit, and a GPU beside the CPU where there is one."""

from typing import ClassVar

import numpy as np
import pytest
import warp as wp

from agents.cameras import Cameras
from agents.modalities import LABELS, SENSORY
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
