"""Each of the 109 object types has a geometry, and what the libraries give one pool the other never sees."""

import csv
import zipfile
from collections import defaultdict

import numpy as np
import pytest

from scenes.house.asset_table import Asset, asset_table
from scenes.meshes.geometry import Mesh
from scenes.meshes.libraries.asset_counts import POOLS, count_types, counts_table
from scenes.meshes.libraries.library import DEBIAN_FOLDER, GROTESQUE, MODELS, AssetLibrary, default_library
from scenes.meshes.libraries.sweethome import load_model

installed = pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="sweethome3d-furniture is not installed")
MOST_TRIANGLES = 20_000  # of a shape of ours
MOST_OF_A_MODEL = 70_000


def check(asset: Asset, mesh: Mesh) -> None:
    """Not empty, finite, and its box as the asset's to a millimetre."""
    assert len(mesh.faces) > 1, asset.id
    for values in (mesh.vertices, mesh.normals, mesh.uvs):
        assert np.isfinite(values).all(), asset.id
    size = np.array(asset.size)
    drawn = mesh.vertices[np.unique(mesh.faces)]
    np.testing.assert_allclose(drawn.max(0), size / 2, atol=1e-3, err_msg=asset.id)
    np.testing.assert_allclose(drawn.min(0), -size / 2, atol=1e-3, err_msg=asset.id)


def test_counts_are_of_all_assets_and_say_shapes_where_there_is_no_library():
    rows = count_types(AssetLibrary(None))
    assert len(rows) == 109
    assert sum(sum(row.shaped.values()) for row in rows) == len(asset_table()) == 1653
    assert {row.source for row in rows} == {"parametric"}
    assert "109 from shapes alone" in counts_table(AssetLibrary(None))


@installed
def test_counts_with_the_library():
    library = default_library()
    rows = count_types(library)
    for row in rows:
        assert row.stretch <= GROTESQUE
        for pool in POOLS:
            assert row.models[pool] <= row.modelled[pool]
    assert sum(row.source != "parametric" for row in rows) >= 60
    assert f"| {rows[3].type} |" in counts_table(library)


@installed
def test_no_model_file_is_in_two_pools():
    """A model under another name in another library would be the same geometry all the same."""
    pieces = default_library()._pieces
    archives = {file: zipfile.ZipFile(file) for file in {piece.archive for piece in pieces.values()}}
    pools = defaultdict(set)
    with MODELS.open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            piece = pieces[row["model"]]
            content = archives[piece.archive].getinfo(piece.model)
            pools[content.CRC, content.file_size].add(row["pool"])
    for archive in archives.values():
        archive.close()
    assert all(len(pool) == 1 for pool in pools.values())


@installed
@pytest.mark.slow
def test_no_two_models_of_different_pools_have_most_vertices_in_common():
    """Compared in a unit box on a grid of 200, so that neither scale nor rounding hides a copy."""
    library = default_library()
    with MODELS.open(newline="", encoding="utf-8") as rows:
        pool = {row["model"]: row["pool"] for row in csv.DictReader(rows)}
    grids = {}
    for name in pool:
        obj = load_model(library._pieces[name]).obj
        points = obj.positions[np.unique(obj.faces)]
        points = (points - points.min(0)) / np.maximum(np.ptp(points, axis=0), 1e-9)
        grids[name] = set(map(tuple, np.rint(points * 200).astype(int).tolist()))
    alike = [
        (a, b)
        for a in pool
        for b in pool
        if pool[a] == "train"
        and pool[b] == "heldout"
        and len(grids[a] & grids[b]) > 0.6 * min(len(grids[a]), len(grids[b]))
    ]
    assert alike == []


@pytest.mark.slow
def test_every_asset_has_a_shape_of_ours():
    library = AssetLibrary(None)
    for asset in asset_table().values():
        mesh = library.mesh(asset)
        check(asset, mesh)
        assert len(mesh.faces) < MOST_TRIANGLES, asset.id


@installed
@pytest.mark.slow
def test_every_asset_has_a_geometry_with_the_library():
    for asset in asset_table().values():
        library = default_library()
        if library.choose(asset) is not None:  # shapes are the other test's
            mesh = library.mesh(asset)
            check(asset, mesh)
            assert len(mesh.faces) < MOST_OF_A_MODEL, asset.id
