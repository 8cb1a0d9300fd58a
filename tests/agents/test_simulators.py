"""What holds for every simulator, by name: the table's shapes and dtypes, determinism, words for mistakes."""

import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import warp as wp

from agents.cameras import Cameras
from agents.modalities import LABELS, MODALITIES, SENSORY, check_modalities
from agents.raycast import kernel_distances, kernel_probes
from agents.raycast import kernel_render as kernels
from agents.samplers.registry import sample_poses
from agents.simulator import LIBRARIES, SIMULATORS, Simulator, make_simulator
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import Material, SceneGeometry
from tests.agents.rooms_by_hand import THING, cube, placed, pose, room

POSES = np.stack([pose((1.0, 1.2, 5.0), (1, 0, 0), (0, -1, 0)), pose((3.0, 1.0, 2.0), (0, 0, 1), (0, -1, 0))])


def furnished() -> SceneGeometry:
    """A room with a red box in it: what shows no light still has an edge."""
    thing = placed("box", 1, (1.0, 0.0, 1.5), (0.8, 0.6, 0.5), THING, 7, turn=0.4)
    return room(extra_meshes=(cube("red box", Material("red", (0.7, 0.1, 0.1))),), extra=(thing,))


def runnable(name: str) -> bool:
    """Whether the library that a simulator needs is here."""
    return name not in LIBRARIES or importlib.util.find_spec(LIBRARIES[name][0]) is not None


@dataclass(frozen=True)
class Stage:
    """What a simulator is shown: a space with a thing, the same space without it, two poses that see it."""

    full: Callable[[], SceneGeometry]
    bare: Callable[[], SceneGeometry]
    thing: int  # instance id
    poses: np.ndarray


@cache
def small_house(without: str = "") -> SceneGeometry:
    house = House.load(Path(__file__).parents[1] / "golden" / "procthor" / "gen_head_seed1.json")
    left = tuple(o for o in house.objects if o.id != without)
    return compile_house(house.model_copy(update={"objects": left}))


BY_HAND = Stage(furnished, room, 7, POSES)
IN_A_HOUSE = Stage(
    small_house,
    lambda: small_house(without="2|8"),
    76,
    np.stack([pose((4.2, 1.2, -2.6), (1, 0, 0), (0, -1, 0)), pose((3.9, 1.5, -6.3), (0, 0, 1), (0, -1, 0))]),
)
STAGES = {"ai2thor": IN_A_HOUSE}


@pytest.fixture(scope="module", params=SIMULATORS)
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        if not runnable(request.param):
            pytest.skip(f"{request.param} needs {LIBRARIES[request.param][0]}")
        if request.param == "ai2thor":
            patch.setenv("TESTSPACE_AI2THOR_EXECUTABLE", "standin")
        yield request.param


@pytest.fixture
def stage(name: str) -> Stage:
    return STAGES.get(name, BY_HAND)


@pytest.fixture(scope="module")
def made(name: str) -> Simulator:
    """Shared: some take seconds to start."""
    return make_simulator(name)


@pytest.fixture
def simulator(made: Simulator, stage: Stage) -> Simulator:
    made.load(stage.full())
    return made


@pytest.mark.parametrize("size", [(48, 64), (130, 129)])
def test_frames_keep_to_the_table(simulator: Simulator, stage: Stage, size: tuple[int, int]) -> None:
    height, width = size
    frames = simulator.render(Cameras.same(stage.poses, 80.0, height, width), tuple(MODALITIES))
    assert list(frames) == list(MODALITIES)
    for name, modality in MODALITIES.items():
        assert frames[name].shape == (2, *modality.frame_shape(height, width))
        assert frames[name].dtype == modality.dtype
        assert frames[name].any()
    np.testing.assert_array_equal(frames["pose"], stage.poses)


def test_only_what_is_asked_for(simulator: Simulator, stage: Stage) -> None:
    cameras = Cameras.same(stage.poses, 80.0, 40, 40)
    assert list(simulator.render(cameras, ["edges", "depth"])) == ["edges", "depth"]
    every = simulator.render(cameras, tuple(MODALITIES))
    for name in MODALITIES:
        np.testing.assert_array_equal(simulator.render(cameras, [name])[name], every[name])


def test_same_space_and_cameras_same_bytes(simulator: Simulator, stage: Stage, name: str) -> None:
    cameras = Cameras.same(stage.poses, 80.0, 64, 64)
    first = simulator.render(cameras, SENSORY)
    again = make_simulator(name)
    again.load(stage.full())
    second = again.render(cameras, SENSORY)
    for modality in SENSORY:
        assert first[modality].tobytes() == second[modality].tobytes()


def test_a_frame_does_not_depend_on_its_batch(simulator: Simulator, stage: Stage) -> None:
    both = simulator.render(Cameras.same(stage.poses, 80.0, 64, 64), SENSORY)
    alone = simulator.render(Cameras.same(stage.poses[1:], 80.0, 64, 64), SENSORY)
    for name in SENSORY:
        np.testing.assert_array_equal(both[name][1], alone[name][0])


def test_no_cameras_no_frames(simulator: Simulator) -> None:
    frames = simulator.render(Cameras.same(np.zeros((0, 4, 4)), 80.0, 16, 24), (*SENSORY, *LABELS))
    assert frames["rgb"].shape == (0, 16, 24, 3)
    assert frames["instance"].shape == (0, 16, 24)


def test_another_space_can_be_loaded(simulator: Simulator, stage: Stage) -> None:
    cameras = Cameras.same(stage.poses, 80.0, 32, 32)
    before = simulator.render(cameras, ["instance"])["instance"]
    simulator.load(stage.bare())
    after = simulator.render(cameras, ["instance"])["instance"]
    assert stage.thing in before
    assert stage.thing not in after


def test_poses_are_the_same_for_every_simulator(simulator: Simulator, stage: Stage) -> None:
    reference = make_simulator("raycast")
    reference.load(stage.full())
    poses = [
        sample_poses("dense", s.free_space(), 20, np.random.default_rng(3)) for s in (simulator, reference)
    ]
    np.testing.assert_array_equal(*poses)


def test_words_for_mistakes(simulator: Simulator, stage: Stage, name: str) -> None:
    with pytest.raises(ValueError, match="unknown modality flow; choose from rgb"):
        simulator.render(Cameras.same(stage.poses, 80.0, 8, 8), ["flow"])
    with pytest.raises(ValueError, match="load"):
        make_simulator(name).render(Cameras.same(stage.poses, 80.0, 8, 8), ["rgb"])
    with pytest.raises(ValueError, match="choose from raycast"):
        make_simulator("unity")
    with pytest.raises(ValueError, match="cuda:99"):
        make_simulator(name, "cuda:99")
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


@pytest.mark.slow
def test_the_kernels_compile_for_cuda_where_there_is_no_gpu(tmp_path: Path) -> None:
    # NVRTC comes with Warp's wheel for Linux: that they compile is known, how fast they are is not.
    for module in (kernels, kernel_probes, kernel_distances):
        try:
            wp.compile_aot_module(wp.get_module(module.__name__), arch=80, module_dir=tmp_path, use_ptx=True)
        except RuntimeError as error:
            pytest.skip(f"Warp has no CUDA compiler here: {error}")
    assert len(list(tmp_path.glob("*.ptx"))) == 3
