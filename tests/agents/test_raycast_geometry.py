"""Depth, normals and labels against arithmetic, and against a ray caster of a few lines of numpy."""

import numpy as np
import pytest

from agents.cameras import Cameras, look_pose
from agents.raycast.simulator import RaycastSimulator
from scenes.meshes.geometry import SceneGeometry
from tests.agents.rooms_by_hand import CEILING, FLOOR, THING, WALL, cube, placed, pose, room

GEOMETRY = ("depth", "normals", "semantic", "instance")


def look(space: SceneGeometry, cameras: Cameras) -> dict[str, np.ndarray]:
    simulator = RaycastSimulator()
    simulator.load(space)
    return simulator.render(cameras, GEOMETRY)


def test_depth_of_a_wall_is_its_distance_to_the_millimetre() -> None:
    # From (2, 1.25, 5) along -z to the north wall at z = 0: z-depth is 5 m all over it, corner to corner.
    frames = look(room(), Cameras.same(pose((2, 1.25, 5), (1, 0, 0), (0, -1, 0))[None], 90.0, 96, 96))
    north = frames["instance"][0] == 5
    assert north.sum() > 500
    np.testing.assert_array_equal(frames["depth"][0][north], 5000)
    np.testing.assert_array_equal(frames["normals"][0][north], np.tile([128, 128, 255], (north.sum(), 1)))


def test_depth_of_a_floor_follows_from_each_pixels_ray() -> None:
    cameras = Cameras.same(pose((2, 1.25, 5), (1, 0, 0), (0, -1, 0))[None], 90.0, 96, 96)
    frames = look(room(), cameras)
    floor = frames["semantic"][0] == FLOOR
    rows = np.nonzero(floor)[0]
    fy, cy = cameras.intrinsics[0, [1, 3]]
    exact = 1250.0 / ((rows + 0.5 - cy) / fy)  # a height of 1.25 m, seen at this slope
    np.testing.assert_allclose(frames["depth"][0][floor], exact, atol=0.6)
    # The floor faces up, which in the camera's frame is +y.
    np.testing.assert_array_equal(frames["normals"][0][floor], np.tile([128, 255, 128], (floor.sum(), 1)))


def test_left_right_up_and_down_are_where_they_should_be() -> None:
    # Looking along -z from the middle: west (x = 0) is to the left, the ceiling above.
    frames = look(room(), Cameras.same(pose((2, 1.25, 3), (1, 0, 0), (0, -1, 0))[None], 110.0, 65, 65))
    instance, semantic, normals = (frames[k][0] for k in ("instance", "semantic", "normals"))
    assert instance[32, 0] == 3
    assert instance[32, 64] == 4
    assert semantic[0, 32] == CEILING
    assert semantic[64, 32] == FLOOR
    assert instance[32, 32] == 5
    np.testing.assert_array_equal(normals[32, 0], [255, 128, 128])  # the left wall faces right
    np.testing.assert_array_equal(normals[0, 32], [128, 0, 128])  # the ceiling faces down


def test_principal_point_shifts_the_picture() -> None:
    wall = room()
    straight = Cameras.same(pose((2, 1.25, 3), (1, 0, 0), (0, -1, 0))[None], 90.0, 64, 64)
    shifted = Cameras(straight.poses, straight.intrinsics + np.float32([[0, 0, 5, -3]]), 64, 64)
    a, b = look(wall, straight)["depth"][0], look(wall, shifted)["depth"][0]
    np.testing.assert_array_equal(b[:-3, 5:], a[3:, :-5])


def test_a_camera_that_rolls_turns_the_picture() -> None:
    at = np.array([[2.0, 1.25, 3.0]] * 2)
    zero = np.zeros(2)
    frames = look(room(), Cameras.same(look_pose(at, zero, zero, np.array([0.0, np.pi / 2])), 90.0, 64, 64))
    level, banked = frames["semantic"]
    # Clockwise by a quarter turn, the floor comes to the right.
    np.testing.assert_array_equal(banked, np.rot90(level))


def test_nothing_hit_is_zero() -> None:
    open_room = room(without=("north", "ceiling"))
    frames = look(open_room, Cameras.same(pose((2, 1.25, 5), (1, 0, 0), (0, -1, 0))[None], 90.0, 64, 64))
    nothing = frames["instance"][0] == 0
    assert 100 < nothing.sum() < 64 * 64
    for name in GEOMETRY:
        assert not frames[name][0][nothing].any()
        assert (
            frames[name][0][~nothing].any(axis=-1).all()
            if name == "normals"
            else frames[name][0][~nothing].all()
        )
    assert (frames["semantic"][0][~nothing] != WALL).any()


def test_both_sides_of_a_triangle_face_the_viewer() -> None:
    # From outside one sees the outer faces of the slabs, from inside the inner ones; no normal points away.
    outside = pose((2, 1.25, 12), (1, 0, 0), (0, -1, 0))
    inside = pose((2, 1.25, 3), (1, 0, 0), (0, -1, 0))
    frames = look(room(), Cameras.same(np.stack([outside, inside]), 60.0, 48, 48))
    for normals, depth in zip(frames["normals"], frames["depth"], strict=True):
        rays = np.stack(np.meshgrid(*[np.linspace(-1, 1, 48) * np.tan(np.pi / 6)] * 2), axis=-1)
        towards = np.dstack([-rays[..., 0], rays[..., 1], np.ones((48, 48))])
        facing = ((normals / 255.0 * 2 - 1) * towards).sum(-1)
        assert (facing[depth > 0] > -0.02).all()


def reference(space: SceneGeometry, cameras: Cameras) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """z-depth [m], instance and world normal of each ray with each triangle (Moeller and Trumbore, 1997)."""
    corners, owner = [], []
    for instance in space.instances:
        mesh = space.meshes[instance.mesh]
        world = mesh.vertices.astype(float) @ instance.transform[:3, :3].T + instance.transform[:3, 3]
        corners.append(world[mesh.faces])
        owner += [instance.instance_id] * len(mesh.faces)
    a, b, c = np.concatenate(corners).transpose(1, 0, 2)
    rows, columns = np.meshgrid(np.arange(cameras.height), np.arange(cameras.width), indexing="ij")
    fx, fy, cx, cy = cameras.intrinsics[0].astype(float)
    rays = np.stack([(columns + 0.5 - cx) / fx, (rows + 0.5 - cy) / fy, np.ones_like(rows)], -1).reshape(
        -1, 3
    )
    rays = rays @ cameras.poses[0, :3, :3].T
    start = cameras.poses[0, :3, 3]
    e, f = b - a, c - a
    h = np.cross(rays[:, None], f)
    det = (h * e).sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        u = (h * (start - a)).sum(-1) / det
        q = np.cross(start - a, e)
        v = (rays[:, None] * q).sum(-1) / det
        t = (q * f).sum(-1) / det
    t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
    first = t.argmin(1)
    normal = np.cross(e, f)[first]
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    normal[(normal * rays).sum(1) > 0] *= -1
    return t.min(1), np.array(owner)[first], normal


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_an_independent_ray_caster(seed: int) -> None:
    rng = np.random.default_rng(seed)
    things = tuple(
        placed(
            f"t{i}",
            1,
            tuple(rng.uniform(0.5, 2.5, 3)),
            tuple(rng.uniform(0.1, 1, 3)),
            THING,
            20 + i,
            rng.uniform(0, 6),
        )
        for i in range(12)
    )
    space = room(size=(4, 3, 4), extra_meshes=(cube("thing"),), extra=things)
    poses = look_pose(np.array([[3.7, 2.5, 3.7]]), np.array([0.7]), np.array([-0.5]), np.array([0.1]))
    cameras = Cameras.same(poses, 85.0, 40, 56)
    frames = look(space, cameras)
    depth, instance, normal = reference(space, cameras)
    assert len(set(frames["instance"].flat)) > 5
    # A ray that grazes an edge may fall to either side.
    same = frames["instance"].ravel() == instance
    assert same.mean() > 0.998
    np.testing.assert_allclose(frames["depth"].ravel()[same], depth[same] * 1000, atol=0.75)
    in_camera = normal @ poses[0, :3, :3] * [1, -1, -1]
    decoded = frames["normals"].reshape(-1, 3) / 255.0 * 2 - 1
    assert (np.abs(decoded - in_camera)[same].max(1) < 0.01).mean() > 0.998


def test_words_for_geometry_that_frames_cannot_hold() -> None:
    big = room(extra=(placed("far", 0, (1, 0, 1), (1, 1, 1), 300, 9),))
    many = room(extra=(placed("many", 0, (1, 0, 1), (1, 1, 1), 3, 70000),))
    mirrored = room(extra=(placed("mirror", 0, (1, 0, 1), (1, -1, 1), 3, 9),))
    for space, message in ((big, "class 300"), (many, "70000"), (mirrored, "'mirror' mirrors")):
        with pytest.raises(ValueError, match=message):
            RaycastSimulator().load(space)
