"""Which model an asset gets: always the same, never grotesque, never shared between pools."""

import csv
from pathlib import Path

import numpy as np
import pytest

from scenes.house.asset_table import Asset, asset_table, assets_of_type
from scenes.house.surfaces import surfaces
from scenes.meshes.libraries.library import DEBIAN_FOLDER, GROTESQUE, MODELS, AssetLibrary, default_library
from tests.scenes.rays import height_at

installed = pytest.mark.skipif(not DEBIAN_FOLDER.is_dir(), reason="sweethome3d-furniture is not installed")


def size_of(library: AssetLibrary, asset: Asset) -> np.ndarray:
    return np.ptp(library.mesh(asset).vertices, axis=0)


def test_without_a_folder_everything_is_a_shape_and_it_says_so(tmp_path: Path):
    for folder in (None, tmp_path / "nowhere", tmp_path):
        library = AssetLibrary(folder)
        assert "parametric shapes only" in library.describe()
        bed = assets_of_type("Bed")[0]
        assert library.choose(bed) is None
        assert library.credit(bed) is None
        np.testing.assert_allclose(size_of(library, bed), bed.size, atol=1e-3)


def test_a_mesh_is_made_once():
    library = AssetLibrary(None)
    mug = assets_of_type("Mug")[0]
    assert library.mesh(mug) is library.mesh(mug)
    assert library.mesh(mug).key == f"asset:{mug.id}:shapes"


def test_no_model_serves_two_pools():
    with MODELS.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    types = {asset.type for asset in asset_table().values()}
    assert {row["object_type"] for row in rows} <= types
    assert {row["turn"] for row in rows} <= {"any", "0", "90", "180", "270"}
    pools: dict[str, set[str]] = {}
    for row in rows:
        pools.setdefault(row["model"], set()).add(row["pool"])
    assert set.union(*pools.values()) == {"train", "heldout"}
    assert all(len(pool) == 1 for pool in pools.values())


@installed
def test_every_mapped_model_exists():
    pieces = AssetLibrary(DEBIAN_FOLDER)._pieces
    with MODELS.open(newline="", encoding="utf-8") as file:
        assert [row["model"] for row in csv.DictReader(file) if row["model"] not in pieces] == []


@installed
def test_choices_are_stable_mild_and_of_the_assets_pool():
    one, two = AssetLibrary(DEBIAN_FOLDER), AssetLibrary(DEBIAN_FOLDER)
    with MODELS.open(newline="", encoding="utf-8") as file:
        pool = {row["model"]: row["pool"] for row in csv.DictReader(file)}
    chosen = {asset.id: one.choose(asset) for asset in asset_table().values()}
    assert chosen == {asset.id: two.choose(asset) for asset in asset_table().values()}
    for asset in asset_table().values():
        choice = chosen[asset.id]
        if choice is not None:
            assert choice.distortion <= GROTESQUE
            assert pool[choice.piece.id] == asset.pool
    sofas = {choice.piece.id for a in assets_of_type("Sofa") if (choice := chosen[a.id]) is not None}
    assert len(sofas) >= 8  # many assets, many models


@installed
@pytest.mark.parametrize("kind", ["Bed", "Sofa", "Chair", "Television", "Toaster", "HousePlant"])
def test_a_model_fills_its_assets_box_and_is_credited(kind: str):
    library = default_library()
    asset = next(a for a in assets_of_type(kind) if library.choose(a) is not None)
    mesh = library.mesh(asset)
    np.testing.assert_allclose(np.ptp(mesh.vertices, axis=0), asset.size, atol=2e-3)
    np.testing.assert_allclose((mesh.vertices.max(0) + mesh.vertices.min(0)) / 2, 0, atol=2e-3)
    credit = library.credit(asset)
    assert credit is not None
    assert credit.author


@installed
@pytest.mark.parametrize("kind", ["Bed", "Sofa", "ArmChair", "Chair"])
def test_backs_are_behind_and_seats_in_front(kind: str):
    """Every model of a type faces +z: what is highest stands in the back half."""
    library = default_library()
    seen = set()
    for asset in assets_of_type(kind):
        choice = library.choose(asset)
        if choice is None or choice.piece.id in seen:
            continue
        seen.add(choice.piece.id)
        points = library.mesh(asset).vertices
        high = points[points[:, 1] > (0.35 if kind == "Bed" else 0.42) * asset.size[1]]
        assert high[:, 2].mean() < 0.01, choice.piece.id  # a captain's bed has two equal ends
        if len(seen) == 6:
            break


@installed
@pytest.mark.parametrize("kind", ["Bed", "Sofa", "Chair"])
def test_a_models_seat_is_bent_to_where_things_are_put(kind: str):
    library = default_library()
    near = []
    for asset in assets_of_type(kind)[:10]:
        seat = max(surfaces(asset), key=lambda board: board.seen)
        if library.choose(asset) is not None and len(seat.rects) == 1:
            x, z = seat.rects[0].center
            near.append(abs(height_at(library.mesh(asset), -x, z) - seat.height))
    assert len(near) >= 4
    assert np.median(near) < 0.01


@installed
def test_what_has_shelves_or_drawers_is_no_model():
    library = default_library()
    cases = [a for a in asset_table().values() if any(b.kind in ("shelf", "drawer") for b in surfaces(a))]
    assert len(cases) > 80
    assert [asset.id for asset in cases if library.choose(asset) is not None] == []


def test_an_environment_variable_names_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    default_library.cache_clear()
    monkeypatch.setenv("TESTSPACE_FURNITURE", str(tmp_path))
    try:
        assert default_library().folder == tmp_path
    finally:
        default_library.cache_clear()
