"""A GLB holds every instance by name, in metres, with textures, and credits beside it."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh

from scenes.formats.glb import export_glb
from scenes.generate.generate import generate_house
from scenes.house.asset_table import assets_of_type
from scenes.house.elements import Vec3
from scenes.meshes.building.assembly import place
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import Credit, Instance, Light, SceneGeometry
from scenes.meshes.libraries.credits import credits_text
from scenes.meshes.libraries.library import AssetLibrary


def document(path: Path) -> dict:
    data = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    size, kind = struct.unpack("<I4s", data[12:20])
    assert kind == b"JSON"
    return json.loads(data[20 : 20 + size])


@pytest.fixture(scope="module")
def scene() -> SceneGeometry:
    return compile_house(generate_house(3), AssetLibrary(None))


@pytest.fixture(scope="module")
def file(scene: SceneGeometry, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glb") / "house.glb"
    export_glb(scene, path)
    return path


def test_one_named_node_an_instance(scene: SceneGeometry, file: Path):
    nodes = [n for n in document(file)["nodes"] if "mesh" in n]
    assert [n["name"] for n in nodes] == [i.name for i in scene.instances]
    assert [n["extras"]["instance_id"] for n in nodes] == [i.instance_id for i in scene.instances]
    assert len(document(file)["meshes"]) == len(scene.meshes)  # shared, not copied


def test_trimesh_reads_it_at_its_true_size(scene: SceneGeometry, file: Path):
    loaded = trimesh.load(file, process=False)
    assert isinstance(loaded, trimesh.Scene)
    assert {i.name for i in scene.instances} <= set(loaded.graph.nodes)
    low, high = [], []
    for instance in scene.instances:
        points = (
            scene.meshes[instance.mesh].vertices @ instance.transform[:3, :3].T + instance.transform[:3, 3]
        )
        low.append(points.min(0))
        high.append(points.max(0))
    np.testing.assert_allclose(loaded.bounds, [np.min(low, 0), np.max(high, 0)], atol=1e-4)


def test_lights_and_glass_come_along(scene: SceneGeometry, file: Path):
    values = document(file)
    lights = values["extensions"]["KHR_lights_punctual"]["lights"]
    assert [light["type"] for light in lights] == [light.kind for light in scene.lights]
    assert any(m.get("alphaMode") == "BLEND" for m in values["materials"])
    assert values["images"]


def test_a_texture_lies_the_same_way_up(tmp_path: Path):
    """The top row of a picture is where v is 1 here and 0 in glTF."""
    painting = assets_of_type("Painting")[0]
    mesh = AssetLibrary(None).mesh(painting)
    at = place(Vec3(x=1, y=2, z=3), Vec3(x=0, y=0, z=0))
    scene = SceneGeometry("one", "0", (mesh,), (Instance("painting", 0, at, 1, 1),), (), ())
    export_glb(scene, tmp_path / "one.glb")
    loaded = trimesh.load(tmp_path / "one.glb", process=False)
    assert isinstance(loaded, trimesh.Scene)
    pictures = [i for i, m in enumerate(mesh.materials) if m.name.startswith("painting")]
    expected = mesh.materials[pictures[0]].texture
    meshes: list[Any] = list(loaded.geometry.values())
    textures = [np.asarray(m.visual.material.baseColorTexture or 0) for m in meshes]
    (found,) = (m for m, t in zip(meshes, textures, strict=True) if np.array_equal(t, expected))
    used = np.unique(found.faces)
    # trimesh, like us, has v = 1 at the top; so the picture's top in y must be at its top in v.
    assert np.corrcoef(found.vertices[used, 1], found.visual.uv[used, 1])[0, 1] > 0.99


def test_a_light_shines_along_its_direction(tmp_path: Path):
    mesh = AssetLibrary(None).mesh(assets_of_type("Mug")[0])
    beam = Light("spot", (2.0, 1.0, 0.5), (1.0, 2.0, 3.0), (0.0, -0.6, 0.8), range=5.0, spot_angle=40.0)
    export_glb(
        SceneGeometry("one", "0", (mesh,), (Instance("mug", 0, np.eye(4), 1, 1),), (beam,), ()),
        tmp_path / "a.glb",
    )
    node = document(tmp_path / "a.glb")["nodes"][-1]
    matrix = np.array(node["matrix"]).reshape(4, 4).T
    np.testing.assert_allclose(-matrix[:3, 2], beam.direction, atol=1e-9)
    np.testing.assert_allclose(matrix[:3, 3], beam.position)
    assert np.linalg.det(matrix[:3, :3]) == pytest.approx(1.0)


def test_whose_models_they_are_is_written_beside(tmp_path: Path):
    mesh = AssetLibrary(None).mesh(assets_of_type("Mug")[0])
    credit = Credit("Cup (a#1)", "Ada", "CC-BY 3.0", "a.sh3f")
    scene = SceneGeometry(
        "one", "0", (mesh,), (Instance("mug", 0, np.eye(4), 1, 1),), (), (), credits=(credit,)
    )
    export_glb(scene, tmp_path / "one.glb")
    assert (
        (tmp_path / "one.credits.txt").read_text()
        == credits_text(scene.credits)
        == "Cup (a#1), by Ada. CC-BY 3.0. a.sh3f\n"
    )
    assert "Ada" in document(tmp_path / "one.glb")["asset"]["copyright"]
