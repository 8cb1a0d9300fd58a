"""A module that has habitat-sim's recorded interface and nothing else, for testing the adapter.

It draws with our own renderer what a camera at the agent's state would see, found from position and
quaternion by the rule that Habitat states: looking along -z, y up. Any name, field, argument or method that
habitat_signatures.json does not list is an AttributeError or a TypeError, as it would be in the library.
"""

import inspect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from agents.cameras import Cameras
from agents.raycast.simulator import RaycastSimulator
from scenes.meshes.geometry import SceneGeometry

RECORDED = json.loads((Path(__file__).parent / "habitat_signatures.json").read_text())
ACTS: dict[str, dict[str, Any]] = {}


def _signature(names: list[str]) -> inspect.Signature:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter(
                n.rstrip("="), kind, default=None if n.endswith("=") else inspect.Parameter.empty
            )
            for n in names
        ]
    )


class Recorded:
    """One object of the stub: keeps to what is recorded of its class, and does what `acts` says."""

    def __init__(self, kind: str, acts: dict[str, Any], values: dict[str, Any]) -> None:
        object.__setattr__(self, "_kind", kind)
        object.__setattr__(self, "_acts", acts)
        object.__setattr__(self, "_values", values)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in RECORDED["classes"][self._kind]["fields"]:
            raise AttributeError(f"{self._kind} has no field {name}")
        self._values[name] = value

    def __getattr__(self, name: str) -> Any:
        known = RECORDED["classes"][self._kind]
        if name in known.get("methods", {}):
            signature = _signature(known["methods"][name])

            def method(*args: Any, **kwargs: Any) -> Any:
                bound = signature.bind(*args, **kwargs)
                return self._acts[name](**bound.arguments)

            return method
        if name in known.get("properties", []):
            return self._acts[name]()
        if name in known["fields"] and name in self._values:
            return self._values[name]
        raise AttributeError(f"{self._kind} has no {name} recorded")


def _plain(kind: str) -> Any:
    signature = _signature(RECORDED["classes"][kind]["init"])

    def make(*args: Any, **kwargs: Any) -> Recorded:
        return Recorded(kind, {"set_defaults": lambda: None}, dict(signature.bind(*args, **kwargs).arguments))

    return make


def pose_of(position: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Our pose of an agent: its axes are the quaternion's (x, y, z, w) images of x, y and -z."""
    q, w = np.asarray(rotation[:3], float), float(rotation[3])

    def turned(v: tuple[int, int, int]) -> np.ndarray:
        return np.array(v) + 2 * np.cross(q, np.cross(q, v) + w * np.array(v))

    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = turned((1, 0, 0)), -turned((0, 1, 0)), turned((0, 0, -1))
    pose[:3, 3] = position
    return pose


class Stub:
    """`Stub(space).module` stands in for the package; `opened` and `closed` count simulators."""

    def __init__(self, space: SceneGeometry, names: dict[int, str | None]) -> None:
        self.space, self.names = space, names
        self.opened = self.closed = 0
        self.configuration: Any = None
        kinds = ("SimulatorConfiguration", "NavMeshSettings", "CameraSensorSpec", "AgentConfiguration")
        values = {kind: _plain(kind) for kind in (*kinds, "AgentState", "Configuration")}
        enums = {name: SimpleNamespace(**{v: v for v in names}) for name, names in RECORDED["enums"].items()}
        self.module = SimpleNamespace(**values, **enums, Simulator=self._simulator)

    def _simulator(self, *args: Any, **kwargs: Any) -> Recorded:
        bound = _signature(RECORDED["classes"]["Simulator"]["init"]).bind(*args, **kwargs)
        self.configuration = config = bound.arguments["config"]
        self.opened += 1
        drawer = RaycastSimulator()
        drawer.load(self.space)
        state: dict[str, np.ndarray] = {}

        def set_state(state_: Any = None, **given: Any) -> None:
            new = state_ if state_ is not None else given["state"]
            assert np.isclose(np.linalg.norm(new.rotation), 1.0, rtol=1e-4)
            state["pose"] = pose_of(new.position, new.rotation)

        def observe(agent_ids: int = 0) -> dict[str, np.ndarray]:
            assert agent_ids == 0
            return {
                s.uuid: _observed(drawer, state["pose"], s) for s in config.agents[0].sensor_specifications
            }

        def close(destroy: bool = True) -> None:
            self.closed += 1

        agent = Recorded("Agent", {"set_state": set_state}, {})
        paths = {
            "is_loaded": lambda: True,
            "is_navigable": lambda pt, max_y_delta: 0 < pt[0] < 4 and pt[1] == 0,
        }
        acts = {
            "get_agent": lambda agent_id: agent,
            "get_sensor_observations": observe,
            "close": close,
            "pathfinder": lambda: Recorded("PathFinder", paths, {}),
            "semantic_scene": self._scene,
        }
        return Recorded("Simulator", acts, {})

    def _scene(self) -> Recorded:
        objects: list[Recorded | None] = [None] * (max(self.names) + 1)
        for number, name in self.names.items():
            category = (
                None
                if name is None
                else Recorded("SemanticCategory", {"name": lambda mapping="", name=name: name}, {})
            )
            acts = {"semantic_id": lambda n=number: n, "category": lambda c=category: c}
            objects[number] = Recorded("SemanticObject", acts, {})
        return Recorded("SemanticScene", {"objects": lambda: objects}, {})


def _observed(drawer: RaycastSimulator, pose: np.ndarray, spec: Any) -> np.ndarray:
    assert spec.sensor_subtype == "PINHOLE"
    assert list(spec.position) == [0, 0, 0]
    height, width = spec.resolution
    cameras = Cameras.same(pose[None], float(spec.hfov), height, width)
    if spec.sensor_type == "COLOR":
        rgb = drawer.render(cameras, ["rgb"])["rgb"][0]
        return np.concatenate([rgb, np.full((height, width, 1), 255, np.uint8)], 2)
    if spec.sensor_type == "DEPTH":
        return (drawer.render(cameras, ["depth"])["depth"][0] / 1000).astype(np.float32)
    assert spec.sensor_type == "SEMANTIC"
    return drawer.render(cameras, ["instance"])["instance"][0].astype(np.uint32)
