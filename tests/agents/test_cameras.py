"""Poses and intrinsics mean what `agents/cameras.py` says."""

import numpy as np
import pytest

from agents.cameras import Cameras, intrinsics_from_fov, look_pose
from tests.array_shapes import unchecked


def one_look(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    return look_pose(np.zeros((1, 3)), *(np.array([a]) for a in (yaw, pitch, roll)))[0]


def test_field_of_view_is_horizontal() -> None:
    fx, fy, cx, cy = intrinsics_from_fov(90.0, height=100, width=200)
    np.testing.assert_allclose([fx, fy, cx, cy], [100, 100, 100, 50], rtol=1e-6)


@pytest.mark.parametrize("fov", [0.0, 180.0, -20.0])
def test_impossible_fields_of_view(fov: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 180"):
        intrinsics_from_fov(fov, 64, 64)


def test_level_camera_looks_along_minus_z_with_y_down() -> None:
    pose = one_look()
    np.testing.assert_allclose(pose[:3, 2], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 1], [0, -1, 0], atol=1e-12)
    np.testing.assert_allclose(pose[:3, 0], [1, 0, 0], atol=1e-12)


def test_angles_turn_the_way_they_say() -> None:
    np.testing.assert_allclose(one_look(yaw=np.pi / 2)[:3, 2], [-1, 0, 0], atol=1e-12)
    assert one_look(pitch=0.3)[1, 2] == pytest.approx(np.sin(0.3))  # forward rises
    # Banked clockwise, the camera's right hand sinks.
    assert one_look(roll=0.2)[1, 0] == pytest.approx(-np.sin(0.2))


def test_every_pose_is_a_rotation() -> None:
    rng = np.random.default_rng(0)
    poses = look_pose(rng.normal(size=(50, 3)), *rng.uniform(-1, 1, (3, 50)))
    Cameras.same(poses, 60.0, 8, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [(np.diag([1.0, 1.0, -1.0, 1.0]), "mirrors"), (np.diag([2.0, 2.0, 2.0, 1.0]), "rotation")],
)
def test_poses_that_no_camera_has(change: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Cameras.same(change[None], 60.0, 8, 8)


def test_as_many_intrinsics_as_poses() -> None:
    with unchecked(), pytest.raises(ValueError, match="of the same n"):
        Cameras(np.eye(4)[None], np.zeros((2, 4), np.float32), 8, 8)
