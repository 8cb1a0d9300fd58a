"""Fridges: shut they hide what is in them, open they show it on their boards."""

import numpy as np
import pytest

from scenes.house.asset_table import asset_table, assets_of_type
from scenes.house.surfaces import surfaces
from scenes.meshes.geometry import Mesh
from scenes.meshes.libraries.library import DEBIAN_FOLDER, AssetLibrary
from scenes.meshes.opening import DOOR, TWO_DOORS, opened
from tests.scenes.rays import first_hits

LIBRARIES = [
    AssetLibrary(None),
    pytest.param(
        AssetLibrary(DEBIAN_FOLDER),
        marks=pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="sweethome3d-furniture is not installed"),
    ),
]
NARROW, WIDE = asset_table()["Fridge_22"], asset_table()["Fridge_23"]


def deep_at(mesh: Mesh, size: tuple[float, float, float], x: float, height: float) -> float:
    """How far behind the front of the box a ray from there meets the mesh [m]."""
    start = np.array([[x, height - size[1] / 2, size[2] / 2]])
    triangles = mesh.vertices[mesh.faces].astype(np.float64)
    return float(first_hits(triangles, start, np.array([[0.0, 0.0, -1.0]]))[0][0])


@pytest.mark.parametrize("library", LIBRARIES, ids=["shapes", "models"])
@pytest.mark.parametrize("asset", [NARROW, WIDE], ids=lambda asset: asset.id)
def test_an_open_fridge_shows_its_boards_and_a_shut_one_its_door(library, asset):
    assert (asset.size[0] > TWO_DOORS) == (asset is WIDE)
    shut = library.mesh(asset)
    wide = opened(shut, asset, 1.0)
    boards = surfaces(asset)
    assert len(boards) >= 3
    for board in boards:
        x = -board.rects[0].center[0] + 0.03
        assert deep_at(shut, asset.size, x, board.height + 0.05) < DOOR + 0.02
        assert deep_at(wide, asset.size, x, board.height + 0.05) > 0.5 * asset.size[2]
        edge = deep_at(wide, asset.size, x, board.height - 0.005)
        assert edge == pytest.approx(asset.size[2] / 2 - board.rects[0].z1, abs=0.06)
    assert wide.vertices[:, 2].max() > asset.size[2] / 2 + 0.3, "the door stands out"
    np.testing.assert_allclose(wide.vertices[:, 1].max(), asset.size[1] / 2, atol=2e-3)
    assert np.isfinite(wide.vertices).all()
    np.testing.assert_allclose(np.linalg.norm(wide.normals, axis=1), 1.0, atol=0.02)


def test_the_door_turns_with_its_openness():
    shut = AssetLibrary(None).mesh(NARROW)
    reach = [opened(shut, NARROW, openness).vertices[:, 2].max() for openness in (0.1, 0.4, 0.8)]
    assert reach == sorted(reach)
    assert reach[-1] - reach[0] > 0.3


def test_what_is_shut_or_does_not_open_is_itself():
    library = AssetLibrary(None)
    stand = assets_of_type("TVStand")[0]
    assert opened(library.mesh(NARROW), NARROW, 0.0) is library.mesh(NARROW)
    assert opened(library.mesh(stand), stand, 1.0) is library.mesh(stand)
    assert opened(library.mesh(NARROW), NARROW, 1.0).key != library.mesh(NARROW).key
