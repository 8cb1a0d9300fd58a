"""Poses and intrinsics in Unity's words and back."""

import numpy as np
import pytest

from agents.ai2thor.unity_camera import fov_intrinsics, from_unity, to_unity, vertical_fov
from agents.cameras import intrinsics_from_fov, look_pose


def test_unity_looks_along_its_z_and_down_for_a_positive_pitch() -> None:
    pose = from_unity({"x": 1.0, "y": 2.0, "z": 3.0}, {"x": 0.0, "y": 0.0, "z": 0.0})
    np.testing.assert_array_equal(pose[:3, 3], [1, 2, -3])  # the world's z is minus the house's
    np.testing.assert_array_equal(pose[:3, :3], np.diag([1, -1, -1]))  # ahead, +z of Unity, is -z here
    east = from_unity({"x": 0.0, "y": 0.0, "z": 0.0}, {"x": 30.0, "y": 90.0, "z": 0.0})
    np.testing.assert_allclose(east[:3, 2], [np.cos(np.pi / 6), -0.5, 0], atol=1e-12)


def test_there_and_back() -> None:
    rng = np.random.default_rng(0)
    yaw, pitch, roll = rng.uniform(-3.1, 3.1, 50), rng.uniform(-1.57, 1.57, 50), rng.uniform(-3.1, 3.1, 50)
    pitch[:2] = np.pi / 2, -np.pi / 2  # where yaw and roll are one turn
    poses = look_pose(rng.uniform(-9, 9, (50, 3)), yaw, pitch, roll)
    again = np.stack([from_unity(*to_unity(pose)) for pose in poses])
    np.testing.assert_allclose(again, poses, atol=1e-9)
    np.testing.assert_array_equal(again[:, :3, 3], poses[:, :3, 3])


@pytest.mark.parametrize(("height", "width"), [(224, 224), (48, 64), (301, 200)])
def test_fields_of_view_come_back_exactly(height: int, width: int) -> None:
    k = intrinsics_from_fov(75.0, height, width)
    np.testing.assert_array_equal(fov_intrinsics(vertical_fov(k, height, width), height, width), k)


def test_what_unity_cannot_have() -> None:
    with pytest.raises(ValueError, match="square"):
        vertical_fov(np.float32([50, 60, 32, 32]), 64, 64)
    with pytest.raises(ValueError, match=r"middle of the image, got cx = 30.*use cx = 32"):
        vertical_fov(np.float32([50, 50, 30, 32]), 64, 64)
