"""Doors stand open as the house says, windows have glass, skirting stops at doors, floors do not.

The house is `l_shaped_house`: a door in the west wall (x = 0), between z = -1.5 and -0.5 of the world.
"""

import numpy as np
import pytest

from scenes.house.asset_table import assets_of_type
from scenes.house.labels import class_id
from scenes.house.schema import House
from scenes.meshes.building.joinery import LINING_M
from scenes.meshes.building.walls import INNER_M, OUTER_M, SKIRTING_M
from scenes.meshes.compile import compile_house
from scenes.meshes.geometry import SceneGeometry
from scenes.meshes.libraries.library import AssetLibrary
from tests.scenes.rays import first_hits, world_triangles
from tests.scenes.test_compile import HEIGHT, OPENINGS, STRUCTURE, l_shaped_house

WEST, UP, DOWN = np.array([[-1.0, 0, 0]]), np.array([[0, 1.0, 0]]), np.array([[0, -1.0, 0]])


def compiled(asset: str, openness: float | None) -> SceneGeometry:
    values = l_shaped_house()
    values["doors"][0] |= {"assetId": asset, "openness": openness}
    return compile_house(House.from_json(values), AssetLibrary(None))


def door_points(scene: SceneGeometry) -> np.ndarray:
    door = next(i for i in scene.instances if i.name == "door|1|2")
    return scene.meshes[door.mesh].vertices.astype(np.float64)


def open_width(scene: SceneGeometry) -> float:
    """How much of the hole's width [m] rays at breast height go through straight."""
    triangles, _ = world_triangles(scene)
    z = np.linspace(-1.495, -0.505, 199)
    start = np.column_stack([np.full(len(z), 0.6), np.full(len(z), 1.25), z])
    distance, _ = first_hits(triangles, start, WEST.repeat(len(z), 0))
    return float(np.isinf(distance).sum() * (z[1] - z[0]))


@pytest.mark.parametrize("asset", ["Doorway_1", "Doorway_Double_1"])
def test_a_leaf_turns_by_its_openness(asset: str):
    leaves = 2 if "Double" in asset else 1
    width = (1.0 - 2 * LINING_M) / leaves
    for openness in (0.0, 0.5, 1.0):
        points = door_points(compiled(asset, openness))
        reach = -points[:, 0].min() - OUTER_M  # out of the house: away from room1's wall
        expected = width * np.sin(np.radians(90 * openness))
        assert reach == pytest.approx(expected, abs=0.08)  # the casing, the handle, the leaf's thickness


def test_how_far_a_door_is_open_is_how_much_one_sees_through_it():
    clear = 1.0 - 2 * LINING_M
    assert open_width(compiled("Doorframe_1", None)) == pytest.approx(clear, abs=0.02)
    assert open_width(compiled("Doorway_1", 0.0)) == 0.0
    assert open_width(compiled("Doorway_Double_1", 0.0)) <= 0.011  # the slit between two leaves
    half = open_width(compiled("Doorway_1", 0.5))
    assert half == pytest.approx(clear * (1 - np.cos(np.radians(45))), abs=0.06)
    # A leaf, its stops and its handle keep some of the hole, two of them more.
    assert open_width(compiled("Doorway_1", 1.0)) == pytest.approx(clear, abs=0.1)
    assert open_width(compiled("Doorway_Double_1", 1.0)) == pytest.approx(clear, abs=0.17)


def test_skirting_runs_along_walls_and_stops_at_doors():
    triangles, _ = world_triangles(compiled("Doorframe_1", None), {class_id("Skirting")})
    z = np.linspace(-3.9, -0.1, 77)
    low, high = (np.column_stack([np.full(77, 1.0), np.full(77, y), z]) for y in (0.04, SKIRTING_M[0] + 0.01))
    distance, _ = first_hits(triangles, low, WEST.repeat(77, 0))
    at_door = (z > -1.5) & (z < -0.5)
    np.testing.assert_allclose(distance[~at_door], 1.0 - INNER_M - SKIRTING_M[1], atol=1e-6)
    assert np.isinf(distance[at_door]).all()
    assert np.isinf(first_hits(triangles, high, WEST.repeat(77, 0))[0]).all()


def test_the_floor_goes_on_under_a_door_to_a_threshold():
    triangles, _ = world_triangles(compiled("Doorframe_1", None), STRUCTURE | OPENINGS)
    x = np.linspace(0.3, -OUTER_M + 0.005, 40)
    start = np.column_stack([x, np.full(40, 0.5), np.full(40, -1.0)])
    distance, _ = first_hits(triangles, start, DOWN.repeat(40, 0))
    heights = 0.5 - distance
    assert (heights >= -1e-6).all()
    assert heights.max() < 0.01, "nothing to stumble over"


def test_every_spot_of_a_room_has_a_ceiling():
    scene = compiled("Doorframe_1", None)
    triangles, owners = world_triangles(scene)
    x, z = (v.ravel() for v in np.meshgrid(np.linspace(0.05, 3.95, 9), np.linspace(-0.05, -3.95, 9)))
    inside = (x < 2) | (z > -2)
    start = np.column_stack([x, np.full(len(x), HEIGHT - 0.3), z])[inside]
    distance, hit = first_hits(triangles, start, UP.repeat(len(start), 0))
    met = np.array([scene.instances[owners[h] - 1].class_id for h in hit])
    assert set(met.tolist()) <= {class_id("Ceiling"), class_id("CeilingLamp")}
    np.testing.assert_allclose(distance[met == class_id("Ceiling")], 0.3, atol=1e-6)


@pytest.mark.parametrize("kind", ["Hung", "Slider", "Fixed", "Bay"])
def test_a_window_is_glass_between_bars(kind: str):
    asset = next(a for a in assets_of_type("Window") if kind in a.id)
    mesh = AssetLibrary(None).mesh(asset)
    clear = np.array([m.opacity < 0.5 for m in mesh.materials])[mesh.material_ids]
    pane = mesh.vertices[mesh.faces[clear]]
    size = np.array(asset.size)
    assert (np.ptp(pane.reshape(-1, 3), axis=0)[:2] > 0.7 * size[:2]).all()
    # Bars part the panes: one across the middle of a hung window, upright ones in a slider and a bay.
    frame = mesh.vertices[mesh.faces[~clear]].astype(np.float64)
    back = np.array([[0, 0, -1.0]])

    def barred(x: float, y: float) -> bool:
        start = np.array([[x * size[0], y * size[1], size[2]]])
        return bool(np.isfinite(first_hits(frame, start, back)[0][0]))

    assert barred(0.2, 0.0) == (kind == "Hung")
    assert not barred(0.1, 0.2)
    assert barred(0.0, 0.2) == (kind == "Slider")
