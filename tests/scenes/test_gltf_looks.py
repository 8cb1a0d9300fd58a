"""glTF's materials: what a camera sees of a wall whose colour is known, and what cannot be read is
refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenes.formats.scan.read import read_scan
from scenes.srgb import to_srgb
from tests.scenes.gltf_by_hand import Gltf, plain, room
from tests.scenes.test_gltf_reading import seen

RED, BLUE, GREEN, GOLD = (200, 20, 10), (10, 30, 220), (20, 180, 40), (230, 190, 20)
COLUMNS = np.array([[RED, BLUE]], np.uint8).repeat(8, 0).repeat(4, 1)
ROWS = np.array([[GREEN], [GOLD]], np.uint8).repeat(4, 0).repeat(8, 1)
REPEAT, CLAMP, MIRROR = 10497, 33071, 33648


def _uvs() -> np.ndarray:
    """Of every point of the room its x and height, from 0 to 1; v from the top down, as glTF has it."""
    points, _ = room()
    return np.stack([points[:, 0] / 4 + 0.5, 1 - points[:, 1] / 2.5], 1)


def _dressed(folder: Path, document: Gltf, material: dict[str, Any] | None, **attributes: int) -> np.ndarray:
    """The colours [n, 3] that a camera sees of the wall whose x is from -1.75 to -0.65."""
    points, faces = room()
    places = {"POSITION": document.array(points, "<f4")} | attributes
    primitive: dict[str, Any] = {"attributes": places, "indices": document.array(faces.ravel(), "<u2")}
    if material is not None:
        document.json["materials"] = [material]
        primitive["material"] = 0
    document.mesh(primitive)
    return seen(read_scan(document.save(folder / "room.glb")), "rgb").reshape(-1, 3)


def _textured(
    folder: Path, pixels: np.ndarray, sampler: dict[str, Any] | None = None, **moved: Any
) -> np.ndarray:
    document = Gltf()
    info: dict[str, Any] = {"index": document.texture(pixels, **(sampler or {}))}
    if moved:
        info["extensions"] = {"KHR_texture_transform": moved}
    uvs = document.array(_uvs(), "<f4")
    return _dressed(folder, document, {"pbrMetallicRoughness": {"baseColorTexture": info}}, TEXCOORD_0=uvs)


@pytest.mark.parametrize("dtype", ["<f4", "<u1", "<u2"])
def test_vertex_colours_are_linear_and_shown_unlit(dtype: str, tmp_path: Path):
    document, linear = Gltf(), np.array([0.2, 0.6, 0.05])
    scale = 1.0 if dtype == "<f4" else float(np.iinfo(dtype).max)
    count = len(room()[0])
    values = np.round(np.tile([*linear, 1.0], (count, 1)) * scale, 8 if scale == 1.0 else 0)
    colors = document.array(values, dtype, **({} if scale == 1.0 else {"normalized": True}))
    shown = _dressed(tmp_path, document, None, COLOR_0=colors)
    np.testing.assert_allclose(shown, np.tile(np.round(255 * to_srgb(linear)), (len(shown), 1)), atol=2)


def test_a_texture_is_shown_unlit_and_the_right_way_up(tmp_path: Path):
    assert (np.abs(_textured(tmp_path, COLUMNS).astype(int) - RED) <= 2).all()
    shown = _textured(tmp_path, ROWS).reshape(16, 16, 3)
    assert (np.abs(shown[0].astype(int) - GREEN) <= 2).all(), "the image's upper half is at the wall's top"
    assert (np.abs(shown[-1].astype(int) - GOLD) <= 2).all()


@pytest.mark.parametrize(
    ("pixels", "sampler", "moved", "want"),
    [
        (COLUMNS, {}, {"offset": [0.5, 0]}, BLUE),
        (COLUMNS, {}, {"scale": [0.25, 1], "offset": [0.6, 0]}, BLUE),
        # A quarter turn: (u, v) goes to (v, 1 - u), and u is below a half there.
        (ROWS, {}, {"rotation": np.pi / 2, "offset": [0, 1]}, GOLD),
        (COLUMNS, {"wrapS": REPEAT}, {"offset": [1, 0]}, RED),
        (COLUMNS, {"wrapS": MIRROR}, {"offset": [1, 0]}, BLUE),
        (COLUMNS, {"wrapS": CLAMP}, {"offset": [1, 0]}, BLUE),
        # The wall runs on across the edges of the texture: by its vertices alone it would be a blend.
        (COLUMNS, {"wrapS": CLAMP}, {"scale": [3, 1], "offset": [-1.2, 0]}, RED),
        (COLUMNS, {"wrapS": CLAMP}, {"scale": [8, 1], "offset": [0.6, 0]}, BLUE),
        (ROWS, {"wrapT": MIRROR}, {"offset": [0, 1], "scale": [1, 0.4]}, GOLD),
    ],
)
def test_texture_transforms_and_wrapping(pixels, sampler, moved, want, tmp_path: Path):
    shown = _textured(tmp_path, pixels, sampler, **moved)
    np.testing.assert_allclose(shown, np.tile(want, (len(shown), 1)), atol=2)


def test_the_second_set_of_uvs_and_a_factor(tmp_path: Path):
    document = Gltf()
    info = {"index": document.texture(COLUMNS), "texCoord": 1}
    metal = {"baseColorTexture": info, "baseColorFactor": [1.0, 0.5, 0.5, 1.0]}
    sets = {
        "TEXCOORD_0": document.array(_uvs(), "<f4"),
        "TEXCOORD_1": document.array(np.add(_uvs(), (0.5, 0)), "<f4"),
    }
    shown = _dressed(tmp_path, document, {"pbrMetallicRoughness": metal}, **sets)
    linear = np.array([((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in BLUE])
    want = np.round(255 * to_srgb(linear * (1, 0.5, 0.5)))
    np.testing.assert_allclose(shown, np.tile(want, (len(shown), 1)), atol=2)


@pytest.mark.parametrize("kind", ["emissive", "specular"])
def test_other_places_of_the_picture(kind: str, tmp_path: Path):
    """Baked light is often all in the emission; older files have KHR_materials_pbrSpecularGlossiness."""
    document = Gltf()
    info = {"index": document.texture(COLUMNS)}
    material: dict[str, Any] = {"emissiveTexture": info, "emissiveFactor": [1, 1, 1]}
    if kind == "specular":
        material = {"extensions": {"KHR_materials_pbrSpecularGlossiness": {"diffuseTexture": info}}}
    shown = _dressed(tmp_path, document, material, TEXCOORD_0=document.array(_uvs(), "<f4"))
    np.testing.assert_allclose(shown, np.tile(RED, (len(shown), 1)), atol=2)


def _screen(folder: Path, alpha: int, mode: str) -> Path:
    """A red room, and half a metre before its wall a blue screen of a texture with that alpha."""
    points, faces = room()
    document = Gltf()
    red = document.array(np.tile([1.0, 0, 0], (len(points), 1)), "<f4")
    screen = np.array([[-2, 0, -1], [0, 0, -1], [0, 2.5, -1], [-2, 2.5, -1]])
    corners = document.array(np.array([[0, 1], [1, 1], [1, 0], [0, 0]]), "<f4")
    info = {"index": document.texture(np.full((4, 4, 4), (0, 0, 255, alpha), np.uint8))}
    document.json["materials"] = [{"alphaMode": mode, "pbrMetallicRoughness": {"baseColorTexture": info}}]
    document.mesh(
        {
            "attributes": {"POSITION": document.array(points, "<f4"), "COLOR_0": red},
            "indices": document.array(faces.ravel(), "<u2"),
        }
    )
    document.mesh(
        {
            "attributes": {"POSITION": document.array(screen, "<f4"), "TEXCOORD_0": corners},
            "indices": document.array(np.array([0, 1, 2, 0, 2, 3]), "<u2"),
            "material": 0,
        }
    )
    document.json["nodes"] = [{"mesh": 0}, {"mesh": 1}]
    document.json["scenes"] = [{"nodes": [0, 1]}]
    return document.save(folder / "room.glb")


def test_cut_outs_glass_and_opaque_textures(tmp_path: Path):
    scans = {m: read_scan(_screen(tmp_path, a, m)) for a, m in ((0, "MASK"), (128, "BLEND"), (0, "OPAQUE"))}
    depths = {mode: seen(scan).astype(int) for mode, scan in scans.items()}
    for mode, want in (("MASK", 1500), ("BLEND", 1500), ("OPAQUE", 1000)):
        np.testing.assert_allclose(depths[mode], want, atol=1, err_msg=mode)
    through = seen(scans["BLEND"], "rgb")[8, 8].astype(int)
    assert np.abs(through - 188).argmax() == 1, "half red, half blue, no green"
    assert through[1] == 0


def _refused(edit: Callable[[Gltf], None], folder: Path) -> Path:
    document = plain()
    edit(document)
    return document.save(folder / "room.gltf", "beside")


def _requires(name: str) -> Callable[[Gltf], None]:
    return lambda d: d.json.update({"extensionsRequired": [name]})


def _texture_by(extension: str) -> Callable[[Gltf], None]:
    def edit(document: Gltf) -> None:
        document.json["textures"] = [{"extensions": {extension: {"source": 0}}}]
        document.json["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
        document.json["meshes"][0]["primitives"][0]["material"] = 0

    return edit


def _image(uri: str | None, data: bytes = b"") -> Callable[[Gltf], None]:
    def edit(document: Gltf) -> None:
        image = {"uri": uri} if uri else {"bufferView": document.view(data), "mimeType": "image/png"}
        document.json["images"] = [image]
        document.json["textures"] = [{"source": 0}]
        document.json["materials"] = [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]
        document.json["meshes"][0]["primitives"][0]["material"] = 0

    return edit


def _first(document: Gltf) -> dict[str, Any]:
    return document.json["meshes"][0]["primitives"][0]


def _meshopt(document: Gltf) -> None:
    document.json["bufferViews"][0]["extensions"] = {"EXT_meshopt_compression": {"buffer": 0}}


REFUSED: list[tuple[Callable[[Gltf], Any], str]] = [
    (_requires("EXT_meshopt_compression"), r"EXT_meshopt_compression.*gltf-transform/cli copy"),
    (_meshopt, r"EXT_meshopt_compression.*gltf-transform/cli copy"),
    (_requires("KHR_texture_basisu"), r"KHR_texture_basisu.*ktxdecompress"),
    (_texture_by("KHR_texture_basisu"), r"KHR_texture_basisu.*ktxdecompress"),
    (_image(None, b"\xabKTX 20\xbb\r\n\x1a\n" + bytes(80)), r"KTX2.*ktxdecompress"),
    (_requires("ACME_secret_geometry"), r"ACME_secret_geometry.*Blender"),
    (lambda d: d.json["asset"].update(version="1.0"), r"glTF 1\.0.*gltf-pipeline"),
    (lambda d: d.json["accessors"][0].update(count=4000), r"accessors\[0\] reaches beyond"),
    (lambda d: d.json["accessors"][0].update(count=10**12), "damaged"),
    (lambda d: d.json["accessors"][0].update(componentType=1), r"accessors\[0\]"),
    (lambda d: d.json["accessors"][1].update(bufferView=99), r"bufferViews\[99\]"),
    (lambda d: d.json["meshes"][0]["primitives"][0].update(attributes={}), "without POSITION"),
    (lambda d: d.json["meshes"][0]["primitives"][0].update(mode=1), "no surface"),
    (lambda d: d.json["nodes"][0].update(children=[0]), "must be a tree"),
    (lambda d: d.json["nodes"][0].update(mesh=3), r"meshes\[3\]"),
    (lambda d: d.json["nodes"][0].update(scale=[1, 1, "x"]), "no matrix"),
    (lambda d: d.json["nodes"][0].update(scale=[1, 1, float("inf")]), "not finite"),
    (lambda d: d.json.update(scene=5), r"scenes\[5\]"),
    (lambda d: d.json.update(nodes=7), "`nodes` is no list"),
    (
        lambda d: d.json.update(materials=[{"pbrMetallicRoughness": []}]) or _first(d).update(material=0),
        "type",
    ),
    (lambda d: d.json["meshes"][0].update(primitives=["none"]), "of the wrong type"),
    (lambda d: _first(d)["attributes"].update(POSITION="0"), r"accessors\[0\]"),
    (_image("../secret.png"), "outside the file's folder"),
    (_image("https://example.org/wall.png"), "fetch it"),
    (_image("gone.png"), r"gone\.png, which is missing"),
    (_image(None, b"no picture at all"), "Save it as PNG"),
]


@pytest.mark.parametrize(("edit", "message"), REFUSED)
def test_what_is_damaged_or_not_read_is_refused_by_name(edit, message: str, tmp_path: Path):
    path = _refused(edit, tmp_path)
    with pytest.raises(ValueError, match=message) as caught:
        read_scan(path)
    assert "room.gltf" in str(caught.value)


def test_files_that_end_early_or_lack_their_buffer(tmp_path: Path):
    path = plain().save(tmp_path / "room.glb")
    whole = path.read_bytes()
    for end in (3, 11, 19, 40, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"room\.glb"):
            read_scan(path)
    beside = plain().save(tmp_path / "room.gltf", "beside")
    (tmp_path / "my buffer.bin").unlink()
    with pytest.raises(ValueError, match=r"my buffer\.bin, which is missing: put it beside the file"):
        read_scan(beside)
    values = json.loads(beside.read_text())
    values["buffers"][0]["uri"] = "../elsewhere.bin"
    beside.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="outside the file's folder"):
        read_scan(beside)
