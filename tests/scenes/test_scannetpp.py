"""Annotated meshes of ScanNet++: whose a face is, which class, and mistakes that have words."""

import csv
import json

import numpy as np
import pytest
import trimesh

from scenes.formats.annotated import class_names, class_of
from scenes.formats.scannetpp import read_scannetpp
from scenes.formats.spaces import SPACE_FORMATS, format_of, identify
from scenes.house.labels import class_id, label_table

from .annotated_room import write_scannetpp

# Two squares side by side, four triangles, whose six vertices are of segments 5, 5, 5, 9, 9, 70.
MESH = trimesh.Trimesh(
    [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (2, 0, 3), (2, 1, 3)],
    [(0, 1, 2), (0, 2, 3), (1, 4, 5), (1, 5, 2)],
    process=False,
)
SEGMENTS = [5, 5, 5, 9, 9, 70]


def _classes(path):
    return {(i.instance_id, i.class_id) for i in read_scannetpp(path).instances}


def test_a_face_is_of_the_object_of_most_of_its_corners(tmp_path):
    groups = [(3, "office chair", [5]), (8, "wall", [9, 70])]
    scene = read_scannetpp(write_scannetpp(tmp_path / "0a5c", MESH, SEGMENTS, groups))
    assert scene.space == "0a5c"
    assert {i.instance_id: i.class_id for i in scene.instances} == {3: class_id("Chair"), 8: class_id("Wall")}
    faces = {i.instance_id: len(scene.meshes[i.mesh].faces) for i in scene.instances}
    assert faces == {3: 3, 8: 1}
    highest = np.concatenate([m.vertices for m in scene.meshes])[:, 1].max()
    assert highest == 3.0  # z is up in the file


def test_of_objects_that_share_a_segment_the_smaller_has_it(tmp_path):
    groups = [(1, "book", [9, 70]), (2, "table", [5, 9, 70])]
    assert _classes(write_scannetpp(tmp_path / "s", MESH, SEGMENTS, groups)) == {
        (1, class_id("Book")),
        (2, class_id("DiningTable")),
    }


def test_what_no_one_annotated_is_nothing_under_a_free_number(tmp_path):
    groups = [(4, "remove", [5]), (6, "a thing unheard of", [9])]
    mesh = MESH.copy()
    mesh.faces = [(0, 1, 2), (3, 4, 2), (5, 5, 4)]
    mesh.vertices = [*mesh.vertices[:5], (2, 1, 3)]
    found = _classes(write_scannetpp(tmp_path / "s", mesh, SEGMENTS, groups))
    assert found == {(4, 0), (6, class_id("OtherObject"))}
    mesh.faces = [(0, 1, 2), (3, 5, 5), (3, 4, 5)]
    found = _classes(write_scannetpp(tmp_path / "t", mesh, [5, 5, 5, 70, 70, 70], groups))
    assert found == {(4, 0), (7, 0)}


def test_every_class_has_a_label_of_ours():
    path = "scenes/assets/scannetpp_classes.csv"
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(class_names("scannetpp")) > 250
    assert {row["label"] for row in rows} <= {label.name for label in label_table()}
    assert class_of("scannetpp", "office visitor chair") == class_id("Chair")
    assert class_of("scannetpp", "split") == 0


def test_the_scene_and_its_folder_of_scans_are_one_space(tmp_path):
    path = write_scannetpp(tmp_path / "0a5c", MESH, SEGMENTS, [(3, "wall", [5])])
    assert format_of(path) is format_of(path / "scans") is SPACE_FORMATS["scannetpp"]
    assert identify(path) == identify(path / "scans")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: (s / "segments.json").unlink(), r"segments\.json missing: download"),
        (lambda s: (s / "mesh_aligned_0.05.ply").unlink(), r"mesh_aligned_0\.05\.ply missing"),
        (
            lambda s: (s / "segments.json").write_text('{"segIndices": [5, 5, 5]}'),
            r"segments\.json has segments of 3 vertices, mesh_aligned_0\.05\.ply has 6",
        ),
        (lambda s: (s / "segments.json").write_text('{"segIndices": [0.5, 1]'), r"segments\.json has no"),
        (lambda s: (s / "segments.json").write_text('{"segIndices": [0.5]}'), r"no list of whole numbers"),
        (lambda s: (s / "segments_anno.json").write_text("{}"), r"segments_anno\.json has no segGroups"),
        (
            lambda s: (s / "segments_anno.json").write_text(
                json.dumps({"segGroups": [{"objectId": 0, "label": "wall", "segments": [5]}]})
            ),
            r"segments_anno\.json numbers an object below 1",
        ),
        (
            lambda s: (s / "segments_anno.json").write_text(
                json.dumps({"segGroups": [{"objectId": 70000, "label": "wall", "segments": [5]}]})
            ),
            r"mesh_aligned_0\.05\.ply has an object 70000; frames number",
        ),
        (
            lambda s: (s / "mesh_aligned_0.05.ply").write_bytes(
                (s / "mesh_aligned_0.05.ply").read_bytes()[:-5]
            ),
            "cut off",
        ),
    ],
)
def test_a_broken_scene_is_refused_by_a_line_that_names_the_file(damage, message, tmp_path):
    path = write_scannetpp(tmp_path / "s", MESH, SEGMENTS, [(3, "wall", [5])])
    damage(path / "scans")
    with pytest.raises(ValueError, match=message):
        read_scannetpp(path)
