"""What holds for every simulator, by name: the table's shapes and dtypes, determinism, words for mistakes."""

from pathlib import Path

import numpy as np
import pytest
import warp as wp

from agents import kernel_distances, kernel_probes, kernels
from agents.cameras import Cameras
from agents.modalities import LABELS, MODALITIES, SENSORY, check_modalities
from agents.simulator import SIMULATORS, Simulator, make_simulator
from scenes.geometry import SceneGeometry
from tests.agents.rooms_by_hand import THING, cube, placed, pose, room

POSES = np.stack([pose((1.0, 1.2, 5.0), (1, 0, 0), (0, -1, 0)), pose((3.0, 1.0, 2.0), (0, 0, 1), (0, -1, 0))])


def furnished() -> SceneGeometry:
    thing = placed("box", 1, (1.0, 0.0, 1.5), (0.8, 0.6, 0.5), THING, 7, turn=0.4)
    return room(extra_meshes=(cube("box"),), extra=(thing,))


@pytest.fixture(params=SIMULATORS)
def simulator(request: pytest.FixtureRequest) -> Simulator:
    loaded = make_simulator(request.param)
    loaded.load(furnished())
    return loaded


@pytest.mark.parametrize("size", [(48, 64), (130, 129)])
def test_frames_keep_to_the_table(simulator: Simulator, size: tuple[int, int]) -> None:
    height, width = size
    frames = simulator.render(Cameras.same(POSES, 80.0, height, width), tuple(MODALITIES))
    assert list(frames) == list(MODALITIES)
    for name, modality in MODALITIES.items():
        assert frames[name].shape == (2, *modality.frame_shape(height, width))
        assert frames[name].dtype == modality.dtype
        assert frames[name].any()
    np.testing.assert_array_equal(frames["pose"], POSES)


def test_only_what_is_asked_for(simulator: Simulator) -> None:
    cameras = Cameras.same(POSES, 80.0, 40, 40)
    assert list(simulator.render(cameras, ["edges", "depth"])) == ["edges", "depth"]
    every = simulator.render(cameras, tuple(MODALITIES))
    for name in MODALITIES:
        np.testing.assert_array_equal(simulator.render(cameras, [name])[name], every[name])


def test_same_space_and_cameras_same_bytes(simulator: Simulator) -> None:
    cameras = Cameras.same(POSES, 80.0, 64, 64)
    first = simulator.render(cameras, SENSORY)
    again = make_simulator("raycast")
    again.load(furnished())
    second = again.render(cameras, SENSORY)
    for name in SENSORY:
        assert first[name].tobytes() == second[name].tobytes()


def test_a_frame_does_not_depend_on_its_batch(simulator: Simulator) -> None:
    both = simulator.render(Cameras.same(POSES, 80.0, 64, 64), SENSORY)
    alone = simulator.render(Cameras.same(POSES[1:], 80.0, 64, 64), SENSORY)
    for name in SENSORY:
        np.testing.assert_array_equal(both[name][1], alone[name][0])


def test_no_cameras_no_frames(simulator: Simulator) -> None:
    frames = simulator.render(Cameras.same(np.zeros((0, 4, 4)), 80.0, 16, 24), (*SENSORY, *LABELS))
    assert frames["rgb"].shape == (0, 16, 24, 3)
    assert frames["instance"].shape == (0, 16, 24)


def test_another_space_can_be_loaded(simulator: Simulator) -> None:
    cameras = Cameras.same(POSES, 80.0, 32, 32)
    before = simulator.render(cameras, ["instance"])["instance"]
    simulator.load(room())
    after = simulator.render(cameras, ["instance"])["instance"]
    assert 7 in before
    assert 7 not in after


def test_words_for_mistakes(simulator: Simulator) -> None:
    with pytest.raises(ValueError, match="unknown modality flow; choose from rgb"):
        simulator.render(Cameras.same(POSES, 80.0, 8, 8), ["flow"])
    with pytest.raises(ValueError, match="load"):
        make_simulator("raycast").render(Cameras.same(POSES, 80.0, 8, 8), ["rgb"])
    with pytest.raises(ValueError, match="choose from raycast"):
        make_simulator("unity")
    with pytest.raises(ValueError, match="cuda:99"):
        make_simulator("raycast", "cuda:99")
    check_modalities(tuple(MODALITIES))


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


def test_the_kernels_compile_for_cuda_where_there_is_no_gpu(tmp_path: Path) -> None:
    # NVRTC comes with Warp's wheel for Linux: that they compile is known, how fast they are is not.
    for module in (kernels, kernel_probes, kernel_distances):
        try:
            wp.compile_aot_module(wp.get_module(module.__name__), arch=80, module_dir=tmp_path, use_ptx=True)
        except RuntimeError as error:
            pytest.skip(f"Warp has no CUDA compiler here: {error}")
    assert len(list(tmp_path.glob("*.ptx"))) == 3
