"""Product pictures of meshes: each on its own grey floor, at the same size and from the same direction.

    pictures = photograph([library.mesh(asset) for asset in assets], size=200)

Each mesh is scaled to the same extent, so that a fork fills its picture as a bed does. The view is from the
front, a little from the right and from above.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from agents.cameras import Cameras, look_pose
from agents.raycast.simulator import RaycastConfig, RaycastSimulator
from scenes.meshes.geometry import FloorRegion, Instance, Light, Mesh, SceneGeometry, Sky
from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder

SPACING_M = 6.0  # between objects, so that none is in another's picture
EXTENT_M = 1.0  # diagonal of an object's box after scaling
FOV_DEG = 26.0
DISTANCE_M = 2.45
GAIN = 3.4  # exposure
BATCH = 24  # objects in one space
_SUN = Light("directional", (2.4, 2.3, 2.1), direction=(-0.42, -0.76, -0.5))
_SKY = Sky(zenith=(0.75, 0.78, 0.82), horizon=(0.72, 0.73, 0.74), ground=(0.5, 0.5, 0.5))


def photograph(
    meshes: Sequence[Mesh], size: int, yaw_deg: float = 32.0, pitch_deg: float = 24.0, arrows: bool = False
) -> UInt8[np.ndarray, "n size size 3"]:
    """Render a picture of each mesh; a mesh's front faces +z.

    The camera is `yaw_deg` degrees to the right of the front and looks down by `pitch_deg` degrees. With
    `arrows` a red bar on the floor points the way the front faces.
    """
    rows = [
        _photograph(meshes[i : i + BATCH], size, yaw_deg, pitch_deg, arrows)
        for i in range(0, len(meshes), BATCH)
    ]
    return np.concatenate(rows) if rows else np.zeros((0, size, size, 3), np.uint8)


def _photograph(
    meshes: Sequence[Mesh], size: int, yaw_deg: float, pitch_deg: float, arrows: bool
) -> np.ndarray:
    stage = _stage(meshes, arrows)
    simulator = RaycastSimulator(config=RaycastConfig(exposure=GAIN))
    simulator.load(stage)
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    back = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)]) * DISTANCE_M
    middles = np.array([_scale(m) * np.ptp(m.vertices[:, 1]) / 2 for m in meshes])
    places = np.array([[SPACING_M * i, y, 0.0] for i, y in enumerate(middles)]) + back
    count = len(meshes)
    poses = look_pose(places, np.full(count, yaw), np.full(count, -pitch), np.zeros(count))
    # Rendered twice as large, then averaged: thin legs and cutlery keep no gaps.
    large = simulator.render(Cameras.same(poses, FOV_DEG, 2 * size, 2 * size), ["rgb"])["rgb"]
    fine = large.reshape(count, size, 2, size, 2, 3).astype(np.float32) ** 2.2
    return np.rint(fine.mean((2, 4)) ** (1 / 2.2)).astype(np.uint8)


def _scale(mesh: Mesh) -> float:
    return EXTENT_M / float(np.linalg.norm(np.ptp(mesh.vertices, axis=0)))


def _stage(meshes: Sequence[Mesh], arrows: bool) -> SceneGeometry:
    builder = MeshBuilder()
    long, half = SPACING_M * len(meshes), SPACING_M
    builder.box((-half, -0.1, -half), (long, 0.0, half), finish("plain", (0.74, 0.74, 0.73)))
    things: list[Mesh] = [builder.mesh("studio floor")]
    instances = [Instance("floor", 0, np.eye(4), 0, 1)]
    arrow = MeshBuilder()
    red = finish("plain", (0.9, 0.1, 0.1))
    arrow.rod((0, 0.01, 0.0), (0, 0.01, 0.16), 0.012, red)
    arrow.rod((0, 0.01, 0.16), (0, 0.01, 0.24), 0.035, red, tip=0.001)
    if arrows:
        things.append(arrow.mesh("studio arrow"))
    for i, mesh in enumerate(meshes):
        low, high, scale = mesh.vertices.min(0), mesh.vertices.max(0), _scale(mesh)
        matrix = np.diag([scale, scale, scale, 1.0])
        matrix[:3, 3] = np.array([SPACING_M * i, 0.0, 0.0]) - scale * np.array([*_middle(low, high)])
        things.append(mesh)
        instances.append(Instance(f"thing {i}", len(things) - 1, matrix, 0, len(instances) + 1))
        if arrows:
            at = np.eye(4)
            at[:3, 3] = SPACING_M * i, 0.0, scale * (high[2] - low[2]) / 2
            instances.append(Instance(f"arrow {i}", 1, at, 0, len(instances) + 1))
    ground = np.array([[-half, -half], [long, -half], [long, half], [-half, half]])
    region = FloorRegion("studio", "Studio", ground, 0.0, 3.0)
    return SceneGeometry("studio", "studio", tuple(things), tuple(instances), (_SUN,), (region,), _SKY)


def _middle(low: np.ndarray, high: np.ndarray) -> tuple[float, float, float]:
    """Point of a mesh that is placed on the floor: the centre of its box's bottom."""
    return float(low[0] + high[0]) / 2, float(low[1]), float(low[2] + high[2]) / 2
