"""The adapter against habitat-sim's recorded interface. The library itself was never run here."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from agents.cameras import Cameras, look_pose
from agents.habitat import HabitatSimulator, from_habitat, object_classes, to_habitat
from agents.modalities import MODALITIES
from agents.raycast.simulator import RaycastSimulator
from agents.simulator import check_simulator, make_simulator
from scenes.house.labels import class_id
from tests.agents.habitat_stub import RECORDED, Stub, pose_of
from tests.agents.test_simulators import POSES, furnished

NAMES = {1: "floor", 2: "ceiling", 3: "wall", 4: "wall", 5: None, 7: "tv-screen"}  # 6 is None, 5 unnamed


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Stub:
    found = Stub(furnished(), NAMES)
    monkeypatch.setitem(sys.modules, "habitat_sim", found.module)
    return found


@pytest.fixture
def habitat(stub: Stub) -> Iterator[HabitatSimulator]:
    simulator = HabitatSimulator("cuda:1")
    simulator.load(furnished())
    yield simulator
    simulator.close()


def test_frames_are_those_of_the_space(habitat: HabitatSimulator, stub: Stub) -> None:
    cameras = Cameras.same(POSES, 80.0, 48, 64)
    frames = habitat.render(cameras, tuple(MODALITIES))
    ours = RaycastSimulator()
    ours.load(furnished())
    wanted = ours.render(cameras, tuple(MODALITIES))
    assert list(frames) == list(MODALITIES)
    for name, modality in MODALITIES.items():
        assert frames[name].shape == wanted[name].shape
        assert frames[name].dtype == modality.dtype
    for name in ("pose", "intrinsics"):
        np.testing.assert_array_equal(frames[name], wanted[name])
    assert (np.abs(frames["depth"].astype(int) - wanted["depth"]) <= 1).mean() > 0.995
    assert (frames["instance"] == wanted["instance"]).mean() > 0.995
    assert (np.abs(frames["rgb"].astype(int) - wanted["rgb"]) <= 2).mean() > 0.99
    assert (np.abs(frames["normals"].astype(int) - wanted["normals"]).max(-1) <= 8).mean() > 0.95
    classes = {n: class_id(v) for n, v in {1: "Floor", 2: "Ceiling", 3: "Wall", 7: "Television"}.items()}
    for number, value in classes.items():
        assert set(np.unique(frames["semantic"][frames["instance"] == number])) <= {value}
    assert not frames["semantic"][np.isin(frames["instance"], (5, 6))].any()
    assert (frames["semantic"] == class_id("Television")).any()


def test_what_it_asks_habitat_for(habitat: HabitatSimulator, stub: Stub) -> None:
    habitat.render(Cameras.same(POSES, 80.0, 24, 32), ["depth"])
    config = stub.configuration
    assert config.sim_cfg.scene_id.endswith("habitat/mesh_semantic.ply")
    assert Path(config.sim_cfg.scene_id).is_file()
    assert config.sim_cfg.gpu_device_id == 1
    sensors = config.agents[0].sensor_specifications
    assert [s.sensor_type for s in sensors] == ["COLOR", "DEPTH", "SEMANTIC"]
    assert sensors[0].hfov == pytest.approx(80.0, abs=1e-4)
    habitat.render(Cameras.same(POSES, 80.0, 24, 32), ["rgb"])
    assert (stub.opened, stub.closed) == (1, 0)
    habitat.render(Cameras.same(POSES, 60.0, 24, 32), ["rgb"])  # another lens: sensors are made anew
    assert (stub.opened, stub.closed) == (2, 1)
    scene = Path(config.sim_cfg.scene_id)
    habitat.close()
    assert (stub.opened, stub.closed) == (2, 2)
    assert not scene.exists()


def test_poses_go_there_and_back() -> None:
    rng = np.random.default_rng(0)
    poses = look_pose(rng.normal(size=(20, 3)), *rng.uniform(-1.5, 1.5, (3, 20)))
    for pose in poses:
        position, rotation = to_habitat(pose)
        np.testing.assert_allclose(from_habitat(position, rotation), pose, atol=1e-6)
        np.testing.assert_allclose(pose_of(position, rotation), pose, atol=1e-6)
    level = look_pose(np.zeros((1, 3)), *np.zeros((3, 1)))[0]  # along -z, as Habitat's own cameras
    np.testing.assert_allclose(np.abs(to_habitat(level)[1]), [0, 0, 0, 1], atol=1e-12)


def test_navigable_by_habitat_s_mesh(habitat: HabitatSimulator) -> None:
    assert habitat.navigable(np.array([[1.0, 1.2, 2.0], [9.0, 1.2, 2.0]])).tolist() == [True, False]


def test_no_semantic_scene_is_no_class() -> None:
    assert not object_classes(None).any()


def test_cameras_that_habitat_lacks(habitat: HabitatSimulator) -> None:
    cameras = Cameras(POSES, np.tile(np.float32([20, 20, 10, 12]), (2, 1)), 24, 32)
    with pytest.raises(ValueError, match="axis in the middle"):
        habitat.render(cameras, ["rgb"])
    with pytest.raises(ValueError, match="load"):
        HabitatSimulator().render(Cameras.same(POSES, 80.0, 8, 8), ["rgb"])


def test_the_stub_refuses_what_is_not_recorded(stub: Stub) -> None:
    with pytest.raises(AttributeError):
        stub.module.SimulatorConfiguration().scene = "a name of version 0.1"
    with pytest.raises(TypeError):
        stub.module.Configuration(stub.module.SimulatorConfiguration())
    with pytest.raises(AttributeError):
        stub.module.PinholeCamera  # noqa: B018
    assert "0.3" in RECORDED["source"]


@pytest.mark.skipif("habitat_sim" in sys.modules, reason="habitat-sim is here")
def test_without_the_library_the_line_that_installs_it() -> None:
    for ask in (check_simulator, make_simulator):
        with pytest.raises(ValueError, match="conda install habitat-sim headless -c conda-forge"):
            ask("habitat")
