"""Camera poses and intrinsics.

A pose maps camera to world: its columns are the camera's x (right), y (down) and z (forward) axes and its
position, in the right-handed, y-up world of `scenes/meshes/geometry.py`. Pixel (row r, column c) is sampled
at (c + 0.5, r + 0.5), so the principal point of a camera without offset is (width / 2, height / 2).
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64, Real


@dataclass(frozen=True, eq=False)
class Cameras:
    """A batch of pinhole cameras of one image size."""

    poses: Float64[np.ndarray, "n 4 4"]  # camera to world, OpenCV axes, metres
    intrinsics: Float32[np.ndarray, "n 4"]  # fx, fy, cx, cy, pixels
    height: int  # pixels
    width: int  # pixels

    def __post_init__(self) -> None:
        n = len(self.poses)
        if self.poses.shape != (n, 4, 4) or self.intrinsics.shape != (n, 4):
            raise ValueError(
                f"cameras need poses [n, 4, 4] and intrinsics [n, 4] of the same n, "
                f"got {self.poses.shape} and {self.intrinsics.shape}"
            )
        if self.height < 1 or self.width < 1:
            raise ValueError(f"an image needs at least one pixel, got {self.height} × {self.width}")
        rotation = self.poses[:, :3, :3]
        if n and not np.allclose(rotation @ rotation.swapaxes(1, 2), np.eye(3), atol=1e-5):
            raise ValueError("a pose's upper left 3 × 3 must be a rotation (no scale, no shear)")
        if n and not (np.linalg.det(rotation) > 0).all():
            raise ValueError("a pose mirrors; poses are right-handed: x right, y down, z forward")

    def __len__(self) -> int:
        return len(self.poses)

    @classmethod
    def same(cls, poses: Float[np.ndarray, "n 4 4"], fov_deg: float, height: int, width: int) -> "Cameras":
        """All with one field of view (horizontal, degrees)."""
        return cls.each(poses, np.full(len(poses), fov_deg), height, width)

    @classmethod
    def each(
        cls, poses: Float[np.ndarray, "n 4 4"], fov_deg: Real[np.ndarray, "n"], height: int, width: int
    ) -> "Cameras":
        """Each with a field of view of its own (horizontal, degrees)."""
        known = {angle: intrinsics_from_fov(angle, height, width) for angle in set(fov_deg.tolist())}
        lenses = [known[angle] for angle in fov_deg.tolist()]
        return cls(np.asarray(poses, np.float64), np.array(lenses, np.float32).reshape(-1, 4), height, width)


def intrinsics_from_fov(fov_deg: float, height: int, width: int) -> Float32[np.ndarray, "4"]:
    """fx, fy, cx, cy [px] of square pixels with a horizontal field of view of `fov_deg` degrees."""
    if not 0.0 < fov_deg < 180.0:
        raise ValueError(f"a field of view lies between 0 and 180 degrees, got {fov_deg}")
    f = 0.5 * width / math.tan(math.radians(fov_deg) / 2)
    return np.array([f, f, width / 2, height / 2], np.float32)


def look_pose(
    position: Float[np.ndarray, "n 3"],
    yaw: Float[np.ndarray, "n"],
    pitch: Float[np.ndarray, "n"],
    roll: Float[np.ndarray, "n"],
) -> Float64[np.ndarray, "n 4 4"]:
    """Poses from places and angles in radians.

    Yaw turns about the world's y, 0 looking along -z and a quarter turn along -x; a positive pitch looks
    up; a positive roll turns the camera clockwise about its own line of sight.
    """
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)
    cy, cp, cr = np.cos(yaw), np.cos(pitch), np.cos(roll)
    sy, sp, sr = np.sin(yaw), np.sin(pitch), np.sin(roll)
    turn = _matrices(cy, zero, sy, zero, one, zero, -sy, zero, cy)
    tilt = _matrices(one, zero, zero, zero, cp, -sp, zero, sp, cp)
    bank = _matrices(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    poses = np.tile(np.eye(4), (len(yaw), 1, 1))
    # Turn and tilt know a camera that looks along -z with y up; OpenCV's looks along z with y down.
    poses[:, :3, :3] = turn @ tilt @ np.diag([1.0, -1.0, -1.0]) @ bank
    poses[:, :3, 3] = position
    return poses


def _matrices(*entries: np.ndarray) -> np.ndarray:
    return np.stack(entries, axis=-1).reshape(-1, 3, 3)
