"""What every format of spaces must fulfil: a test class of a format inherits `FormatKit`, sets `format` and
writes a small room."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import trimesh

from scenes.formats.space_format import SpaceFormat
from scenes.formats.spaces import HOUSE, credits, each_space, facts, format_of, identify, load_space
from scenes.house.labels import class_id, label_table
from scenes.meshes.geometry import SceneGeometry

ROOM = (4.0, 2.5, 3.0)
"""Width, height and depth of the room that a kit writes [m], as it must come back: y up."""


def room_z_up() -> trimesh.Trimesh:
    """A closed room of size ROOM, seen from within, with a table in it: z up, its floor at 0, [m]."""
    walls = trimesh.creation.box((ROOM[0], ROOM[2], ROOM[1]))
    walls.apply_translation((0, 0, ROOM[1] / 2))
    walls.invert()
    table = trimesh.creation.box((1, 1, 0.8))
    table.apply_translation((0.5, 0, 0.4))
    return trimesh.util.concatenate([walls, table])


def extent(geometry: SceneGeometry) -> np.ndarray:
    """Size [3] of all instances together [m]."""
    points = [
        geometry.meshes[i.mesh].vertices @ i.transform[:3, :3].T + i.transform[:3, 3]
        for i in geometry.instances
    ]
    return np.ptp(np.concatenate(points), axis=0)


class FormatKit:
    """The tests that every format passes."""

    format: SpaceFormat
    slack = 1e-3
    """How far sizes may be off [m]."""

    def write(self, folder: Path) -> Path:
        """Write a room of size ROOM into an empty folder, and return the path that names it."""
        raise NotImplementedError

    def damage(self, path: Path) -> None:
        """Break the space so that it cannot be loaded; by default its file ends half-way."""
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def test_it_is_recognised_by_its_format(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        assert format_of(path) is self.format
        assert list(each_space([path])) == [str(path)]

    def test_digest_and_id_are_known_before_it_is_loaded(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        geometry = load_space(path)
        assert identify(path) == (geometry.digest, geometry.space)
        assert len(geometry.digest) == 64
        (tmp_path / "elsewhere").mkdir()
        there = tmp_path / "elsewhere" / path.name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, there)
        assert identify(there) == identify(path)

    def test_the_room_has_its_size_in_metres_with_y_up(self, tmp_path: Path) -> None:
        np.testing.assert_allclose(extent(load_space(self.write(tmp_path))), ROOM, atol=self.slack)

    def test_its_arrays_are_well_formed(self, tmp_path: Path) -> None:
        geometry = load_space(self.write(tmp_path))
        numbers = [i.instance_id for i in geometry.instances]
        assert len(set(numbers)) == len(numbers)
        assert min(numbers) >= 1
        assert all(0 <= i.class_id < len(label_table()) for i in geometry.instances)
        for mesh in geometry.meshes:
            count = len(mesh.vertices)
            assert mesh.vertices.dtype == mesh.normals.dtype == mesh.uvs.dtype == np.float32
            assert mesh.vertices.shape == mesh.normals.shape == (count, 3)
            assert mesh.uvs.shape == (count, 2)
            assert mesh.faces.dtype == np.int32
            assert 0 <= mesh.faces.min() <= mesh.faces.max() < count
            assert 0 <= mesh.material_ids.min() <= mesh.material_ids.max() < len(mesh.materials)
            np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3)

    def test_it_is_read_the_same_each_time(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        first, second = load_space(path), load_space(path)
        for one, other in zip(first.meshes, second.meshes, strict=True):
            np.testing.assert_array_equal(one.vertices, other.vertices)
            np.testing.assert_array_equal(one.faces, other.faces)
        assert [(i.name, i.instance_id, i.class_id) for i in first.instances] == [
            (i.name, i.instance_id, i.class_id) for i in second.instances
        ]

    def test_a_body_can_stand_on_its_floor(self, tmp_path: Path) -> None:
        geometry = load_space(self.write(tmp_path))
        assert sum(np.ptp(r.polygon[:, 0]) * np.ptp(r.polygon[:, 1]) for r in geometry.floor) > 9.0

    def test_it_holds_what_its_format_says_that_it_knows(self, tmp_path: Path) -> None:
        geometry, known = load_space(self.write(tmp_path)), self.format.known
        kinds = {i.class_id for i in geometry.instances}
        if known.labels == "always":
            assert kinds - {class_id("OtherObject")}
        if known.labels == "never":
            assert kinds == {class_id("OtherObject")}
        assert (geometry.house is not None) == (self.format is HOUSE)
        if known.light == "captured":
            assert geometry.captured
        if known.light == "lamps":
            assert not geometry.captured
            assert geometry.lights

    def test_its_facts_and_credits_can_be_told(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        found = facts(load_space(path), path)
        assert found.family
        assert path.name in found.provenance
        assert credits(path) == []
        if self.format is HOUSE:  # its credits are those of the library's models
            return
        beside = path / "CREDITS.txt" if path.is_dir() else path.with_suffix(".credits.txt")
        beside.write_text("Room, by A. Nyone. CC-BY 4.0.\n", encoding="utf-8")
        assert credits(path) == ["Room, by A. Nyone. CC-BY 4.0."]

    def test_a_damaged_one_is_refused_by_its_name(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        self.damage(path)
        with pytest.raises(ValueError, match=path.name):
            load_space(path)
