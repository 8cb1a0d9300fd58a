"""Replica's layout: our writer and reader check each other, trimesh checks the writer, and mistakes have
words."""

import json
from pathlib import Path

import numpy as np
import pytest
import shapely
import trimesh

from scenes.formats.annotated import class_names
from scenes.formats.ply import read_ply, write_ply
from scenes.formats.replica import label_id, read_replica
from scenes.formats.replica_export import export_replica
from scenes.formats.replica_files import INFO, MESH, SEMANTIC, is_replica
from scenes.generate.generate import generate_house
from scenes.house.labels import class_id, label_table
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import Mesh, SceneGeometry


@pytest.fixture(scope="module")
def house() -> SceneGeometry:
    return compile_house(generate_house(0, "studio"))


@pytest.fixture(scope="module")
def folder(house: SceneGeometry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("replica") / "flat"
    export_replica(house, path, edge=0.5)
    return path


@pytest.fixture(scope="module")
def back(folder: Path) -> SceneGeometry:
    return read_replica(folder)


def _area(mesh: Mesh, transform: np.ndarray) -> float:
    a, b, c = (mesh.vertices[mesh.faces[:, k]] @ transform[:3, :3].T for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def test_what_is_read_is_what_was_written(house, folder, back):
    assert back.captured
    assert back.mesh_file == folder / SEMANTIC
    assert back.in_replica_layout
    assert [(i.instance_id, i.class_id) for i in back.instances] == [
        (i.instance_id, i.class_id) for i in house.instances
    ]
    for before, after in zip(house.instances, back.instances, strict=True):
        was, now = house.meshes[before.mesh], back.meshes[after.mesh]
        assert _area(now, after.transform) == pytest.approx(_area(was, before.transform), rel=1e-4)
        points = was.vertices[was.faces].reshape(-1, 3) @ before.transform[:3, :3].T + before.transform[:3, 3]
        np.testing.assert_allclose(now.vertices.min(0), points.min(0), atol=1e-5)
        np.testing.assert_allclose(now.vertices.max(0), points.max(0), atol=1e-5)
        clear = any(was.materials[k].opacity < 1 for k in np.unique(was.material_ids))
        assert any(m.opacity < 1 for m in now.materials) == clear


def test_colours_are_those_of_the_surfaces(house, back):
    for before, after in zip(house.instances, back.instances, strict=True):
        was, now = house.meshes[before.mesh], back.meshes[after.mesh]
        (material, *others) = (was.materials[k] for k in np.unique(was.material_ids))
        assert now.colors is not None
        if not others and material.texture is None and not any(material.emission):
            want = np.round(np.array(material.color) * 255)
            np.testing.assert_allclose(now.colors, np.tile(want, (len(now.colors), 1)), atol=1)
    floor = next(i for i in back.instances if i.class_id == class_id("Floor"))
    assert back.meshes[floor.mesh].colors.astype(float).std(0).max() > 1  # of a texture


def test_another_reader_finds_the_same_quads(house, folder):
    seen = trimesh.load(folder / MESH, process=False)
    ours = read_ply(folder / MESH)
    assert isinstance(seen, trimesh.Trimesh)
    np.testing.assert_array_equal(np.asarray(seen.vertices, np.float32), ours.points)
    assert len(seen.faces) == len(ours.faces)
    assert seen.area == pytest.approx(
        sum(_area(house.meshes[i.mesh], i.transform) for i in house.instances), rel=1e-4
    )
    raw = trimesh.load(folder / SEMANTIC, process=False).metadata["_ply_raw"]["face"]["data"]
    np.testing.assert_array_equal(raw["object_id"], read_ply(folder / SEMANTIC).of_polygon["object_id"])


def test_the_info_has_replica_s_fields(house, folder):
    info = json.loads((folder / INFO).read_text())
    assert {"classes", "objects", "id_to_label", "gravity_dir"} <= info.keys()
    assert info["gravity_dir"] == [0, 0, -1]
    for item in info["objects"]:
        assert info["id_to_label"][item["id"]] == item["class_id"]
        assert {"abb", "orientation"} == item["oriented_bbox"].keys()
    floor = next(o for o in info["objects"] if o["class_name"] == "Floor")
    assert floor["oriented_bbox"]["abb"]["sizes"][2] < 0.01  # z is up there


def test_floors_are_found_again(house, back):
    rooms = shapely.union_all([shapely.Polygon(r.polygon) for r in house.floor])
    found = shapely.union_all([shapely.Polygon(r.polygon) for r in back.floor])
    assert found.difference(rooms.buffer(0.3)).area < 0.05
    assert found.intersection(rooms).area > 0.85 * rooms.area
    assert all(abs(r.floor_y) < 0.02 for r in back.floor)
    assert all(abs(r.ceiling_y - house.floor[0].ceiling_y) < 0.1 for r in back.floor)


def test_every_class_of_replica_has_a_label_of_ours():
    names = {label.name for label in label_table()}
    assert len(class_names("replica")) > 101
    assert set(class_names("replica").values()) <= names
    assert label_id("tv-screen") == class_id("Television")
    assert label_id("undefined") == 0
    assert label_id("spaceship") == class_id("OtherObject")
    assert label_id("Sofa") == class_id("Sofa")  # our own exports


def _scene(path: Path, object_ids: list[int], objects: list[dict]) -> Path:
    """Two squares, the second 1 m above the first, in Replica's layout: no colours but red."""
    (path / "habitat").mkdir(parents=True)
    square = np.array([[0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]], np.float32)
    points = np.concatenate([square, square + np.float32([0, 0, 1])])
    up, red = np.tile(np.float32([0, 0, 1]), (8, 1)), np.tile(np.uint8([200, 10, 10]), (8, 1))
    quads = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    write_ply(path / MESH, points, up, red, quads)
    write_ply(path / SEMANTIC, points, up, red, quads, np.array(object_ids))
    info = {"classes": [{"id": 40, "name": "floor"}, {"id": 80, "name": "table"}], "objects": objects}
    (path / INFO).write_text(json.dumps(info))
    return path


def test_axes_and_object_zero(tmp_path):
    """z up becomes y up; object 0, which a frame could not tell from nothing, gets a free number."""
    scene = read_replica(
        _scene(
            tmp_path / "a",
            [0, 7],
            [{"id": 7, "class_id": 80, "class_name": "table"}, {"id": 9, "class_id": 40}],
        )
    )
    low, high = scene.instances
    assert (low.instance_id, low.class_id) == (10, 0)
    assert (high.instance_id, high.class_id) == (7, class_id("DiningTable"))
    np.testing.assert_array_equal(scene.meshes[1].vertices[:, 1], np.ones(4))
    assert scene.meshes[1].vertices[:, 2].min() == -2
    np.testing.assert_array_equal(scene.meshes[0].normals, np.tile([0, 1, 0], (4, 1)))
    assert is_replica(tmp_path / "a")
    assert not is_replica(tmp_path)


def test_polygons_of_several_sizes(tmp_path):
    """Replica's semantic meshes have them: cut where objects meet."""
    scene = _scene(tmp_path / "a", [3, 4], [{"id": k, "class_id": 40} for k in (3, 4)])
    data = (scene / SEMANTIC).read_bytes()
    head = data[: data.index(b"end_header\n") + len(b"end_header\n")].replace(b"face 2", b"face 3")
    vertices = data[len(head) : len(head) + 8 * 27]
    square = b"\4" + np.array([0, 1, 2, 3], "<i4").tobytes() + np.array(3, "<u2").tobytes()
    triangle = b"\3" + np.array([4, 5, 6], "<i4").tobytes() + np.array(4, "<u2").tobytes()
    five = b"\5" + np.array([0, 1, 2, 6, 7], "<i4").tobytes() + np.array(4, "<u2").tobytes()
    (scene / SEMANTIC).write_bytes(head + vertices + triangle + square + five)
    mesh = read_ply(scene / SEMANTIC)
    assert mesh.polygon.tolist() == [0, 1, 1, 2, 2, 2]
    assert mesh.of_polygon["object_id"].tolist() == [4, 3, 4]
    assert mesh.faces[-1].tolist() == [0, 6, 7]
    assert len(read_replica(scene).instances) == 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: (s / INFO).unlink(), "info_semantic.json missing"),
        (lambda s: (s / INFO).write_text("{}"), "needs classes"),
        (lambda s: (s / INFO).write_text("not json"), "needs classes"),
        (lambda s: (s / INFO).write_text('{"classes": [], "objects": []}'), "does not say what object 3 is"),
        (lambda s: (s / SEMANTIC).write_bytes((s / SEMANTIC).read_bytes()[:-5]), "cut off"),
        (lambda s: (s / SEMANTIC).write_bytes((s / SEMANTIC).read_bytes()[:60]), "cut off"),
        (lambda s: (s / SEMANTIC).write_bytes((s / MESH).read_bytes()), "without object_id"),
        (lambda s: (s / SEMANTIC).write_bytes(b"ply\nformat ascii 1.0\nend_header\n"), "no surface"),
    ],
)
def test_damage_is_named(tmp_path, damage, message):
    scene = _scene(tmp_path / "a", [3, 4], [{"id": k, "class_id": 40} for k in (3, 4)])
    damage(scene)
    with pytest.raises(ValueError, match=message):
        read_replica(scene)
