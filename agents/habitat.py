"""The simulator `habitat`: habitat-sim 0.3.x behind our protocol. Written against its recorded interface
(tests/agents/habitat_signatures.json) and never run against the library itself: see
docs/simulators.md.

A Replica folder is loaded by its `habitat/mesh_semantic.ply`, a GLB as it is; a house is first written in
Replica's layout to a temporary folder. Habitat turns Replica's world so that y is up and -z ahead, which is
ours: (x, y, z) stands at (x, z, -y) in both. Its cameras look along -z with y up, ours along z with y down:
half a turn about x.
"""

import math
import tempfile
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Shaped, UInt8
from scipy.spatial.transform import Rotation

from agents.cameras import Cameras
from agents.edges import canny_edges
from agents.modalities import MODALITIES, check_modalities
from agents.normals import normals_from_inverse_depth
from agents.raycast.device_scene import DeviceScene
from agents.raycast.free_space import FreeSpace
from scenes.formats.replica import label_id
from scenes.formats.replica_export import export_replica
from scenes.formats.replica_files import SEMANTIC
from scenes.meshes.geometry import SceneGeometry

BODY_HEIGHT, BODY_RADIUS = 1.5, 0.2
"""Of the body that the navigation mesh is made for [m]."""
_FROM_OPENCV = np.diag([1.0, -1.0, -1.0])
_SENSORS = {"rgb": "COLOR", "depth": "DEPTH", "semantic": "SEMANTIC"}


class HabitatSimulator:
    """See `agents/simulator.py` for the protocol. One at a time in a process: habitat-sim has one GL
    context."""

    def __init__(self, device: str = "auto") -> None:
        # Where it is missing, make_simulator has said so.
        self._api: Any = import_module("habitat_sim")
        self._gpu = int(
            device.partition(":")[2] or 0
        )  # habitat-sim renders on a GPU, or on EGL's software one
        self._space: SceneGeometry | None = None
        self._folder: tempfile.TemporaryDirectory | None = None
        self._sim: Any = None
        self._camera: tuple[int, int, float] | None = None  # height, width, hfov of the running sensors
        self._classes = np.zeros(1, np.uint8)

    def load(self, space: SceneGeometry) -> None:
        """Make `space` the one that is seen; habitat-sim itself starts with the first camera."""
        self.close()
        self._space = space

    def close(self) -> None:
        """Give habitat-sim's window and the temporary folder back."""
        if self._sim is not None:
            self._sim.close(destroy=True)
        if self._folder is not None:
            self._folder.cleanup()
        self._sim, self._folder, self._camera = None, None, None

    def free_space(self) -> FreeSpace:
        """Where in the loaded space a camera may be, asked of its geometry: poses are those of any other
        simulator. What a body can walk on by Habitat's own account, `navigable` tells."""
        return FreeSpace(DeviceScene(self._loaded(), "cpu"))

    def navigable(self, points: Float[np.ndarray, "n 3"]) -> Bool[np.ndarray, "n"]:
        """Whether a body can stand below each point [n, 3], by Habitat's navigation mesh; ValueError
        without one."""
        space = self._loaded()
        if self._camera is None:
            self._start(64, 64, 90.0)
        paths: Any = self._sim.pathfinder
        if not paths.is_loaded:
            raise ValueError(f"habitat-sim made no navigation mesh of {space.space}")
        floors = np.array([r.floor_y for r in space.floor] or [0.0])
        below = np.array([max(floors[floors < y], default=floors.min()) for y in points[:, 1]])
        feet = np.stack([points[:, 0], below, points[:, 2]], 1).astype(np.float32)
        return np.array([paths.is_navigable(pt=p, max_y_delta=0.5) for p in feet], bool)

    def render(self, cameras: Cameras, modalities: Sequence[str]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """The asked modalities, as `Simulator.render` says.

        All of Habitat's sensors see through nothing: a pane of glass has its own depth. ValueError also for
        cameras that Habitat does not have: pixels that are not square, or an axis off the middle.
        """
        check_modalities(tuple(modalities))
        self._loaded()
        n, height, width = len(cameras), cameras.height, cameras.width
        frames = {name: m.empty(n, height, width) for name, m in MODALITIES.items()}
        depth = np.zeros((n, height, width))
        for i in range(n):
            self._start(height, width, _hfov(cameras, i))
            seen = self._look(cameras.poses[i])
            frames["rgb"][i] = seen["rgb"][..., :3]
            depth[i] = np.where(np.isfinite(seen["depth"]), seen["depth"], 0.0)
            objects = np.where(depth[i] > 0, seen["semantic"], 0).astype(np.int64)
            if objects.max(initial=0) > 65535:
                raise ValueError(f"{self._loaded().space} has object {objects.max()}; frames hold 1 to 65535")
            frames["instance"][i] = objects
            frames["semantic"][i] = self._classes[np.minimum(objects, len(self._classes) - 1)]
        frames["depth"][:] = np.where(depth > 0, np.clip(np.round(depth * 1000), 1, 65535), 0)
        frames["normals"] = normals_from_inverse_depth(depth, cameras)
        frames["edges"] = canny_edges(frames["rgb"])
        frames["pose"] = np.array(cameras.poses, np.float64)
        frames["intrinsics"] = np.array(cameras.intrinsics, np.float32)
        return {name: frames[name] for name in modalities}

    def _loaded(self) -> SceneGeometry:
        if self._space is None:
            raise ValueError("no space is loaded; call load(space) first")
        return self._space

    def _start(self, height: int, width: int, hfov: float) -> None:
        """habitat-sim with sensors of this size and horizontal field of view [degrees], if it is not so
        yet."""
        if self._camera == (height, width, hfov):
            return
        scene = self._scene_file()
        if self._sim is not None:
            self._sim.close(destroy=True)
            self._sim = None
        api = self._api
        backend = api.SimulatorConfiguration()
        backend.scene_id = str(scene)
        backend.gpu_device_id = self._gpu
        backend.enable_physics = False
        backend.load_semantic_mesh = True
        backend.navmesh_settings = api.NavMeshSettings()
        backend.navmesh_settings.set_defaults()
        backend.navmesh_settings.agent_height = BODY_HEIGHT
        backend.navmesh_settings.agent_radius = BODY_RADIUS
        agent = api.AgentConfiguration()
        agent.height, agent.radius = BODY_HEIGHT, BODY_RADIUS
        agent.sensor_specifications = [
            self._sensor(u, kind, height, width, hfov) for u, kind in _SENSORS.items()
        ]
        self._sim = api.Simulator(api.Configuration(sim_cfg=backend, agents=[agent]))
        self._classes = object_classes(self._sim.semantic_scene)
        self._camera = (height, width, hfov)

    def _sensor(self, uuid: str, kind: str, height: int, width: int, hfov: float) -> Any:
        spec = self._api.CameraSensorSpec()
        spec.uuid = uuid
        spec.sensor_type = getattr(self._api.SensorType, kind)
        spec.sensor_subtype = self._api.SensorSubType.PINHOLE
        spec.resolution = [height, width]
        spec.hfov = hfov
        spec.position = [0.0, 0.0, 0.0]  # by itself a sensor stands 1.5 m above its agent
        spec.orientation = [0.0, 0.0, 0.0]
        spec.near = 0.01
        return spec

    def _look(self, pose: np.ndarray) -> dict[str, np.ndarray]:
        state = self._api.AgentState()
        state.position, state.rotation = to_habitat(pose)
        self._sim.get_agent(0).set_state(state, reset_sensors=True)
        return self._sim.get_sensor_observations(agent_ids=0)

    def _scene_file(self) -> Path:
        space = self._loaded()
        if space.mesh_file is not None:
            return space.mesh_file
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="testspace-habitat-")
            export_replica(space, Path(self._folder.name))
        return Path(self._folder.name) / SEMANTIC


def to_habitat(pose: Float[np.ndarray, "4 4"]) -> tuple[Float32[np.ndarray, "3"], Float64[np.ndarray, "4"]]:
    """Position [3] and quaternion x, y, z, w [4] of Habitat's agent from our pose [4, 4]."""
    return pose[:3, 3].astype(np.float32), Rotation.from_matrix(pose[:3, :3] @ _FROM_OPENCV).as_quat()


def from_habitat(
    position: Float[np.ndarray, "3"], rotation: Float[np.ndarray, "4"]
) -> Float64[np.ndarray, "4 4"]:
    """Our pose [4, 4] from an agent's position [3] and quaternion x, y, z, w [4]."""
    pose = np.eye(4)
    pose[:3, :3] = Rotation.from_quat(rotation).as_matrix() @ _FROM_OPENCV
    pose[:3, 3] = position
    return pose


def object_classes(scene: Any) -> UInt8[np.ndarray, "ids"]:
    """uint8 class of each object id, from Habitat's `semantic_scene`, and at the end one for ids it does
    not know.

    Its `objects` may hold None, and objects may have no category: these have class 0, "nothing".
    """
    known: dict[int, int] = {}
    for item in [] if scene is None else scene.objects:
        if item is not None and item.category is not None:
            known[int(item.semantic_id)] = label_id(item.category.name())
    classes = np.zeros(max(known, default=0) + 2, np.uint8)
    for number, value in known.items():
        classes[number] = value
    return classes


def _hfov(cameras: Cameras, i: int) -> float:
    fx, fy, cx, cy = (float(v) for v in cameras.intrinsics[i])
    if abs(fx - fy) > 1e-3 * fx or abs(cx - cameras.width / 2) > 0.01 or abs(cy - cameras.height / 2) > 0.01:
        raise ValueError(
            "habitat-sim has cameras of square pixels with their axis in the middle; these have "
            f"fx {fx:g}, fy {fy:g}, cx {cx:g}, cy {cy:g} at {cameras.width} × {cameras.height}"
        )
    return math.degrees(2 * math.atan(cameras.width / (2 * fx)))
