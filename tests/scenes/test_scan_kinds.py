"""Kinds of scans other than glTF's: PLY in all its forms, OBJ with MTL; units, the axis that is up, light,
floors under the sky, objects alone."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import trimesh
from PIL import Image

from agents.commands import ShowHouseConfig, show_house
from engine.collect.collect import CollectConfig, collect
from engine.store.store import Store
from scenes.formats.scan.pieces import Axis
from scenes.formats.scan.read import read_scan
from scenes.formats.space_format import SpaceOptions
from scenes.formats.spaces import identify
from tests.scenes.format_kit import ROOM, extent, room_z_up
from tests.scenes.gltf_by_hand import plain, room
from tests.scenes.test_gltf_reading import seen


def _ply(path: Path, order: str, kind: str = "float", corners: str = "uchar int", scale: float = 1.0) -> Path:
    """The room, z up, by hand: byte order and types as asked, colour (200, 100, 50) at every vertex."""
    made = room_z_up()
    points = made.vertices * scale
    sign = {"binary_little_endian": "<", "binary_big_endian": ">"}.get(order, "")
    header = ["ply", f"format {order} 1.0", f"element vertex {len(points)}"]
    header += [f"property {kind} {a}" for a in "xyz"] + [
        f"property uchar {c}" for c in ("red", "green", "blue")
    ]
    header += [f"element face {len(made.faces)}", f"property list {corners} vertex_indices", "end_header", ""]
    text = "\n".join(header).encode()
    if not sign:
        body = "".join(f"{x!r} {y!r} {z!r} 200 100 50\n" for x, y, z in points.tolist())
        body += "".join(f"3 {a} {b} {c}\n" for a, b, c in made.faces.tolist())
        path.write_bytes(text + body.encode())
        return path
    types = {"float": "f4", "double": "f8", "uchar": "u1", "int": "i4", "uint": "u4", "ushort": "u2"}
    rows = np.zeros(len(points), [("p", sign + types[kind], 3), ("c", "u1", 3)])
    rows["p"], rows["c"] = points, (200, 100, 50)
    counter, index = corners.split()
    faces = np.zeros(len(made.faces), [("n", sign + types[counter]), ("k", sign + types[index], 3)])
    faces["n"], faces["k"] = 3, made.faces
    path.write_bytes(text + rows.tobytes() + faces.tobytes())
    return path


@pytest.mark.parametrize(
    ("order", "kind", "corners"),
    [
        ("ascii", "float", "uchar int"),
        ("binary_little_endian", "float", "uchar int"),
        ("binary_little_endian", "double", "uchar uint"),
        ("binary_big_endian", "float", "uchar int"),
        ("binary_big_endian", "double", "int ushort"),
    ],
)
def test_ply_of_every_byte_order_and_type(order: str, kind: str, corners: str, tmp_path: Path):
    scan = read_scan(_ply(tmp_path / "room.ply", order, kind, corners))
    np.testing.assert_allclose(extent(scan), ROOM, atol=1e-5)
    np.testing.assert_allclose(seen(scan).astype(int), 1500, atol=1)
    assert scan.captured
    shown = seen(scan, "rgb").reshape(-1, 3)
    np.testing.assert_array_equal(shown, np.tile([200, 100, 50], (len(shown), 1)))


def test_doubles_far_from_the_origin_keep_their_millimetres(tmp_path: Path):
    """Scans in map coordinates: single precision would round half a million metres to 3 cm."""
    path = _ply(tmp_path / "room.ply", "binary_little_endian", "double")
    head, _, body = path.read_bytes().partition(b"end_header\n")
    rows = np.frombuffer(body, [("p", "<f8", 3), ("c", "u1", 3)], 16).copy()
    rows["p"] += (500_000.001, 5_200_000.002, 400.0)
    path.write_bytes(head + b"end_header\n" + rows.tobytes() + body[16 * 27 :])
    scan = read_scan(path)
    np.testing.assert_allclose(extent(scan), ROOM, atol=1e-3)
    assert any("moved" in note for note in scan.notes)
    assert len(scan.floor) == 1


def _obj(folder: Path, scale: float = 1.0, up: str = "y", textured: bool = False) -> Path:
    """The room as two objects; the walls red by their material, or by a texture whose left half is red."""
    points, faces = room()
    if up == "z":
        points = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
    lines = [
        "mtllib room.mtl",
        *(f"v {x!r} {y!r} {z!r}" for x, y, z in (points.astype(float) * scale).tolist()),
    ]
    own, _ = room()
    lines += [f"vt {x / 4 + 0.5} {y / 2.5}" for x, y, _ in own.tolist()]
    for name, some in (("walls", faces[:12]), ("table", faces[12:])):
        lines += [
            f"o {name}",
            f"usemtl {name}",
            *("f " + " ".join(f"{k + 1}/{k + 1}" for k in f) for f in some),
        ]
    (folder / "room.obj").write_text("\n".join(lines) + "\n")
    look = "map_Kd -s 1 1 1 red and blue.png" if textured else "Kd 0.8 0.1 0.1"
    (folder / "room.mtl").write_text(f"newmtl walls\n{look}\nnewmtl table\nKd 0.1 0.1 0.8\n")
    if textured:
        pixels = np.array([[(200, 20, 10), (10, 30, 220)]], np.uint8).repeat(8, 0).repeat(4, 1)
        Image.fromarray(pixels).save(folder / "red and blue.png")
    return folder / "room.obj"


def test_obj_with_its_materials(tmp_path: Path):
    scan = read_scan(_obj(tmp_path))
    np.testing.assert_allclose(extent(scan), ROOM, atol=1e-5)
    np.testing.assert_allclose(seen(scan).astype(int), 1500, atol=1)
    assert [i.name for i in scan.instances] == ["walls", "table"]
    assert not scan.captured, "colours of materials hold no light"
    red, green, _ = seen(scan, "rgb").reshape(-1, 3).mean(0)
    assert red > 2 * green
    (tmp_path / "room.obj").write_text((tmp_path / "room.obj").read_text(), encoding="utf-16")
    np.testing.assert_array_equal(
        read_scan(tmp_path / "room.obj").meshes[0].vertices, scan.meshes[0].vertices
    )


def test_obj_with_a_texture_is_shown_as_captured_and_its_files_are_its_identity(tmp_path: Path):
    path = _obj(tmp_path, textured=True)
    scan = read_scan(path)
    shown = seen(scan, "rgb").reshape(-1, 3)
    np.testing.assert_allclose(shown, np.tile([200, 20, 10], (len(shown), 1)), atol=2)
    assert identify(path) == (scan.digest, "room")
    (tmp_path / "room.mtl").write_text((tmp_path / "room.mtl").read_text() + "# another day\n")
    assert identify(path)[0] != scan.digest
    (tmp_path / "red and blue.png").unlink()
    assert any("red and blue.png is missing" in note for note in read_scan(path).notes)


WRITERS: dict[str, Callable[[Path, float], Path]] = {
    "ply": lambda folder, scale: _ply(folder / "room.ply", "binary_little_endian", scale=scale),
    "obj": lambda folder, scale: _obj(folder, scale),
    "glb": lambda folder, scale: plain(room()[0] * np.float32(scale)).save(folder / "room.glb"),
}


@pytest.mark.parametrize("suffix", list(WRITERS))
@pytest.mark.parametrize(("unit", "scale"), [("mm", 1000.0), ("cm", 100.0), ("in", 1 / 0.0254)])
def test_units_are_guessed_by_size_and_said_or_told(suffix: str, unit: str, scale: float, tmp_path: Path):
    path = WRITERS[suffix](tmp_path, scale)
    told = read_scan(path, SpaceOptions(units=unit))
    np.testing.assert_allclose(extent(told), ROOM, atol=1e-3)
    assert identify(path)[0] != told.digest == identify(path, SpaceOptions(units=unit))[0]
    if unit == "in":  # 157 across, which may be metres
        return
    guessed = read_scan(path)
    np.testing.assert_allclose(extent(guessed), ROOM, atol=1e-3)
    word = {"mm": "millimetres", "cm": "centimetres"}[unit]
    assert any(f"taken for {word} (4.0 m)" in note for note in guessed.notes)
    assert len(guessed.floor) == 1


def test_a_size_that_fits_no_unit_is_refused_with_the_option_that_helps(tmp_path: Path):
    with pytest.raises(ValueError, match=r"room\.ply measures 4,000,000 across.*--units"):
        read_scan(WRITERS["ply"](tmp_path, 1e6))
    # Told the wrong one, a room of kilometres has no floor, and no traceback.
    assert read_scan(WRITERS["ply"](tmp_path, 1000.0), SpaceOptions(units="m")).floor == ()


@pytest.mark.parametrize("axis", ["x", "y", "z", "-x", "-y", "-z"])
def test_the_axis_that_is_up_can_be_told(axis: Axis, tmp_path: Path):
    points, _ = room()
    x, y, z = points.T
    turned = {"x": (y, -x, z), "y": (x, y, z), "z": (x, -z, y)}
    turned |= {"-x": (-y, x, z), "-y": (x, -y, -z), "-z": (x, z, -y)}
    path = plain(np.stack(turned[axis], 1)).save(tmp_path / "room.glb")
    scan = read_scan(path, SpaceOptions(up=axis))
    np.testing.assert_allclose(extent(scan), ROOM, atol=1e-5)
    np.testing.assert_allclose(seen(scan).astype(int), 1500, atol=1)
    (floor,) = scan.floor
    assert floor.floor_y == pytest.approx(0, abs=0.01)


def test_the_axis_that_is_up_is_guessed_by_level_surfaces(tmp_path: Path):
    hall = trimesh.creation.box((8, 2.6, 7))  # its height is along y
    hall.invert()
    hall.export(tmp_path / "hall.ply")
    scan = read_scan(tmp_path / "hall.ply")
    assert any(note.startswith("up: y, across which") for note in scan.notes)
    np.testing.assert_allclose(extent(scan), (8, 2.6, 7), atol=1e-5)
    assert read_scan(_obj(tmp_path, up="y")).floor[0].floor_y == pytest.approx(0, abs=0.01)


def test_a_room_without_colours_is_lit_like_any_room(tmp_path: Path):
    scan = read_scan(plain().save(tmp_path / "room.glb"))
    assert not scan.captured
    assert [light.kind for light in scan.lights] == ["point"]
    shown = seen(scan, "rgb").astype(float)
    assert 40 < shown.mean() < 240
    assert shown.std() > 1, "light falls off over the wall"


def test_lamps_of_the_file_light_a_room_without_colours(tmp_path: Path):
    document = plain()
    lamp = {"type": "point", "color": [1, 0.2, 0.2], "intensity": 60.0, "range": 9.0}
    document.json["extensions"] = {"KHR_lights_punctual": {"lights": [lamp]}}
    shines = {"KHR_lights_punctual": {"light": 0}}
    document.json["nodes"].append({"translation": [-1.2, 2.0, 0.3], "extensions": shines})
    document.json["scenes"] = [{"nodes": [0, 1]}]
    scan = read_scan(document.save(tmp_path / "room.glb"))
    assert [(i.kind, i.position, i.range) for i in scan.lights] == [("point", (-1.2, 2.0, 0.3), 9.0)]
    red, green, _ = seen(scan, "rgb").reshape(-1, 3).mean(0)
    assert red > green + 30


def test_among_captured_parts_those_without_colours_tell_their_faces_apart(tmp_path: Path):
    document = plain()
    points, faces = room()
    colors = document.array(np.tile([0.5, 0.5, 0.5], (len(points), 1)), "<f4")
    places = {"POSITION": document.array(points + np.float32([9, 0, 0]), "<f4"), "COLOR_0": colors}
    document.mesh({"attributes": places, "indices": document.array(faces.ravel(), "<u2")})
    document.json["nodes"] = [{"mesh": 0}, {"mesh": 1}]
    document.json["scenes"] = [{"nodes": [0, 1]}]
    scan = read_scan(document.save(tmp_path / "room.glb"))
    assert scan.captured
    bare, coloured = scan.meshes
    assert len(np.unique(coloured.colors, axis=0)) == 1
    assert len(np.unique(bare.colors, axis=0)) >= 5, "floor, ceiling and walls differ"


def test_a_floor_under_the_sky_is_a_floor_and_a_table_is_none(tmp_path: Path):
    slab = trimesh.creation.box((6, 0.1, 6))
    slab.apply_translation((0, -0.05, 0))
    slab.export(tmp_path / "slab.glb")
    scan = read_scan(tmp_path / "slab.glb")
    (region,) = scan.floor
    assert region.floor_y == pytest.approx(0, abs=0.01)
    assert np.ptp(region.polygon, axis=0) == pytest.approx([6, 6], abs=0.15)
    assert [light.kind for light in scan.lights] == ["directional"]
    table = trimesh.creation.box((3, 0.05, 2))
    table.apply_translation((0, 0.75, 0))
    leg = trimesh.creation.box((0.3, 0.75, 0.3))
    leg.apply_translation((0, 0.375, 0))
    trimesh.util.concatenate([table, leg]).export(tmp_path / "table.glb")
    assert read_scan(tmp_path / "table.glb").floor == ()


def test_an_object_alone_is_shown_from_outside(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    trimesh.creation.icosphere(radius=0.2).export(tmp_path / "ball.ply")
    show_house(ShowHouseConfig(house=tmp_path / "ball.ply", out=tmp_path / "ball.png", views=2, size=64))
    said = capsys.readouterr().out
    assert "units: metres, which the file does not say" in said
    views = np.asarray(Image.open(tmp_path / "ball.png"), int)
    for view in (views[:64], views[64:]):
        rows = view[:, 32].sum(-1)
        assert np.abs(np.diff(rows))[8:56].max() > 24, "the ball's outline before the sky"


def test_what_was_guessed_is_in_the_store(tmp_path: Path):
    path = WRITERS["ply"](tmp_path, 1000.0)
    asked = {"houses": [path], "role": "eval", "frames": 2, "size": 32, "actors": 0, "device": "cpu"}
    collect(CollectConfig.model_validate(asked | {"store": tmp_path / "guessed"}))
    collect(CollectConfig.model_validate(asked | {"store": tmp_path / "told", "units": "mm"}))
    (guessed,), (told,) = (Store.open(tmp_path / name).spaces for name in ("guessed", "told"))
    assert "taken for millimetres (4.0 m)" in guessed.provenance
    assert "millimetres" not in told.provenance
    assert guessed.house_digest != told.house_digest


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("room.obj", "", "no surface"),
        ("room.obj", "v 0 0 0\nv 1 0 0\nl 1 2\n", "no surface"),
        ("room.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "does not have"),
        ("room.obj", "v 0 0 0\nv 1 0 nan\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("room.obj", "v 0 0 0\nv 1 0 0\nv 2 0 0\nf 1 2 3\n", "no surface"),
        ("room.obj", "v 0 0 0\nv 1 zero 0\nv 0 1 0\nf 1 2 3\n", "no surface that can be read"),
        ("room.ply", "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\n", "header was cut off"),
        ("room.ply", "ply\nformat upside_down 1.0\nend_header\n", "cannot make sense"),
        ("room.ply", "ply\nformat ascii 1.0\nelement tristrips 0\nend_header\n", "triangle strips"),
    ],
)
def test_damaged_and_empty_files_are_refused_by_name(name: str, text: str, message: str, tmp_path: Path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_scan(tmp_path / name)
    assert name in str(caught.value)
