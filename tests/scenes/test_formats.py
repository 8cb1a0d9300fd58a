"""Formats of spaces: each passes the kit, and one from outside takes a line in the table."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import trimesh

from engine.collect.collect import CollectConfig, collect
from engine.store.access import EvalFrames
from engine.store.store import Store
from scenes.digests import digest_of_files
from scenes.formats.ply import write_ply
from scenes.formats.replica_files import INFO, SEMANTIC
from scenes.formats.scan.read import read_scan
from scenes.formats.space_format import DEFAULT_OPTIONS, Known, SpaceFacts, SpaceOptions, credits_beside
from scenes.formats.spaces import HOUSE, SPACE_FORMATS
from scenes.house.labels import class_id
from scenes.meshes.geometry import SceneGeometry
from tests.engine.bare_rooms import bare_house
from tests.scenes.annotated_room import write_scannetpp
from tests.scenes.format_kit import ROOM, FormatKit, extent, room_z_up


class TestScan(FormatKit):
    format = SPACE_FORMATS["scan"]

    def write(self, folder: Path) -> Path:
        room_z_up().export(folder / "room.ply")
        return folder / "room.ply"


class TestReplica(FormatKit):
    format = SPACE_FORMATS["replica"]

    def write(self, folder: Path) -> Path:
        (folder / "flat" / "habitat").mkdir(parents=True)
        room = room_z_up()
        corners = room.triangles.reshape(-1, 3).astype(np.float32)
        # A triangle as a quad whose last corner is its first: the layout has quads.
        quads = np.arange(len(corners)).reshape(-1, 3)[:, [0, 1, 2, 0]]
        normals = np.repeat(room.face_normals, 3, axis=0).astype(np.float32)
        owners = np.repeat([1, 2], [12, 12])
        write_ply(
            folder / "flat" / SEMANTIC,
            corners,
            normals,
            np.full((len(corners), 3), 90, np.uint8),
            quads,
            owners,
        )
        objects = [{"id": 1, "class_id": 93}, {"id": 2, "class_id": 80}]
        classes = [{"id": 93, "name": "wall"}, {"id": 80, "name": "table"}]
        (folder / "flat" / INFO).write_text(json.dumps({"classes": classes, "objects": objects}))
        return folder / "flat"

    def damage(self, path: Path) -> None:
        super().damage(path / SEMANTIC)


class TestScannetpp(FormatKit):
    format = SPACE_FORMATS["scannetpp"]

    def write(self, folder: Path) -> Path:
        room = room_z_up()
        segments = np.repeat([40, 7], [8, 8]).tolist()  # of the vertices of the walls and of the table
        return write_scannetpp(folder / "0a5c", room, segments, [(1, "wall", [40]), (2, "table", [7])])

    def damage(self, path: Path) -> None:
        super().damage(path / "scans" / "mesh_aligned_0.05.ply")


class TestHouse(FormatKit):
    format = HOUSE
    slack = 0.25  # outer walls and the ceiling's thickness come on top of a room's own size

    def write(self, folder: Path) -> Path:
        house = bare_house(0)
        for wall in house["walls"]:
            for corner in wall["polygon"]:
                _stretch(corner)
        for corner in house["rooms"][0]["floorPolygon"]:
            _stretch(corner)
        (folder / "house.json").write_text(json.dumps(house))
        return folder / "house.json"


def _stretch(corner: dict[str, float]) -> None:
    """From the bare house's 2 × 2.6 × 2 m to ROOM."""
    for axis, have, want in zip("xyz", (2.0, 2.6, 2.0), ROOM, strict=True):
        corner[axis] *= want / have


class ArrayFormat:
    """A format from outside: triangles in a NumPy file, `*.tri.npy`, float [n, 3, 3], metres, z up."""

    known = Known(labels="never", light="lamps", units="metres", up="z")

    def recognises(self, path: Path) -> bool:
        return path.name.endswith(".tri.npy")

    def identify(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> tuple[str, str]:
        return digest_of_files([path]), path.name.removesuffix(".tri.npy")

    def load(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
        try:
            corners = np.load(path)
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path} is no NumPy file of triangles: {error}") from error
        as_ply = path.with_suffix(".ply")
        trimesh.Trimesh(**trimesh.triangles.to_kwargs(corners)).export(as_ply)
        scan = read_scan(as_ply)
        as_ply.unlink()
        digest, space = self.identify(path)
        return SceneGeometry(
            space, digest, scan.meshes, scan.instances, scan.lights, scan.floor, captured=scan.captured
        )

    def facts(self, geometry: SceneGeometry, path: Path) -> SpaceFacts:
        return SpaceFacts("triangles", f"triangles in {path.name}")

    def credits(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> list[str]:
        return credits_beside(path)


ARRAYS = ArrayFormat()


@pytest.fixture
def arrays_added() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SPACE_FORMATS, "triangles", ARRAYS)
        yield


@pytest.mark.usefixtures("arrays_added")
class TestFromOutside(FormatKit):
    format = ARRAYS

    def write(self, folder: Path) -> Path:
        np.save(folder / "room.tri.npy", room_z_up().triangles)
        return folder / "room.tri.npy"

    def test_frames_of_it_are_collected(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        path.with_suffix(".credits.txt").write_text("Room, by A. Nyone.\n")
        asked = {"houses": [path], "store": tmp_path / "store", "role": "eval", "frames": 4, "size": 32}
        collect(CollectConfig.model_validate(asked | {"actors": 0, "device": "cpu"}))
        store = Store.open(tmp_path / "store")
        assert (store.spaces[0].id, store.spaces[0].family) == ("room", "triangles")
        assert store.spaces[0].provenance == "triangles in room.tri.npy"
        assert "A. Nyone" in store.read_text("CREDITS.txt")
        frames = EvalFrames(store).read(range(4), ["depth", "semantic"])
        assert (frames["depth"] > 0).all(), "the room is closed"
        assert frames["depth"].max() < 1000 * np.linalg.norm(ROOM)
        assert set(np.unique(frames["semantic"])) == {class_id("OtherObject")}


def test_without_its_line_in_the_table_the_format_is_not_known(tmp_path: Path) -> None:
    path = TestFromOutside().write(tmp_path)
    with pytest.raises(ValueError, match=r"room\.tri\.npy"):
        HOUSE.load(path)
    assert np.prod(extent(ARRAYS.load(path))) == pytest.approx(np.prod(ROOM), rel=1e-6)
