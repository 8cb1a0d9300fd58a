"""The simulator `raycast`: NVIDIA Warp casts a ray for each pixel, on a CPU core or a CUDA device.

    simulator = make_simulator("raycast")
    simulator.load(compile_house(house))
    frames = simulator.render(Cameras.same(poses, fov_deg=90, height=224, width=224), ["rgb", "depth"])

It renders textures with mip levels, interpolated normals, the space's lamps and sun with shadow rays,
indirect light from probes, ambient occlusion from a distance field, glass, and a tone curve with exposure by
room. The probes are baked when colour is first rendered.

Glass: rgb shows what is behind it, with its tint and reflection. Depth, normals, semantic and instance are
those of the closest opaque surface behind it, as of a range finder through a clean pane; where nothing is
behind, they are the pane's own, so that a window on the sky is labelled a window.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
import warp as wp
from jaxtyping import Shaped
from pydantic import Field

from agents.cameras import Cameras
from agents.edges import canny_edges
from agents.modalities import MODALITIES, check_modalities
from agents.raycast import kernel_render as kernels
from agents.raycast.device_scene import DeviceScene
from agents.raycast.free_space import FreeSpace
from agents.raycast.light_probes import LightProbes, bake
from agents.raycast.warp_runtime import start_warp
from scenes.config import Config
from scenes.meshes.geometry import SceneGeometry

_DRAWN = ("rgb", "depth", "normals", "semantic", "instance")


class RaycastConfig(Config):
    """How the raycast simulator draws."""

    samples: int = Field(default=0, ge=0, le=16)
    """Colour samples a pixel, a square number; 0 = 4 for images under 128 px on the shorter side, else 1."""
    edge_samples: int = Field(default=0, ge=0, le=16)
    """Colour samples of a pixel on an edge, a square number; 0 = as any other pixel. Thin objects are then
    drawn without gaps, at a fraction of the cost of as many samples everywhere."""
    shadows: bool = True
    """Whether lamps cast shadows."""
    lamp_rays: int = Field(default=1, ge=1, le=64)
    """Shadow rays per lamp and colour sample: 1 gives hard shadows, 12 or more those of an area light."""
    exposure: float = Field(default=1.0, gt=0)
    """Factor on the exposure that follows from the room's brightness."""


FINE = RaycastConfig(edge_samples=9, lamp_rays=16)
"""Smooth edges and soft shadows, for pictures; 2.6 times the cost of the default."""


class RaycastSimulator:
    """See `agents/simulator.py` for the protocol. Several may live in one process; they share meshes."""

    def __init__(self, device: str = "cpu", config: RaycastConfig | None = None) -> None:
        self.config = RaycastConfig() if config is None else config
        self.device = known_device(device)
        for samples in (self.config.samples, self.config.edge_samples):
            if round(samples**0.5) ** 2 != samples:
                raise ValueError(f"samples a pixel must be a square number (1, 4, 9, 16), got {samples}")
        self._scene: DeviceScene | None = None
        self._probes: LightProbes | None = None

    def load(self, space: SceneGeometry) -> None:
        """Put the space on the device. Raises ValueError for geometry that cannot be drawn."""
        self._scene = DeviceScene(space, self.device)
        self._probes = None  # baked when colour is first rendered: depth and labels need no light

    def free_space(self) -> FreeSpace:
        """Where in the loaded space a camera may be."""
        return FreeSpace(self._loaded())

    def render(self, cameras: Cameras, modalities: Sequence[str]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """Render the named modalities as `Simulator.render` does; depth, normals and labels share one hit."""
        check_modalities(tuple(modalities))
        scene = self._loaded()
        n, height, width = len(cameras), cameras.height, cameras.width
        wanted = set(modalities)
        colour = bool(wanted & {"rgb", "edges"}) and n > 0
        if colour and self._probes is None and not scene.geometry.captured:
            self._probes = bake(scene)
        drawn = self._draw(scene, cameras, round(self.samples(cameras) ** 0.5) if colour else 0)
        frames: dict[str, np.ndarray] = {
            name: array.numpy().reshape(n, *MODALITIES[name].frame_shape(height, width))
            for name, array in drawn.items()
            if name in wanted or (name == "rgb" and "edges" in wanted)
        }
        if "edges" in wanted:
            frames["edges"] = canny_edges(frames["rgb"])
        frames["pose"] = np.array(cameras.poses, np.float64)
        frames["intrinsics"] = np.array(cameras.intrinsics, np.float32)
        return {name: frames[name] for name in modalities}

    def _draw(self, scene: DeviceScene, cameras: Cameras, grid: int) -> dict[str, wp.array]:
        n, pixels = len(cameras), len(cameras) * cameras.height * cameras.width
        device = self.device
        probes = self._probes if self._probes is not None else _unlit(device)
        positions = cameras.poses[:, :3, 3]
        gain = probes.exposure_at(positions) * self.config.exposure
        out = {
            "rgb": wp.zeros((pixels if grid else 0, 3), dtype=wp.uint8, device=device),
            "depth": wp.zeros(pixels, dtype=wp.uint16, device=device),
            "normals": wp.zeros((pixels, 3), dtype=wp.uint8, device=device),
            "semantic": wp.zeros(pixels, dtype=wp.uint8, device=device),
            "instance": wp.zeros(pixels, dtype=wp.uint16, device=device),
        }
        if n:
            inputs = [
                scene.space,
                probes.rooms,
                wp.array(cameras.poses[:, :3, :3].astype(np.float32), dtype=wp.mat33, device=device),
                wp.array(positions.astype(np.float32), dtype=wp.vec3, device=device),
                wp.array(cameras.intrinsics.astype(np.float32), dtype=wp.vec4, device=device),
                wp.array(gain.astype(np.float32), dtype=float, device=device),
                cameras.height,
                cameras.width,
            ]
            rays = self.config.lamp_rays if self.config.shadows else 0
            finer = round(self.config.edge_samples**0.5)
            passes = [(grid, rays, 0), (finer, rays, 1)] if 0 < grid < finer else [(grid, rays, 0)]
            for pass_options in passes:
                arrays = [out[name] for name in _DRAWN]
                wp.launch(kernels.render, pixels, [*inputs, *pass_options], arrays, device=device)
        return out

    def samples(self, cameras: Cameras) -> int:
        """Return the colour samples per pixel: by default 4 in small images (wide pixels), else 1."""
        return self.config.samples or (4 if min(cameras.height, cameras.width) < 128 else 1)

    def _loaded(self) -> DeviceScene:
        if self._scene is None:
            raise ValueError("no space is loaded; call load(space) first")
        return self._scene


def fine_simulator(device: str = "cpu") -> RaycastSimulator:
    """Make a raycast simulator with soft shadows and smooth edges (`FINE`)."""
    return RaycastSimulator(device, FINE)


@cache
def _unlit(device: str) -> LightProbes:
    """Light of an empty space, passed to the kernel where no colour is rendered."""
    return bake(DeviceScene(SceneGeometry("nothing", "", (), (), (), ()), device))


def known_device(device: str) -> str:
    """The Warp device of that name; "auto" is CUDA where there is one. ValueError names the choices."""
    start_warp()
    if device == "auto":
        return "cuda:0" if wp.is_cuda_available() else "cpu"
    try:
        return str(wp.get_device(device))
    except Exception as error:
        choices = ", ".join(str(d) for d in wp.get_devices())
        raise ValueError(f"device {device!r} is not there; choose from {choices}") from error
