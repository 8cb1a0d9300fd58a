"""Solids are closed, wound outwards and as large as asked; normals stop at creases."""

import numpy as np
import pytest
import shapely

from scenes.meshes.faces import triangulate
from scenes.meshes.geometry import Material, Mesh
from scenes.meshes.mesh_builder import Finish, MeshBuilder, rotation_matrix
from scenes.meshes.meshing import assemble, assemble_all

PLAIN = Finish(Material("plain"))
L_SHAPE = shapely.Polygon(
    [(0, 0), (3, 0), (3, 1), (1, 1), (1, 2), (0, 2)], [[(0.2, 0.2), (0.4, 0.2), (0.4, 0.4), (0.2, 0.4)]]
)


def volume(mesh: Mesh) -> float:
    """Signed volume by the divergence theorem: positive where all faces look outwards."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


def open_edges(mesh: Mesh) -> int:
    """Edges that are not met by another face running the other way."""
    place = np.unique(np.round(mesh.vertices, 4), axis=0, return_inverse=True)[1].ravel()[mesh.faces]
    place = place[(place != np.roll(place, 1, axis=1)).all(1)]  # a pole's slivers have no area
    edges = np.concatenate([place[:, [0, 1]], place[:, [1, 2]], place[:, [2, 0]]])
    forward = {tuple(e) for e in edges.tolist()}
    return sum((b, a) not in forward for a, b in forward)


SOLIDS = {
    "box": (lambda b: b.box((0, 0, 0), (1, 2, 3), PLAIN), 6.0),
    "cushion": (lambda b: b.cushion((0, 0, 0), (1, 2, 3), 0.1, PLAIN, steps=6), 5.94),
    "turned": (
        lambda b: b.turned([(1e-6, 0), (1, 0), (1, 1), (1e-6, 1)], (5, 0, 0), PLAIN, sides=96),
        np.pi,
    ),
    "ball": (lambda b: b.ball((0, 1, 0), (1, 2, 0.5), PLAIN, sides=64), 4 / 3 * np.pi),
    "rod": (lambda b: b.rod((0, 0, 0), (1, 1, 1), 0.1, PLAIN, sides=64), np.pi * 0.01 * 3**0.5),
    "rod along -z": (lambda b: b.rod((0, 0, 0), (0, 0, -2), 0.1, PLAIN, sides=64), np.pi * 0.02),
    "slab": (lambda b: b.slab(L_SHAPE, 0.5, 1.5, PLAIN), L_SHAPE.area),
}


@pytest.mark.parametrize("name", SOLIDS)
def test_a_solid_is_closed_and_encloses_its_volume(name: str):
    build, expected = SOLIDS[name]
    builder = MeshBuilder()
    build(builder)
    mesh = builder.mesh(name)
    assert volume(mesh) == pytest.approx(expected, rel=0.015)
    assert open_edges(mesh) == 0
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3)


@pytest.mark.parametrize("name", SOLIDS)
def test_normals_lean_the_way_their_faces_look(name: str):
    builder = MeshBuilder()
    SOLIDS[name][0](builder)
    mesh = builder.mesh(name)
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    lean = np.einsum("fcx,fx->fc", mesh.normals[mesh.faces], flat)
    assert (lean[np.linalg.norm(flat, axis=1) > 1e-6] > 0).all()


def test_a_mirrored_bench_still_looks_outwards():
    part, builder = MeshBuilder(), MeshBuilder()
    part.box((0, 0, 0), (1, 2, 3), PLAIN)
    builder.take(part, np.diag([-1.0, 1.0, 1.0, 1.0]))
    assert volume(builder.mesh("mirrored")) == pytest.approx(6.0)


def test_a_cube_keeps_its_edges_and_a_ball_has_none():
    cube, ball = MeshBuilder(), MeshBuilder()
    cube.box((0, 0, 0), (1, 1, 1), PLAIN)
    mesh = cube.mesh("cube")
    assert len(mesh.vertices) == 24
    assert set(np.abs(mesh.normals).max(1).tolist()) == {1.0}
    ball.ball((0, 0, 0), (1, 1, 1), PLAIN, sides=48)
    round_ = ball.mesh("ball")
    off = np.linalg.norm(round_.normals - round_.vertices, axis=1)
    assert off.max() < 0.07  # a ball's normal is its place


def test_mixed_winding_does_not_spoil_the_normals():
    """Two triangles of one flat square, one wound the wrong way: both keep the square's normal line."""
    points = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], float)
    faces = np.array([(0, 1, 2), (0, 3, 2)])
    mesh = assemble("square", points, faces, np.zeros((2, 3, 2)), np.zeros(2, int), (Material("m"),))
    np.testing.assert_allclose(np.abs(mesh.normals[:, 2]), 1.0, atol=1e-6)


def test_faces_without_area_are_dropped():
    points = np.array([(0, 0, 0), (1, 0, 0), (2, 0, 0), (0, 1, 0)], float)
    faces = np.array([(0, 1, 2), (0, 1, 3)])
    mesh = assemble(
        "line", points, faces, np.zeros((2, 3, 2)), np.array([0, 1]), (Material("a"), Material("b"))
    )
    assert len(mesh.faces) == 1
    assert mesh.material_ids.tolist() == [1]


def test_meshes_assembled_together_are_those_assembled_alone():
    small, large, flat = MeshBuilder(), MeshBuilder(), MeshBuilder()
    small.cushion((0, 0, 0), (0.001, 0.002, 0.001), 0.0004, PLAIN)
    large.box((0, 0, 0), (30, 2, 30), PLAIN)
    large.ball((1, 1, 1), (1, 1, 1), PLAIN)
    flat.sheet([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], PLAIN)
    builders = {"small": small, "large": large, "flat": flat}
    together = assemble_all([builder.soup(key) for key, builder in builders.items()])
    for mesh, (key, builder) in zip(together, builders.items(), strict=True):
        alone = builder.mesh(key)
        assert mesh.key == key
        for name in ("vertices", "faces", "normals", "uvs", "material_ids"):
            np.testing.assert_array_equal(getattr(mesh, name), getattr(alone, name))


def test_triangulation_fills_concave_outlines_with_holes():
    points, faces = triangulate(L_SHAPE)
    a, b, c = (points[faces[:, i]] for i in range(3))
    area = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    assert (area > 0).all()
    assert area.sum() == pytest.approx(L_SHAPE.area)
    assert all(L_SHAPE.buffer(1e-9).contains(shapely.Point(p)) for p in (a + b + c) / 3)


def test_textures_lie_on_in_true_size():
    builder = MeshBuilder()
    builder.box((0, 0, 0), (2, 1, 1), Finish(Material("tiles"), tile_m=0.5))
    mesh = builder.mesh("box")
    front = mesh.uvs[(mesh.normals[:, 2] > 0.9)]
    assert np.ptp(front, axis=0).tolist() == [4.0, 2.0]


def test_rotation_matrices_turn_right_handed():
    np.testing.assert_allclose(rotation_matrix("y", 90) @ (0, 0, 1), (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(rotation_matrix("x", 90) @ (0, 1, 0), (0, 0, 1), atol=1e-12)
    np.testing.assert_allclose(rotation_matrix("z", 90) @ (1, 0, 0), (0, 1, 0), atol=1e-12)
