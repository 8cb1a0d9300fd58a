"""Scans in one file: our own GLB comes back, vertex and face colours are kept, floors are found, mistakes
named."""

from pathlib import Path

import numpy as np
import pytest
import shapely
import trimesh

from scenes.formats.glb import export_glb
from scenes.formats.scan.read import read_scan
from scenes.formats.spaces import facts, identify, load_space
from scenes.generate.generate import generate_house
from scenes.house.labels import class_id
from scenes.meshes.geometry import SceneGeometry


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "house.json"
    generate_house(0, "studio").save(path)
    return path


@pytest.fixture(scope="module")
def compiled(house: Path) -> SceneGeometry:
    return load_space(house)


@pytest.fixture(scope="module")
def glb(house: Path, compiled: SceneGeometry) -> Path:
    path = house.with_suffix(".glb")
    export_glb(compiled, path)
    return path


@pytest.fixture(scope="module")
def scanned(glb: Path) -> SceneGeometry:
    return load_space(glb)


def _room(path: Path, **visual) -> Path:
    """A closed box 4 × 3 m and 2.5 m high, with a table in it."""
    walls = trimesh.creation.box((4, 3, 2.5))
    walls.apply_translation((0, 0, 1.25))
    walls.invert()
    table = trimesh.creation.box((1, 1, 0.8))
    table.apply_translation((0.5, 0, 0.4))
    room = trimesh.util.concatenate([walls, table])
    for name, value in visual.items():
        setattr(room.visual, name, value(room))
    room.export(path)
    return path


def test_our_own_glb_comes_back(compiled, glb, scanned):
    was, now = compiled, scanned
    assert {(i.instance_id, i.class_id) for i in now.instances} == {
        (i.instance_id, i.class_id) for i in was.instances
    }
    assert abs(now.triangles - was.triangles) < 0.001 * was.triangles
    assert now.captured
    assert any(m.texture is not None for mesh in now.meshes for m in mesh.materials)
    again = read_scan(glb)
    assert [i.name.split("_")[0] for i in again.instances] == [i.name.split("_")[0] for i in now.instances]
    for first, second in zip(now.meshes, again.meshes, strict=True):
        np.testing.assert_array_equal(first.vertices, second.vertices)


def test_vertex_colours_and_z_up(tmp_path):
    path = _room(
        tmp_path / "room.ply", vertex_colors=lambda m: np.tile([10, 200, 30, 255], (len(m.vertices), 1))
    )
    scan = read_scan(path)
    (mesh,) = scan.meshes
    np.testing.assert_array_equal(mesh.colors, np.tile([10, 200, 30], (len(mesh.vertices), 1)))
    assert scan.instances[0].class_id == class_id("OtherObject")
    assert np.ptp(mesh.vertices, axis=0).tolist() == pytest.approx([4, 2.5, 3])
    (floor,) = scan.floor
    assert (floor.floor_y, floor.ceiling_y) == (pytest.approx(0, abs=0.01), pytest.approx(2.5, abs=0.01))
    x, z = floor.polygon.T
    assert np.ptp(x) * np.ptp(z) > 0.9 * 12  # the table is not cut out: a camera may look down on it


def test_face_colours(tmp_path):
    colors = lambda m: np.arange(len(m.faces) * 4).reshape(-1, 4) % 256  # noqa: E731
    path = _room(tmp_path / "room.ply", face_colors=colors)
    (mesh,) = read_scan(path).meshes
    assert len(mesh.vertices) == 3 * len(mesh.faces)
    assert len(np.unique(mesh.colors, axis=0)) == len(mesh.faces)


def test_identity_and_facts(house, compiled, glb, scanned, tmp_path):
    for path, geometry, family in ((house, compiled, "studio"), (glb, scanned, "scan")):
        assert identify(path) == (geometry.digest, geometry.space)
        assert facts(geometry, path).family == family
    moved = tmp_path / glb.name
    moved.write_bytes(glb.read_bytes())
    assert identify(moved) == identify(glb)
    moved.write_bytes(glb.read_bytes()[:-4] + b"\0\0\0\1")
    assert identify(moved)[0] != identify(glb)[0]


def test_mistakes_have_words(tmp_path, glb):
    cut = tmp_path / "cut.glb"
    cut.write_bytes(glb.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"cut\.glb cannot be read"):
        read_scan(cut)
    short = _room(tmp_path / "short.ply")
    short.write_bytes(short.read_bytes()[:-7])
    with pytest.raises(ValueError, match="cut off"):
        read_scan(short)
    cloud = tmp_path / "cloud.ply"
    trimesh.PointCloud(np.zeros((3, 3))).export(cloud)
    with pytest.raises(ValueError, match="no surface"):
        read_scan(cloud)


def test_a_house_has_its_floor_in_a_scan(compiled, scanned):
    rooms = shapely.union_all([shapely.Polygon(r.polygon) for r in compiled.floor])
    found = shapely.union_all([shapely.Polygon(r.polygon) for r in scanned.floor])
    assert found.intersection(rooms).area > 0.85 * rooms.area
    assert found.difference(rooms.buffer(0.3)).area < 0.05


def test_two_storeys_a_ledge_and_no_ceiling(tmp_path):
    """Each storey is a region of its own height; a ledge outside that no body fits on is none."""
    lower, upper = trimesh.creation.box((4, 3, 2.5)), trimesh.creation.box((4, 3, 2.4))
    lower.apply_translation((0, 0, 1.25))
    upper.apply_translation((0, 0, 4.0))
    slab = trimesh.creation.box((4.6, 3.6, 0.2))
    slab.apply_translation((0, 0, -0.2))
    path = tmp_path / "tower.ply"
    trimesh.util.concatenate([lower, upper, slab]).export(path)
    floors = sorted((r.floor_y, r.ceiling_y) for r in read_scan(path).floor)
    assert floors == [(pytest.approx(0.0), pytest.approx(2.5)), (pytest.approx(2.8), pytest.approx(5.2))]
    bare = trimesh.creation.box((4, 3, 2.5))
    bare.update_faces(bare.face_normals[:, 2] < 0.5)
    bare.export(tmp_path / "open.ply")
    (region,) = read_scan(tmp_path / "open.ply").floor
    assert region.floor_y == pytest.approx(-1.25)
    assert region.ceiling_y == pytest.approx(1.25, abs=0.1)
