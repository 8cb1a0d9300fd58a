"""Free space and the dense sampler: clear of surfaces, inside no thing, the same for the same seed."""

import numpy as np
import pytest

from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import RaycastSimulator
from agents.samplers.registry import sample_poses
from agents.samplers.sampling import CLEARANCE, MOST_ROLL, PITCH, SIGHT
from scenes.meshes.geometry import Material, SceneGeometry
from tests.agents.rooms_by_hand import PANE, THING, cube, placed, room


def free(space: SceneGeometry) -> FreeSpace:
    simulator = RaycastSimulator()
    simulator.load(space)
    return simulator.free_space()


def furnished() -> SceneGeometry:
    cupboard = placed("cupboard", 1, (0.4, 0.0, 0.4), (1.6, 2.0, 1.8), THING, 10, turn=0.2)
    return room(extra_meshes=(cube("cupboard"),), extra=(cupboard,))


def finer(space: SceneGeometry) -> SceneGeometry:
    """The same space with every side cut into so many triangles that no part counts as small."""
    from dataclasses import replace

    from agents.raycast.device_meshes import SMALL

    meshes = []
    for mesh in space.meshes:
        vertices, normals, uvs, faces = mesh.vertices, mesh.normals, mesh.uvs, mesh.faces
        while len(faces) <= SMALL:
            corner = [vertices[faces[:, k]] for k in range(3)]
            bent = [normals[faces[:, k]] for k in range(3)]
            at = [uvs[faces[:, k]] for k in range(3)]

            def quarters(a: list[np.ndarray]) -> np.ndarray:
                ab, bc, ca = (a[0] + a[1]) / 2, (a[1] + a[2]) / 2, (a[2] + a[0]) / 2
                return np.stack([a[0], ab, ca, ab, a[1], bc, ca, bc, a[2], ab, bc, ca], 1).reshape(
                    -1, a[0].shape[1]
                )

            vertices, normals, uvs = quarters(corner), quarters(bent), quarters(at)
            faces = np.arange(len(vertices), dtype=np.int32).reshape(-1, 3)
        key = f"{mesh.key}-fine"
        ids = np.zeros(len(faces), np.int32)
        meshes.append(
            replace(mesh, key=key, vertices=vertices, normals=normals, uvs=uvs, faces=faces, material_ids=ids)
        )
    return replace(space, meshes=tuple(meshes))


def box_distance(points: np.ndarray, space: SceneGeometry) -> np.ndarray:
    """Exact distance to the surface of the nearest of the space's stretched unit cubes."""
    least = np.full(len(points), np.inf)
    for instance in space.instances:
        size = np.linalg.norm(instance.transform[:3, :3], axis=0)
        turn = instance.transform[:3, :3] / size
        local = (points - instance.transform[:3, 3]) @ turn
        outside = np.linalg.norm(np.maximum(np.maximum(-local, local - size), 0), axis=1)
        inside = np.minimum(local, size - local).min(1)
        least = np.minimum(least, np.where(outside > 0, outside, np.maximum(inside, 0)))
    return least


@pytest.mark.parametrize("make", [furnished, lambda: finer(furnished())], ids=["merged", "in parts"])
def test_clearance_is_the_distance_to_the_nearest_surface(make) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform([0, 0, 0], [4, 2.5, 6], (500, 3))
    exact = np.minimum(box_distance(points, furnished()), 0.6)
    np.testing.assert_allclose(free(make()).clearance(points, 0.6), exact, atol=2e-5)


def test_glass_stands_in_the_way_too() -> None:
    pane = placed("pane", 1, (1.0, 0.0, 3.0), (2.0, 2.5, 0.02), PANE, 11)
    space = free(room(extra_meshes=(cube("pane", Material("glass", opacity=0.1)),), extra=(pane,)))
    before = np.array([[2.0, 1.2, 3.3]])
    assert space.clearance(before, 1.0)[0] == pytest.approx(0.28, abs=1e-4)
    assert space.sight(before, np.array([[0.0, 0.0, -2.0]]), 5.0)[0] == pytest.approx(0.28, abs=1e-4)
    assert space.sight(before, np.array([[0.0, 0.0, 1.0]]), 5.0)[0] == pytest.approx(2.7, abs=1e-4)
    assert space.sight(before, np.array([[0.0, 0.0, 1.0]]), 2.0)[0] == pytest.approx(2.0)


@pytest.mark.parametrize("make", [furnished, lambda: finer(furnished())], ids=["merged", "in parts"])
def test_the_inside_of_things_is_no_free_space(make) -> None:
    space = free(make())
    cupboard = np.array([[1.3, 1.0, 1.1]])
    assert space.clearance(cupboard, 0.3)[0] == pytest.approx(0.3)  # far from its sides, and yet
    assert not space.contains(cupboard)[0]
    assert space.contains(np.array([[3.0, 1.0, 4.0]]))[0]
    beyond = np.array([[4.5, 1.0, 4.0], [3.0, 2.6, 4.0], [3.0, -0.2, 4.0]])
    assert not space.contains(beyond).any()


def test_under_a_table_is_free_space() -> None:
    legs = ((1, 1), (1.9, 1), (1, 1.9), (1.9, 1.9))
    parts = [placed(f"leg{k}", 1, (x, 0, z), (0.1, 1.2, 0.1), THING, 20 + k) for k, (x, z) in enumerate(legs)]
    parts.append(placed("top", 1, (0.9, 1.2, 0.9), (1.2, 0.05, 1.2), THING, 30))
    assert free(room(extra_meshes=(cube("wood"),), extra=tuple(parts))).contains(np.array([[1.5, 0.6, 1.5]]))[
        0
    ]


def test_a_room_in_one_piece_encloses_nobody() -> None:
    # A scan is a single mesh about everyone in it.
    shell = placed("scan", 0, (0, 0, 0), (4, 2.5, 6), 1, 1)
    scan = room(without=("floor", "ceiling", "west", "east", "north", "south"), extra=(shell,))
    assert free(scan).contains(np.array([[2.0, 1.0, 3.0]]))[0]


def test_dense_poses_keep_their_distances() -> None:
    space = free(furnished())
    poses = sample_poses("dense", space, 400, np.random.default_rng(1))
    places, ahead = poses[:, :3, 3], poses[:, :3, 2]
    assert poses.shape == (400, 4, 4)
    assert box_distance(places, furnished()).min() >= CLEARANCE - 1e-5
    assert space.contains(places).all()
    assert space.sight(places, ahead, 10.0).min() >= SIGHT - 1e-5
    # They fill the room: x, y, z each reach both ends of what clearance leaves.
    low, high = np.array([0, 0, 0]) + CLEARANCE, np.array([4, 2.5, 6]) - CLEARANCE
    assert (places.min(0) < low + 0.15 * (high - low)).all()
    assert (places.max(0) > high - 0.15 * (high - low)).all()
    # All yaws occur; pitch and roll keep within their limits.
    yaw = np.arctan2(-ahead[:, 0], -ahead[:, 2])
    assert np.histogram(yaw, bins=8, range=(-np.pi, np.pi))[0].min() > 10
    assert np.abs(np.arcsin(ahead[:, 1])).max() <= PITCH + 1e-9
    assert np.arcsin(np.abs(poses[:, 1, 0])).max() <= MOST_ROLL + 1e-9


def test_same_seed_same_poses_and_a_short_request_is_the_start_of_a_long_one() -> None:
    space = free(furnished())
    long, short, other = (
        sample_poses("dense", space, n, np.random.default_rng(s)) for n, s in ((300, 4), (37, 4), (37, 5))
    )
    np.testing.assert_array_equal(long[:37], short)
    assert not np.isclose(other, short).all(axis=(1, 2)).any()


def test_none_asked_for_none_given() -> None:
    assert sample_poses("dense", free(room()), 0, np.random.default_rng(0)).shape == (0, 4, 4)


def test_words_for_mistakes() -> None:
    rng = np.random.default_rng(0)
    full = tuple(
        placed(f"b{k}", 0, (0.1, 0.1, 0.1 + 2.9 * k), (3.8, 2.3, 2.9), THING, 10 + k) for k in (0, 1)
    )
    with pytest.raises(ValueError, match=r"by-hand: no free place for a camera"):
        sample_poses("dense", free(room(size=(0.4, 2.5, 6.0))), 3, rng)
    with pytest.raises(ValueError, match="by-hand: no free place"):
        sample_poses("dense", free(room(extra=full)), 3, rng)
    with pytest.raises(ValueError, match="choose from dense"):
        sample_poses("orbit", free(room()), 3, rng)
    with pytest.raises(ValueError, match="cannot sample -1"):
        sample_poses("dense", free(room()), -1, rng)
