"""The reader of Sweet Home 3D libraries: a small one in the real format, and Debian's where installed."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scenes.meshes.libraries.library import DEBIAN_FOLDER
from scenes.meshes.libraries.obj import read_obj
from scenes.meshes.libraries.sweethome import load_model, read_catalogue, read_properties

CATALOGUE = r"""
# A catalogue as the libraries have it: Latin-1, Java's escapes, continued lines
name=Tiny
license=CC0  Copyright é
id#1=Tiny#block
name#1=Bl\u00f6ck \
    of wood
category#1=Kitchen
model#1=/models/block/block.obj
width#1=200
depth#1=50.0
height#1=100
creator#1=Ada
dropOnTopElevation#1=60
id#2=Tiny#zipped
name#2=Zipped
category#2=Kitchen
model#2=/models/zipped.zip
modelRotation#2=0 0 1 0 1 0 -1 0 0
width#2=100
depth#2=200
height#2=100
creator#2=Bob
dropOnTopElevation#-1=
"""
# A box of 1 x 1 x 2 whose +x end is red and textured, the rest green glass.
OBJ = """mtllib look.mtl
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
v 0 0 2
v 1 0 2
v 1 1 2
v 0 1 2
vt 0 0
vt 1 0
vt 1 1
vt 0 1
usemtl end
f 2/1 3/2 7/3 6/4
usemtl rest
f 1 5 8 4
f 1 2 6 5
f 3 4 8 7
f 1 4 3 2
f -4 -3 -2 -1
"""
MTL = """newmtl end
Kd 0.5 0 0
map_Kd Red.PNG
newmtl rest
Kd 0 1 0
d 0.25
"""


@pytest.fixture
def library(tmp_path: Path) -> Path:
    picture = io.BytesIO()
    Image.new("RGB", (1024, 256), (200, 180, 160)).save(picture, "PNG")
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as file:
        file.writestr("deep/thing.obj", OBJ)
        file.writestr("deep/look.mtl", MTL)
    path = tmp_path / "tiny.sh3f"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("PluginFurnitureCatalog.properties", CATALOGUE.encode("latin-1"))
        file.writestr("models/block/block.obj", OBJ)
        file.writestr("models/block/look.mtl", MTL)
        file.writestr("models/block/red.png", picture.getvalue())
        file.writestr("models/zipped.zip", inner.getvalue())
    return path


def test_a_catalogue_names_sizes_and_owners(library: Path):
    pieces = read_catalogue(library)
    assert list(pieces) == ["Tiny#block", "Tiny#zipped"]
    block = pieces["Tiny#block"]
    assert block.name == "Blöck of wood"
    assert block.size == (2.0, 1.0, 0.5)
    assert block.rest_y == 0.6
    assert block.credit.author == "Ada"
    assert block.credit.license == "CC0 Copyright é"
    assert pieces["Tiny#zipped"].rest_y is None


def test_a_model_is_stretched_to_its_catalogue_size_and_centred(library: Path):
    model = load_model(read_catalogue(library)["Tiny#block"])
    np.testing.assert_allclose(model.obj.positions.min(0), (-1, -0.5, -0.25))
    np.testing.assert_allclose(model.obj.positions.max(0), (1, 0.5, 0.25))
    assert len(model.obj.faces) == 12


def test_materials_come_with_texture_tint_and_opacity(library: Path):
    end, rest = load_model(read_catalogue(library)["Tiny#block"]).materials
    assert end.color == (1.0, 0.0, 0.0)  # its hue; its value must not darken the picture
    assert end.texture is not None
    assert end.texture.shape == (128, 512, 3)  # shrunk, and found although the case of its name differs
    assert end.texture[0, 0].tolist() == [200, 180, 160]
    assert rest.texture is None
    assert (rest.color, rest.opacity) == (
        (0.75, 1.0, 0.75),
        0.25,
    )  # green glass tints no more than its opacity


def test_a_model_in_a_zip_is_turned_upright_first(library: Path):
    """This one's rotation takes z to x: the file's red end, at +x, comes to lie at -z."""
    model = load_model(read_catalogue(library)["Tiny#zipped"])
    np.testing.assert_allclose(np.ptp(model.obj.positions, axis=0), (1.0, 1.0, 2.0))
    red = model.obj.faces[model.obj.material_ids == 0]
    np.testing.assert_allclose(model.obj.positions[red][..., 2], -1.0)


def test_what_is_no_library_is_refused_by_name(tmp_path: Path):
    bad = tmp_path / "bad.sh3f"
    bad.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"bad\.sh3f is not a Sweet Home 3D furniture library"):
        read_catalogue(bad)


def test_a_missing_model_is_refused_by_name(library: Path, tmp_path: Path):
    with zipfile.ZipFile(library) as old, zipfile.ZipFile(tmp_path / "torn.sh3f", "w") as new:
        new.writestr(old.namelist()[0], old.read(old.namelist()[0]))
    piece = read_catalogue(tmp_path / "torn.sh3f")["Tiny#block"]
    with pytest.raises(ValueError, match=r"torn\.sh3f: Tiny#block"):
        load_model(piece)


def test_properties_follow_javas_rules():
    text = "a=1\n! no\n  b : two\\\n   more\nc\\=d\\u0021 e\\tf\n"
    assert read_properties(text) == {"a": "1", "b": "twomore", "c=d!": "e\tf"}


@pytest.mark.parametrize("corner", ["{0}", "{0}/{0}", "{0}//{0}", "{0}/{0}/{0}"])
def test_every_way_to_write_a_face(corner: str):
    points = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"
    table = "".join(f"vt {i} 0\nvn 0 0 1\n" for i in range(4))
    face = "f " + " ".join(corner.format(i) for i in (1, 2, 3, 4))
    model = read_obj(points + table + face, lambda _: None)
    assert model.faces.tolist() == [[0, 1, 2], [0, 2, 3]]
    has_uv, has_normal = corner.count("{0}") > 1 and "//" not in corner, corner.count("/") == 2
    assert model.uvs[1, :, 0].tolist() == ([0, 2, 3] if has_uv else [0, 0, 0])
    assert model.normals[0, 0, 2] == float(has_normal)


@pytest.mark.parametrize("text", ["v 0 0 0\n", "v 0 0 0\nf 1 2 3\n"])
def test_a_broken_obj_is_refused(text: str):
    with pytest.raises(ValueError, match="OBJ"):
        read_obj(text, lambda _: None)


@pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="sweethome3d-furniture is not installed")
def test_debians_libraries_are_read_whole():
    pieces = [p for f in sorted(DEBIAN_FOLDER.glob("*.sh3f")) for p in read_catalogue(f).values()]
    assert len(pieces) > 800
    assert all(min(p.size) > 0 and p.credit.author and p.credit.license for p in pieces)
    bed = next(p for p in pieces if p.id == "Scopia#bed1")
    model = load_model(bed)
    drawn = model.obj.positions[np.unique(model.obj.faces)]
    np.testing.assert_allclose(np.ptp(drawn, axis=0), bed.size, rtol=1e-6)
    assert any(m.texture is not None for m in model.materials)
