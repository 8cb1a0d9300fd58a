"""The stand-in for AI2-THOR's Unity program, driven by the client's own, unmodified `Controller`."""

import gc
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.ai2thor.client import command_for
from agents.ai2thor.unity_camera import fov_intrinsics, from_unity
from agents.cameras import Cameras
from agents.raycast.simulator import RaycastSimulator
from scenes.house.schema import House
from scenes.meshes.compile import compile_house

controllers = pytest.importorskip("ai2thor.controller")

ROOT = Path(__file__).parents[2]
HOUSE = json.loads((ROOT / "tests" / "golden" / "procthor" / "gen_head_seed1.json").read_text())
IMAGES = {
    f"render{name}": True
    for name in ("DepthImage", "NormalsImage", "InstanceSegmentation", "SemanticSegmentation")
}
EYE = {"position": {"x": 4.2, "y": 1.2, "z": 2.6}, "rotation": {"x": 10.0, "y": 0.0, "z": 0.0}}


@pytest.fixture(scope="module")
def controller() -> Iterator[Any]:
    made = controllers.Controller(
        local_executable_path=command_for("standin", "cpu"),
        x_display=":0",
        scene=HOUSE,
        width=64,
        height=48,
        **IMAGES,
    )
    yield made
    made.stop()
    made.server.unity_proc.wait()
    made.server.tmp_dir.cleanup()


@pytest.fixture
def thor(controller: Any) -> Any:
    """With the house as it was, and the agent where ProcTHOR puts it."""
    controller.reset(HOUSE)
    assert controller.step("TeleportFull", **HOUSE["metadata"]["agent"])
    return controller


def test_a_house_stands(thor: Any) -> None:
    event = thor.step("Pass")
    assert event
    assert {o["objectId"] for o in event.metadata["objects"]} == {
        o.id for o, _ in House.from_json(HOUSE).all_objects()
    }
    assert "not AI2-THOR" in event.metadata["standIn"]
    counter = event.get_object("2|0")
    assert counter["objectType"] == "CounterTop"
    assert "small|2|0" in counter["receptacleObjectIds"]
    assert event.get_object("small|2|0")["parentReceptacles"] == ["2|0"]


def test_the_agents_frames(thor: Any) -> None:
    """As the raycast simulator's, seen through the client's own decoding."""
    event = thor.step("Pass")
    space = compile_house(House.from_json(HOUSE))
    raycast = RaycastSimulator()
    raycast.load(space)
    agent = event.metadata["agent"]
    pose = from_unity(
        event.metadata["cameraPosition"], {"x": agent["cameraHorizon"], "y": agent["rotation"]["y"], "z": 0.0}
    )
    cameras = Cameras(pose[None], fov_intrinsics(90, 48, 64)[None], 48, 64)
    expected = raycast.render(cameras, ["rgb", "depth", "normals", "instance"])
    np.testing.assert_array_equal(event.frame, expected["rgb"][0])
    np.testing.assert_array_equal(event.normals_frame, expected["normals"][0])
    np.testing.assert_allclose(event.depth_frame, expected["depth"][0] / 1000, atol=1e-6)
    for name, mask in event.instance_masks.items():
        number = next(i.instance_id for i in space.instances if i.name == name)
        np.testing.assert_array_equal(mask, expected["instance"][0] == number)
    assert event.semantic_segmentation_frame.shape == (48, 64, 3)
    assert event.class_masks["wall"].any()  # the client takes classes from the names of instances
    seen = [o for o in event.metadata["objects"] if o["visible"]]
    assert all(o["objectId"] in event.instance_masks and o["distance"] <= 1.5 for o in seen)


def test_third_party_cameras(thor: Any) -> None:
    assert thor.step("AddThirdPartyCamera", **EYE, fieldOfView=60)
    event = thor.step("AddThirdPartyCamera", **EYE)
    assert len(event.third_party_camera_frames) == 2
    assert event.metadata["thirdPartyCameras"][0]["fieldOfView"] == 60
    assert (event.third_party_camera_frames[0] != event.third_party_camera_frames[1]).any()
    # What is left out stays as it was.
    event = thor.step("UpdateThirdPartyCamera", thirdPartyCameraId=1, rotation={"y": 180.0}, fieldOfView=60)
    assert event.metadata["thirdPartyCameras"][1]["rotation"] == {"x": 10.0, "y": 180.0, "z": 0.0}
    assert event.metadata["thirdPartyCameras"][1]["position"] == EYE["position"]
    event = thor.step("UpdateThirdPartyCamera", thirdPartyCameraId=1, **EYE)
    for frames in (event.third_party_camera_frames, event.third_party_depth_frames):
        np.testing.assert_array_equal(frames[0], frames[1])
    assert not thor.step("UpdateThirdPartyCamera", thirdPartyCameraId=2, **EYE)
    assert not thor.step("AddThirdPartyCamera", **EYE, fieldOfView=180)
    assert thor.step("Pass", renderImage=False).frame is None


def test_walking(thor: Any) -> None:
    places = thor.step("GetReachablePositions").metadata["actionReturn"]
    start = thor.last_event.metadata["agent"]["position"]
    assert start in places
    steps = {(round((p["x"] - start["x"]) / 0.25, 6), round((p["z"] - start["z"]) / 0.25, 6)) for p in places}
    assert len(steps) == len(places) > 10
    assert all(x == int(x) and z == int(z) for x, z in steps)
    assert all(thor.step("Teleport", position=p) for p in places)
    thor.step("TeleportFull", **HOUSE["metadata"]["agent"])
    walked = 0
    while thor.step("MoveAhead"):
        walked += 1
        assert thor.last_event.metadata["agent"]["position"] in places
    assert "blocking" in thor.last_event.metadata["errorMessage"]
    assert walked < 20
    assert thor.step("RotateRight").metadata["agent"]["rotation"]["y"] == 90
    assert thor.step("RotateLeft", degrees=30).metadata["agent"]["rotation"]["y"] == 60
    assert thor.step("LookUp").metadata["agent"]["cameraHorizon"] == 0
    assert thor.step("LookDown").metadata["agent"]["cameraHorizon"] == 30
    assert thor.step("LookDown")
    assert not thor.step("LookDown")  # 60 degrees is the lowest
    assert not thor.step("Teleport", position={"x": -3.0, "y": 0.95, "z": 0.0})
    assert thor.step("Teleport", position={"x": -3.0, "y": 0.95, "z": 0.0}, forceAction=True)


def test_what_it_does_not_know_is_said_in_ai2thors_words(thor: Any) -> None:
    with pytest.raises(ValueError, match=r"^Invalid action: PickupObject$"):
        thor.step("PickupObject", objectId="small|2|0")
    with pytest.raises(
        ValueError, match=r"^action: TeleportFull is missing the following arguments: rotation"
    ):
        thor.step("TeleportFull", x=1.0)
    with pytest.raises(ValueError, match="RotateRight has an invalid argument"):
        thor.step("RotateRight", speed=1)
    assert not thor.step("CreateHouse", house={"rooms": 1})
    with pytest.raises(ValueError, match="FloorPlan1_physics"):
        thor.reset("FloorPlan1")
    assert thor.step("Done")


def test_object_filters(thor: Any) -> None:
    assert len(thor.step("SetObjectFilter", objectIds=["2|0"]).metadata["objects"]) == 1
    assert len(thor.step("ResetObjectFilter").metadata["objects"]) > 10


def test_another_day(thor: Any) -> None:
    """Other light, then other places for small things; the same for the same seed."""
    first = thor.step("AddThirdPartyCamera", **EYE)
    lit = thor.step("RandomizeLighting")
    assert lit
    assert (lit.third_party_camera_frames[0] != first.third_party_camera_frames[0]).any()
    np.testing.assert_array_equal(lit.third_party_depth_frames[0], first.third_party_depth_frames[0])
    moved = thor.step("InitialRandomSpawn", randomSeed=3)
    assert moved
    places = {o["objectId"]: o["position"] for o in moved.metadata["objects"]}
    assert places != {o["objectId"]: o["position"] for o in first.metadata["objects"]}
    thor.reset(HOUSE)
    thor.step("RandomizeLighting")
    again = thor.step("InitialRandomSpawn", randomSeed=3)
    assert {o["objectId"]: o["position"] for o in again.metadata["objects"]} == places


def test_the_script_says_what_it_is_for() -> None:
    """Started by hand, without pipes."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("AI2THOR_")}
    script = ROOT / "agents" / "ai2thor" / "standin.sh"
    assert os.access(script, os.X_OK)
    done = subprocess.run([script], capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 2
    assert "client starts this" in done.stderr


@pytest.mark.filterwarnings("ignore:Implicitly cleaning up:ResourceWarning")  # the client leaves its folder
def test_without_a_display_or_with_rays_gpu_the_client_itself_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `agents/ai2thor/client.py` guards against: should this fail one day, a guard can go."""
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.setattr("ai2thor.platform.glob.glob", lambda _: [])
    with pytest.raises(TypeError, match="NoneType"):
        controllers.Controller(local_executable_path="/bin/false", scene=HOUSE)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RuntimeError, match="vulkaninfo"):
        controllers.Controller(local_executable_path="/bin/false", x_display=":0", scene=HOUSE)
    gc.collect()
