"""Lamps and televisions, on and off: what shines, what lights, and what stays as it is."""

import csv

import numpy as np
import pytest

from scenes.house.asset_table import Asset, assets_of_type
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.meshes.libraries.library import DEBIAN_FOLDER, SWITCHED, AssetLibrary
from scenes.meshes.libraries.sweethome import load_model
from scenes.meshes.switches import LAMPS, PROGRAMMES, SCREENS, lamp_light, switched
from tests.scenes.test_compile import l_shaped_house

installed = pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="sweethome3d-furniture is not installed")
KINDS = (*LAMPS, *SCREENS)


@pytest.fixture(scope="module", params=["shapes", pytest.param("models", marks=installed)])
def library(request: pytest.FixtureRequest) -> AssetLibrary:
    return AssetLibrary(DEBIAN_FOLDER if request.param == "models" else None)


@pytest.mark.parametrize("kind", KINDS)
def test_every_one_can_be_switched_and_only_its_look_changes(library: AssetLibrary, kind: str):
    for asset in assets_of_type(kind):
        mesh = library.mesh(asset)
        on, off = switched(mesh, kind, True, "a"), switched(mesh, kind, False, "a")
        assert on.key not in (mesh.key, off.key)
        assert not any(np.any(m.emission) for m in off.materials)
        shines = [np.any(m.emission) for m in on.materials]
        assert shines == [m.switched for m in mesh.materials]
        assert np.isin(mesh.material_ids, np.flatnonzero(shines)).any()
        for one in (on, off):
            np.testing.assert_array_equal(one.vertices[one.faces], mesh.vertices[mesh.faces])
            np.testing.assert_array_equal(one.normals[one.faces], mesh.normals[mesh.faces])
            np.testing.assert_array_equal(one.material_ids, mesh.material_ids)


def test_a_television_shows_its_own_picture_upright(library: AssetLibrary):
    asset = assets_of_type("Television")[0]
    mesh = library.mesh(asset)
    shown = [switched(mesh, "Television", True, name) for name in map(str, range(12))]
    assert shown[0] is switched(mesh, "Television", True, "0")  # names of one picture share a mesh
    assert 1 < len({m.key for m in shown}) <= PROGRAMMES
    part = np.isin(mesh.material_ids, [i for i, m in enumerate(mesh.materials) if m.switched])
    points, uvs = shown[0].vertices[shown[0].faces[part]], shown[0].uvs[shown[0].faces[part]]
    for axis in range(2):
        where, what = points[..., axis].ravel(), uvs[..., axis].ravel()
        assert what.min() < 0.01
        assert what.max() > 0.99
        assert where[what.argmax()] == pytest.approx(where.max(), abs=1e-4)


def test_other_things_are_left_alone(library: AssetLibrary):
    desktop = library.mesh(assets_of_type("Desktop")[0])
    assert switched(desktop, "Desktop", True, "a") is desktop
    assert lamp_light(desktop, "Desktop", np.eye(4), "a") is None


def with_lamp(asset: Asset, on: bool | None) -> House:
    house = House.from_json(l_shaped_house())
    bed = house.objects[0]
    lamp = bed.model_copy(update={"id": "lamp|1", "asset_id": asset.id, "is_on": on})
    at = bed.position.model_copy(update={"x": 3.2, "y": asset.size[1] / 2, "z": 1.0})
    return house.model_copy(update={"objects": (bed, lamp.model_copy(update={"position": at}))})


@pytest.mark.parametrize("kind", LAMPS)
def test_a_lamp_that_is_on_is_a_light_where_its_shade_is(library: AssetLibrary, kind: str):
    asset = assets_of_type(kind)[0]
    dark, unsaid, lit = (compile_house(with_lamp(asset, on), library) for on in (False, None, True))
    assert [light.thing for light in dark.lights] == [light.thing for light in unsaid.lights] == ["", ""]
    *others, light = lit.lights
    assert [o.thing for o in others] == ["", ""]
    assert light.thing == "lamp|1"
    np.testing.assert_allclose(light.position[::2], (3.2, -1.0), atol=max(asset.size))
    assert 0.3 * asset.size[1] < light.position[1] < asset.size[1]
    assert 0.02 < light.shade < 0.8


@installed
def test_the_table_names_materials_that_there_are():
    pieces = AssetLibrary(DEBIAN_FOLDER)._pieces
    with SWITCHED.open(newline="", encoding="utf-8") as file:
        rows = [(row["model"], row["material"]) for row in csv.DictReader(file)]
    known = {(m, look.name) for m, _ in rows for look in load_model(pieces[m]).materials}
    assert set(rows) <= known
