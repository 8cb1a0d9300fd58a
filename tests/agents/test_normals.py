"""Normals from depth against those of the renderer, in rooms of planes."""

import numpy as np
import pytest

from agents.cameras import Cameras, look_pose
from agents.normals import normals_from_inverse_depth
from agents.raycast.simulator import RaycastSimulator
from tests.agents.rooms_by_hand import THING, cube, placed, room


def _angles(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Degrees between encoded normals."""
    a, b = first / 255 * 2 - 1, second / 255 * 2 - 1
    a, b = (v / np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b))
    return np.degrees(np.arccos(np.clip((a * b).sum(-1), -1, 1)))


@pytest.fixture(scope="module")
def seen() -> tuple[Cameras, dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    places = rng.uniform((0.4, 0.4, 0.4), (3.6, 2.1, 5.6), (12, 3))
    poses = look_pose(places, rng.uniform(-3, 3, 12), rng.uniform(-0.5, 0.5, 12), rng.uniform(-0.2, 0.2, 12))
    cameras = Cameras.same(poses, 80.0, 96, 128)
    thing = placed("box", 1, (1.8, 0.0, 2.5), (0.8, 0.6, 0.5), THING, 7, turn=0.4)
    simulator = RaycastSimulator()
    simulator.load(room(extra_meshes=(cube("box"),), extra=(thing,)))
    return cameras, simulator.render(cameras, ["depth", "normals"])


def test_planes_have_their_normals(seen):
    cameras, frames = seen
    found = normals_from_inverse_depth(frames["depth"] / 1000, cameras)
    angles = _angles(found, frames["normals"])
    assert np.median(angles) < 1.0  # a byte a component and whole millimetres: what can be had
    assert (angles < 5.0).mean() > 0.97


def test_exact_depth_gives_exact_normals():
    """A tilted plane, its depth to the last bit: right up to the border of the image."""
    cameras = Cameras.same(np.eye(4)[None], 70.0, 40, 60)
    fx, fy, cx, cy = cameras.intrinsics[0].astype(float)
    u, v = (np.arange(60) + 0.5 - cx) / fx, (np.arange(40)[:, None] + 0.5 - cy) / fy
    n = np.array([0.3, -0.5, -0.8]) / np.linalg.norm([0.3, -0.5, -0.8])
    depth = -2.0 / (n[0] * u + n[1] * v + n[2])
    found = normals_from_inverse_depth(depth[None], cameras)
    want = np.round((n * (1, -1, -1) * 0.5 + 0.5) * 255)
    np.testing.assert_array_equal(found[0], np.broadcast_to(want, (40, 60, 3)))


def test_where_nothing_was_hit():
    cameras = Cameras.same(np.eye(4)[None], 70.0, 20, 20)
    depth = np.full((1, 20, 20), 2.0)
    depth[0, :, :8], depth[0, 5, 15] = 0.0, np.inf
    found = normals_from_inverse_depth(depth, cameras)
    assert not found[0, :, :8].any()
    assert not found[0, 5, 15].any()
    np.testing.assert_array_equal(found[0, 10, 8:], np.tile([128, 128, 255], (12, 1)))
    assert not normals_from_inverse_depth(np.zeros((1, 20, 20)), cameras).any()
    with pytest.raises(ValueError, match="1 cameras 20 × 20"):
        normals_from_inverse_depth(np.zeros((1, 20, 21)), cameras)
