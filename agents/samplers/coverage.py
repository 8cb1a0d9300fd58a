"""How much of a space frames have seen: fractions of its floor and of its visible surfaces.

`floor`: of the floor cells above which a camera could be, those within NEAR of a camera in plan.
`surface`: of the voxels with a visible surface, those that the depth of some frame falls into. Visible is
what REFERENCE views of the dense sampler with seed 0 see; this excludes the insides of walls and cupboards,
which a fraction of all triangles would not. Depth is subsampled, so that measuring costs little.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt16
from scipy.spatial import KDTree

from agents.cameras import Cameras
from agents.raycast.free_space import FreeSpace
from agents.samplers.floor_cells import floor_cells
from agents.samplers.registry import sample_poses
from agents.samplers.sampling import CLEARANCE
from agents.simulator import Simulator

NEAR = 0.5
"""Distance in plan from a camera within which floor counts as covered [m]."""
CELL = 0.25
"""Side of a floor cell [m]."""
VOXEL = 0.25
"""Side of a voxel [m]."""
REFERENCE = 96
"""Views that define which surfaces are visible."""
PIXELS = 48
"""Rows and columns to which depth is subsampled, about."""
_HEIGHTS = tuple((h, CLEARANCE) for h in (0.4, 0.9, 1.4, 1.9))


@dataclass(frozen=True, eq=False)
class Coverage:
    """What frames cover of one space; `a | b` is the union."""

    floor: Bool[np.ndarray, "cells"]
    surface: Bool[np.ndarray, "voxels"]

    def __or__(self, other: "Coverage") -> "Coverage":
        return Coverage(self.floor | other.floor, self.surface | other.surface)

    @property
    def shares(self) -> tuple[float, float]:
        """Covered fractions of the floor and of the surfaces."""
        return float(self.floor.mean()), float(self.surface.mean())


class CoverageMeter:
    """Measures the coverage of frames of the space that the simulator has loaded."""

    def __init__(self, simulator: Simulator) -> None:
        space: FreeSpace = simulator.free_space()
        self._cells = floor_cells(space, _HEIGHTS, every=False, cell=CELL).places[:, [0, 2]]
        poses = sample_poses("dense", space, REFERENCE, np.random.default_rng(0))
        cameras = Cameras.same(poses, 100.0, PIXELS, PIXELS)
        depth = simulator.render(cameras, ["depth"])["depth"]
        self._voxels = np.unique(_voxels(depth, cameras.poses, cameras.intrinsics))

    def measure(
        self,
        depth: UInt16[np.ndarray, "n h w"],
        poses: Float[np.ndarray, "n 4 4"],
        intrinsics: Float[np.ndarray, "n 4"],
    ) -> Coverage:
        """Return what frames cover, from their true depth [mm]."""
        near = np.zeros(len(self._cells), bool)
        if len(poses) and len(near):
            near = KDTree(poses[:, [0, 2], 3]).query(self._cells)[0] <= NEAR
        return Coverage(near, np.isin(self._voxels, _voxels(depth, poses, intrinsics)))


def _voxels(depth: np.ndarray, poses: np.ndarray, intrinsics: np.ndarray) -> Int[np.ndarray, "k"]:
    """Key of the voxel of each subsampled pixel that hit something."""
    height, width = depth.shape[1:]
    rows = np.arange(0, height, max(1, height // PIXELS))
    columns = np.arange(0, width, max(1, width // PIXELS))
    z = depth[:, rows[:, None], columns] / 1000.0
    fx, fy, cx, cy = (intrinsics[:, k, None].astype(float) for k in range(4))
    x = z * ((columns + 0.5 - cx) / fx)[:, None, :]
    y = z * ((rows + 0.5 - cy) / fy)[:, :, None]
    points = np.stack([x, y, z], axis=-1).reshape(len(z), -1, 3)
    world = points @ poses[:, :3, :3].swapaxes(1, 2) + poses[:, None, :3, 3]
    # Offset by 0.37 voxels: walls lie on round coordinates, and one on a voxel border would alternate.
    cube = np.floor(world[z.reshape(len(z), -1) > 0] / VOXEL + 0.37).astype(np.int64) + (1 << 20)
    return (cube[:, 0] << 42) | (cube[:, 1] << 21) | cube[:, 2]
