"""The simulator `ai2thor`: AI2-THOR 5.0.0 by its own Python client.

    export TESTSPACE_AI2THOR_EXECUTABLE=standin      # or a Unity build; unset: the client downloads its own
    tst collect houses/*.json --simulator ai2thor --store store --role eval --frames 50

A house is built by `CreateHouse`; every camera is a third-party camera. Images are converted to the form of
`agents/modalities.py`: depth in millimetres, normals as they are (AI2-THOR's are of the view, x right, y
up, z to the viewer, and encoded alike), colours of instances and classes turned into our numbers. Free space
is that of our own geometry of the same house, so that poses are those of the other simulators.

`TESTSPACE_AI2THOR_EXECUTABLE=standin` runs Testspace's stand-in for the Unity program, which draws with
Testspace's renderer. Stores say which of the two drew their frames.
"""

import os
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped
from pydantic import Field

from agents.ai2thor.client import (
    STANDIN,
    VERSION,
    check_installed,
    command_for,
    display_for,
    start_controller,
)
from agents.ai2thor.errors import AI2ThorError
from agents.ai2thor.unity_camera import to_unity, vertical_fov
from agents.cameras import Cameras
from agents.edges import canny_edges
from agents.modalities import MODALITIES, check_modalities
from agents.raycast.device_scene import DeviceScene
from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import known_device
from scenes.config import Config
from scenes.house.labels import class_id
from scenes.meshes.geometry import SceneGeometry

NEAR, FAR = 0.01, 80.0  # m; clipping planes of the cameras; depth in uint16 millimetres ends before
_IMAGES = {
    "renderDepthImage": True,
    "renderNormalsImage": True,
    "renderInstanceSegmentation": True,
    "renderSemanticSegmentation": True,
}


class AI2ThorConfig(Config):
    """How AI2-THOR is run."""

    executable: str | None = None
    """A Unity build's executable; `standin`: Testspace's stand-in; None: the build the client downloads."""
    platform: Literal["Linux64", "CloudRendering", "OSXIntel64"] | None = None
    """Of the build that the client downloads: Linux64 (X display) or CloudRendering (Vulkan, no display)."""
    start_timeout: float = Field(default=300.0, gt=0)
    """Seconds until the program's first answer."""
    step_timeout: float = Field(default=100.0, gt=0)
    """Seconds until its answer to a step."""

    @classmethod
    def from_environment(cls) -> "AI2ThorConfig":
        """Read TESTSPACE_AI2THOR_EXECUTABLE and TESTSPACE_AI2THOR_PLATFORM."""
        names = ("executable", "platform")
        return cls.model_validate(
            {n: os.environ.get(f"TESTSPACE_AI2THOR_{n.upper()}") or None for n in names}
        )


def drawn_by(config: AI2ThorConfig | None = None) -> str:
    """Return the renderer's name for a store's provenance. Raises ValueError where the client is missing."""
    check_installed()
    executable = (config or AI2ThorConfig.from_environment()).executable
    if executable == STANDIN:
        return f"ai2thor {VERSION} client, drawn by testspace's stand-in, not by AI2-THOR"
    return f"ai2thor {VERSION} client" + (f", executable {Path(executable).name}" if executable else "")


class AI2ThorSimulator:
    """See `agents/simulator.py` for the protocol. Starts a process of AI2-THOR at the first load."""

    def __init__(self, device: str = "cpu", config: AI2ThorConfig | None = None) -> None:
        """ValueError for a client that is not installed and for an executable that cannot be run."""
        check_installed()
        self.config = AI2ThorConfig.from_environment() if config is None else config
        self.device = known_device(device)
        self._command = command_for(self.config.executable, self.device)
        self._controller: Any = None
        self._close = weakref.finalize(self, lambda: None)
        self._space: SceneGeometry | None = None
        self._free: FreeSpace | None = None
        self._camera = False
        self._numbers: dict[str, int] = {}

    def load(self, space: SceneGeometry) -> None:
        """Builds the space's house in AI2-THOR. ValueError for a space that is not a house, or that AI2-THOR
        refuses; AI2ThorError where its process ends."""
        if space.house is None:
            raise ValueError(
                f"{space.space} was not compiled from a house, and AI2-THOR builds nothing else; "
                f"use the simulator raycast"
            )
        if self._space is not None and self._space.digest == space.digest:
            self._space = space
            return
        self._space = self._free = None
        house = space.house.to_json()
        try:
            event = self._start(house) if self._controller is None else self._controller.reset(house)
        except AI2ThorError:
            self.close()  # the next load starts another process
            raise
        if not event.metadata["lastActionSuccess"]:
            raise ValueError(f"AI2-THOR refuses {space.space}: {event.metadata['errorMessage']}")
        self._space, self._camera = space, False
        self._numbers = {i.name: i.instance_id for i in space.instances}

    def free_space(self) -> FreeSpace:
        """Where in the loaded space a camera may be, by our own geometry of the house."""
        space = self._loaded()
        if self._free is None:
            self._free = FreeSpace(DeviceScene(space, self.device))
        return self._free

    def render(self, cameras: Cameras, modalities: Sequence[str]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """The asked modalities, as `Simulator.render` says. ValueError for intrinsics that Unity cannot
        have: unequal focal lengths, or a centre that is not the image's; AI2ThorError where its process ends.
        """
        check_modalities(tuple(modalities))
        self._loaded()
        n, height, width = len(cameras), cameras.height, cameras.width
        fovs = [vertical_fov(k, height, width) for k in cameras.intrinsics]
        drawn = ("rgb", "depth", "normals", "semantic", "instance")
        frames = {name: MODALITIES[name].empty(n, height, width) for name in drawn}
        try:
            if n:
                self._resize(width, height)
            for i, (pose, fov) in enumerate(zip(cameras.poses, fovs, strict=True)):
                event = self._look(pose, fov)
                for name, image in self._frame(event, height, width).items():
                    frames[name][i] = image
                # An event refers to itself here: its images would stay until the garbage collector runs.
                event.events.clear()
        except AI2ThorError:
            self.close()
            raise
        if "edges" in modalities:
            frames["edges"] = canny_edges(frames["rgb"])
        frames["pose"] = np.array(cameras.poses, np.float64)
        frames["intrinsics"] = np.array(cameras.intrinsics, np.float32)
        return {name: frames[name] for name in modalities}

    def close(self) -> None:
        """Ends AI2-THOR's process; done too when the simulator is dropped. A later load starts another."""
        self._close()
        self._controller = self._space = self._free = None

    def _start(self, house: dict[str, Any]) -> Any:
        self._controller = start_controller(
            house,
            command=self._command,
            display=display_for(self.config.executable, self.config.platform),
            platform=self.config.platform,
            size=(300, 300),
            start_timeout=self.config.start_timeout,
            step_timeout=self.config.step_timeout,
            **_IMAGES,
        )
        self._close = weakref.finalize(self, self._controller.close)
        return self._controller.last_event

    def _resize(self, width: int, height: int) -> None:
        event = self._controller.last_event
        if (event.screen_width, event.screen_height) != (width, height):
            self._controller.step("ChangeResolution", x=width, y=height, raise_for_failure=True)
            # A reset restores the size that the controller stores.
            self._controller.width, self._controller.height = width, height

    def _look(self, pose: np.ndarray, fov: float) -> Any:
        """The event with the camera at a pose."""
        position, rotation = to_unity(pose)
        where = {"position": position, "rotation": rotation, "fieldOfView": fov}
        clip = {"nearClippingPlane": NEAR, "farClippingPlane": FAR}
        name = "UpdateThirdPartyCamera" if self._camera else "AddThirdPartyCamera"
        which = {"thirdPartyCameraId": 0} if self._camera else {}
        event = self._controller.step(name, **which, **where, **clip, raise_for_failure=True)
        if not self._camera:
            self._camera = True
            # Objects that only AI2-THOR's house has are numbered after ours, in the order of their names.
            for other in sorted(event.object_id_to_color.keys() - self._numbers.keys()):
                self._numbers[other] = len(self._numbers) + 1
        return event

    def _frame(self, event: Any, height: int, width: int) -> dict[str, np.ndarray]:
        """The camera's images in our form."""
        metres = event.third_party_depth_frames[0].reshape(height, width)
        hit = metres < 0.999 * FAR
        depth = np.where(hit, np.round(metres * 1000), 0).clip(0, 65535)
        names = event.color_to_object_id
        return {
            "rgb": event.third_party_camera_frames[0][..., :3],  # CloudRendering sends a fourth channel
            "depth": depth,
            "normals": event.third_party_normals_frames[0][..., :3] * hit[..., None],
            "instance": _by_colour(
                event.third_party_instance_segmentation_frames[0], names, self._numbers.__getitem__
            ),
            "semantic": _by_colour(event.third_party_semantic_segmentation_frames[0], names, class_id),
        }

    def _loaded(self) -> SceneGeometry:
        if self._space is None:
            raise ValueError("no space is loaded; call load(space) first")
        return self._space


def _by_colour(
    image: np.ndarray, names: dict[tuple[int, int, int], str], number: Callable[[str], int]
) -> np.ndarray:
    """Map each pixel's colour to the number of its name [h, w]; 0 for a colour without a name."""
    wide = image.astype(np.uint32)
    packed = wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]
    values, where = np.unique(packed, return_inverse=True)
    found = [names.get((int(v) >> 16, int(v) >> 8 & 255, int(v) & 255)) for v in values]
    return np.array([0 if name is None else number(name) for name in found])[where].reshape(packed.shape)
