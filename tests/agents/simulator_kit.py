"""What every simulator must fulfil: a test class of a simulator inherits `SimulatorKit` and sets `name`.

The shapes and dtypes of the table of modalities, determinism, and the errors for mistakes.
"""

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from agents.cameras import Cameras
from agents.modalities import LABELS, MODALITIES, SENSORY, check_modalities
from agents.samplers.registry import sample_poses
from agents.simulator import SIMULATORS, Simulator, make_simulator
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import Material, SceneGeometry
from tests.agents.rooms_by_hand import THING, cube, placed, pose, room

POSES = np.stack([pose((1.0, 1.2, 5.0), (1, 0, 0), (0, -1, 0)), pose((3.0, 1.0, 2.0), (0, 0, 1), (0, -1, 0))])


def furnished() -> SceneGeometry:
    """A room with a red box in it: what shows no light still has an edge."""
    thing = placed("box", 1, (1.0, 0.0, 1.5), (0.8, 0.6, 0.5), THING, 7, turn=0.4)
    return room(extra_meshes=(cube("red box", Material("red", (0.7, 0.1, 0.1))),), extra=(thing,))


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


class SimulatorKit:
    """The tests that every simulator passes. They are skipped where its library is not installed."""

    name: str
    stage: Stage = BY_HAND
    environment: ClassVar[Mapping[str, str]] = {}
    """Environment variables that are set for all tests."""

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Iterator[Simulator]:
        """Shared: some take seconds to start."""
        library = SIMULATORS[cls.name].library
        if library and importlib.util.find_spec(library) is None:
            pytest.skip(f"{cls.name} needs {library}")
        with pytest.MonkeyPatch.context() as patch:
            for key, value in cls.environment.items():
                patch.setenv(key, value)
            yield make_simulator(cls.name)

    @pytest.fixture
    def simulator(self, made: Simulator) -> Simulator:
        made.load(self.stage.full())
        return made

    @pytest.mark.parametrize("size", [(48, 64), (130, 129)])
    def test_frames_keep_to_the_table(self, simulator: Simulator, size: tuple[int, int]) -> None:
        height, width = size
        frames = simulator.render(Cameras.same(self.stage.poses, 80.0, height, width), tuple(MODALITIES))
        assert list(frames) == list(MODALITIES)
        for name, modality in MODALITIES.items():
            assert frames[name].shape == (2, *modality.frame_shape(height, width))
            assert frames[name].dtype == modality.dtype
            assert frames[name].any()
        np.testing.assert_array_equal(frames["pose"], self.stage.poses)

    def test_only_what_is_asked_for(self, simulator: Simulator) -> None:
        cameras = Cameras.same(self.stage.poses, 80.0, 40, 40)
        assert list(simulator.render(cameras, ["edges", "depth"])) == ["edges", "depth"]
        every = simulator.render(cameras, tuple(MODALITIES))
        for name in MODALITIES:
            np.testing.assert_array_equal(simulator.render(cameras, [name])[name], every[name])

    def test_same_space_and_cameras_same_bytes(self, simulator: Simulator) -> None:
        cameras = Cameras.same(self.stage.poses, 80.0, 64, 64)
        first = simulator.render(cameras, SENSORY)
        again = make_simulator(self.name)
        again.load(self.stage.full())
        second = again.render(cameras, SENSORY)
        for modality in SENSORY:
            assert first[modality].tobytes() == second[modality].tobytes()

    def test_a_frame_does_not_depend_on_its_batch(self, simulator: Simulator) -> None:
        both = simulator.render(Cameras.same(self.stage.poses, 80.0, 64, 64), SENSORY)
        alone = simulator.render(Cameras.same(self.stage.poses[1:], 80.0, 64, 64), SENSORY)
        for name in SENSORY:
            np.testing.assert_array_equal(both[name][1], alone[name][0])

    def test_no_cameras_no_frames(self, simulator: Simulator) -> None:
        frames = simulator.render(Cameras.same(np.zeros((0, 4, 4)), 80.0, 16, 24), (*SENSORY, *LABELS))
        assert frames["rgb"].shape == (0, 16, 24, 3)
        assert frames["instance"].shape == (0, 16, 24)

    def test_another_space_can_be_loaded(self, simulator: Simulator) -> None:
        cameras = Cameras.same(self.stage.poses, 80.0, 32, 32)
        before = simulator.render(cameras, ["instance"])["instance"]
        simulator.load(self.stage.bare())
        after = simulator.render(cameras, ["instance"])["instance"]
        assert self.stage.thing in before
        assert self.stage.thing not in after

    def test_poses_are_the_same_for_every_simulator(self, simulator: Simulator) -> None:
        reference = make_simulator("raycast")
        reference.load(self.stage.full())
        poses = [
            sample_poses("dense", s.free_space(), 20, np.random.default_rng(3))
            for s in (simulator, reference)
        ]
        np.testing.assert_array_equal(*poses)

    def test_words_for_mistakes(self, simulator: Simulator) -> None:
        with pytest.raises(ValueError, match="unknown modality flow; choose from rgb"):
            simulator.render(Cameras.same(self.stage.poses, 80.0, 8, 8), ["flow"])
        with pytest.raises(ValueError, match="load"):
            make_simulator(self.name).render(Cameras.same(self.stage.poses, 80.0, 8, 8), ["rgb"])
        with pytest.raises(ValueError, match="choose from raycast"):
            make_simulator("unity")
        with pytest.raises(ValueError, match="cuda:99"):
            make_simulator(self.name, "cuda:99")
        check_modalities(tuple(MODALITIES))
