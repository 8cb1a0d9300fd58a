"""What the AI2-THOR stand-in answers with: frames and metadata, in the form that the client's events have.

Images are sent bottom row first. Depth is float32 in metres, the far plane where nothing is hit. Normals are
those of the view (x right, y up, z to the viewer), n · 0.5 + 0.5, as AI2-THOR's are. Instances and classes
are colours, which the metadata names.
"""

import math
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from agents.ai2thor.pipes import Field
from agents.ai2thor.standin_world import Camera, World
from agents.ai2thor.unity_camera import fov_intrinsics, from_unity
from agents.cameras import Cameras
from agents.raycast.simulator import RaycastSimulator
from scenes.house.boxes import asset_of
from scenes.house.elements import HouseObject
from scenes.house.labels import label_table

_CLASSES = 1 << 16  # colours of classes are numbered from here, those of instances from 1
_SCRAMBLE = 0x9E3779  # odd, so that numbers below 2^24 and their colours are one to one
_OF_AGENT = (Field.RGB, Field.DEPTH, Field.NORMALS, Field.IDS, Field.CLASSES)
_OF_CAMERA = (
    Field.CAMERA_RGB,
    Field.CAMERA_DEPTH,
    Field.CAMERA_NORMALS,
    Field.CAMERA_IDS,
    Field.CAMERA_CLASSES,
)
_Frames = dict[str, Shaped[np.ndarray, "..."]]


def _colour(number: int) -> list[int]:
    value = number * _SCRAMBLE & 0xFFFFFF
    return [value >> 16, value >> 8 & 255, value & 255]


def _palette(numbers: list[int]) -> UInt8[np.ndarray, "n 4"]:
    """RGBA of each; the first, where nothing is, black."""
    table = np.array([[*_colour(n), 255] for n in numbers], np.uint8)
    table[0] = 0, 0, 0, 255
    return table


class Events:
    """Draws and describes a world."""

    def __init__(self, world: World, device: str) -> None:
        self._world = world
        self._simulator = RaycastSimulator(device)
        self._loaded: object = None
        self._agent_key: object = None
        self._agent: _Frames = {}
        self._classes = _palette([_CLASSES + label.id for label in label_table()])
        self._instances = self._classes[:1]
        self._colours: list[dict[str, Any]] = []

    def event(self, step: dict[str, Any], outcome: dict[str, Any]) -> tuple[dict, list[tuple[int, bytes]]]:
        """Metadata and images after a step; `outcome` holds what became of it."""
        world = self._world
        self._load()
        images: list[tuple[int, bytes]] = []
        # Unity renders no frame, and says nothing of its cameras, where a step asks for none.
        if step.get("renderImage", True):
            frames = self._agent_frames()
            images += self._images(frames, world.agent.camera, _OF_AGENT)
            for camera in world.cameras:
                images += self._images(self._draw(camera), camera, _OF_CAMERA)
            seen = {int(i) for i in np.unique(frames["instance"])}
        else:
            seen = set()
        metadata = {
            "agents": [self._metadata(step, outcome, seen)],
            "thirdPartyCameras": self._cameras(),
            "activeAgentId": 0,
            "sequenceId": step["sequenceId"],
        }
        return metadata, images

    def _load(self) -> None:
        geometry = self._world.geometry
        if self._loaded is geometry:
            return
        self._simulator.load(geometry)
        self._loaded, self._agent_key = geometry, None
        count = max((i.instance_id for i in geometry.instances), default=0)
        self._instances = _palette(list(range(count + 1)))
        names = {label.id: label.name for label in label_table()}
        classes = sorted({i.class_id for i in geometry.instances})
        self._colours = [{"name": i.name, "color": _colour(i.instance_id)} for i in geometry.instances]
        self._colours += [{"name": names[c], "color": _colour(_CLASSES + c)} for c in classes]

    def _agent_frames(self) -> _Frames:
        """Drawn again only if something changed: third-party cameras leave the agent where it is."""
        world = self._world
        key = (world.width, world.height, repr(world.agent))
        if key != self._agent_key:
            self._agent, self._agent_key = self._draw(world.agent.camera), key
        return self._agent

    def _draw(self, camera: Camera) -> _Frames:
        world = self._world
        pose = from_unity(camera.position, camera.rotation)
        k = fov_intrinsics(camera.fov, world.height, world.width)
        cameras = Cameras(pose[None], k[None], world.height, world.width)
        names = ["rgb", "depth", "normals", "instance", "semantic"]
        return {name: v[0] for name, v in self._simulator.render(cameras, names).items()}

    def _images(self, frames: _Frames, camera: Camera, kinds: tuple[Field, ...]) -> list[tuple[int, bytes]]:
        """Fields of one camera: rgb, depth, normals, instances, classes, each where it is asked for."""
        shown = self._world.shown
        depth = frames["depth"].astype(np.float32) / np.float32(1000)
        depth = np.where((depth == 0) | (depth > camera.far), np.float32(camera.far), depth)
        wanted = (
            (True, frames["rgb"]),
            (shown.depth, depth),
            (shown.normals, frames["normals"]),
            (
                shown.instances or (shown.classes and kinds[0] == Field.RGB),
                self._instances[frames["instance"]],
            ),
            (shown.classes, self._classes[frames["semantic"]]),
        )
        return [
            (kind, np.ascontiguousarray(image[::-1]).tobytes())
            for kind, (yes, image) in zip(kinds, wanted, strict=True)
            if yes
        ]

    def _cameras(self) -> list[dict[str, Any]]:
        return [
            {"thirdPartyCameraId": i, "position": c.position, "rotation": c.rotation, "fieldOfView": c.fov}
            for i, c in enumerate(self._world.cameras)
        ]

    def _metadata(self, step: dict[str, Any], outcome: dict[str, Any], seen: set[int]) -> dict[str, Any]:
        world = self._world
        eye = world.agent.camera
        rendered = step.get("renderImage", True)
        coloured = world.shown.instances or world.shown.classes
        return outcome | {
            "agent": {
                "name": "agent",
                "position": world.agent.position,
                "rotation": {"x": 0.0, "y": world.agent.yaw, "z": 0.0},
                "cameraHorizon": world.agent.horizon,
                "isStanding": world.agent.standing,
                "inHighFrictionArea": False,
            },
            "agentId": 0,
            "cameraPosition": eye.position,
            "cameraOrthSize": -1.0,
            "fov": eye.fov,
            "depthFormat": "Meters",
            "screenWidth": world.width,
            "screenHeight": world.height,
            "sceneName": world.scene,
            "standIn": "testspace, not AI2-THOR",
            "objects": self._objects(seen),
            "colors": self._colours if coloured and rendered else None,
            "thirdPartyCameras": self._cameras() if rendered else None,
            "sceneBounds": self._bounds(),
            "inventoryObjects": [],
            "collided": False,
            "collidedObjects": [],
            "isSceneAtRest": True,
        }

    def _objects(self, seen: set[int]) -> list[dict[str, Any]]:
        world = self._world
        numbers = {i.name: i.instance_id for i in world.geometry.instances}
        return [
            _described(item, parent, world, numbers.get(item.id, 0) in seen)
            for item, parent in world.objects
            if world.object_filter is None or item.id in world.object_filter
        ]

    def _bounds(self) -> dict[str, Any] | None:
        regions = self._world.geometry.floor
        if not regions:
            return None
        points = np.concatenate([r.polygon for r in regions])
        low = np.array([points[:, 0].min(), min(r.floor_y for r in regions), (-points[:, 1]).min()])
        high = np.array([points[:, 0].max(), max(r.ceiling_y for r in regions), (-points[:, 1]).max()])
        return {"center": _xyz((low + high) / 2), "size": _xyz(high - low)}


def _described(item: HouseObject, parent: HouseObject | None, world: World, seen: bool) -> dict[str, Any]:
    asset = asset_of(item)
    position = item.position.model_dump()
    distance = math.dist([position[k] for k in "xyz"], [world.agent.position[k] for k in "xyz"])
    size = asset.size if asset else (0.0, 0.0, 0.0)
    return {
        "objectId": item.id,
        "name": item.id,
        "objectType": asset.type if asset else "Undefined",
        "assetId": item.asset_id,
        "position": position,
        "rotation": item.rotation.model_dump(),
        "distance": distance,
        "visible": seen and distance <= world.visibility,
        "parentReceptacles": [parent.id] if parent else None,
        "receptacleObjectIds": [child.id for child in item.children],
        "pickupable": asset is not None and asset.primary_property == "CanPickup",
        "moveable": asset is not None and asset.primary_property == "Moveable",
        "objectOrientedBoundingBox": None,
        "size": _xyz(np.array(size)),
    }


def _xyz(v: np.ndarray) -> dict[str, float]:
    return {k: float(x) for k, x in zip("xyz", v, strict=True)}
