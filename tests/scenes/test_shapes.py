"""Every object type has a shape that fills its box, stands upright and faces +z."""

import numpy as np
import pytest

from scenes.house.asset_table import Asset, asset_table, assets_of_type
from scenes.house.boxes import solid_parts
from scenes.house.surfaces import surfaces
from scenes.meshes.geometry import Mesh
from scenes.meshes.levels import seen_from_above
from scenes.meshes.shapes.recipes import OPENINGS, RECIPES, build_shape
from tests.scenes.rays import first_hits

TYPES = sorted({asset.type for asset in asset_table().values()})


def shape(asset: Asset) -> Mesh:
    return build_shape(asset, f"test:{asset.id}")


def test_every_type_has_its_own_recipe():
    assert set(RECIPES) | {"CounterTop", *OPENINGS} == set(TYPES)
    assert len(TYPES) == 109


@pytest.mark.parametrize("kind", TYPES)
def test_a_shape_fills_its_box(kind: str):
    assets = assets_of_type(kind)
    for asset in {assets[0], assets[len(assets) // 2], assets[-1]}:
        mesh = shape(asset)
        low, high = mesh.vertices.min(0), mesh.vertices.max(0)
        np.testing.assert_allclose(high, np.array(asset.size) / 2, atol=1e-4)
        np.testing.assert_allclose(low, -np.array(asset.size) / 2, atol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-3)
        assert np.isfinite(mesh.uvs).all()
        assert mesh.faces.max() < len(mesh.vertices)
        assert set(mesh.material_ids.tolist()) == set(range(len(mesh.materials)))
        assert 1 < len(mesh.faces) < 10_000


@pytest.mark.parametrize("kind", ["Sofa", "HousePlant", "Painting"])
def test_an_asset_always_looks_the_same_and_two_differ(kind: str):
    first, second = assets_of_type(kind)[:2]
    one, again, other = shape(first), shape(first), shape(second)
    np.testing.assert_array_equal(one.vertices, again.vertices)
    assert [m.color for m in one.materials] == [m.color for m in again.materials]
    looks = [
        [(m.color, None if m.texture is None else m.texture.tobytes()) for m in x.materials]
        for x in (one, other)
    ]
    assert one.vertices.shape != other.vertices.shape or looks[0] != looks[1]


@pytest.mark.parametrize("kind", ["Bed", "Sofa", "ArmChair", "Chair", "Toilet"])
def test_backs_are_behind(kind: str):
    for asset in assets_of_type(kind)[:6]:
        points = shape(asset).vertices
        assert points[points[:, 1] > 0.3 * asset.size[1]][:, 2].mean() < 0


@pytest.mark.parametrize("kind", ["Television", "Painting", "Laptop"])
def test_pictures_look_to_the_front(kind: str):
    asset = assets_of_type(kind)[0]
    mesh = shape(asset)
    picture = [i for i, m in enumerate(mesh.materials) if m.name.startswith(("screen", "painting"))]
    shown = np.isin(mesh.material_ids, picture)
    assert shown.any()
    assert (mesh.normals[mesh.faces[shown]][..., 2] > 0.5).all()
    # And upright: v grows with y.
    corners = mesh.faces[shown].ravel()
    assert np.corrcoef(mesh.vertices[corners, 1], mesh.uvs[corners, 1])[0, 1] > 0.9 or kind == "Television"


def carried(asset: Asset, mesh: Mesh) -> dict[float, float]:
    """Of each board of an asset, by height, the share over which its mesh has a surface within 2 cm."""
    points = mesh.vertices + np.array([0.0, asset.size[1] / 2, 0.0])
    found = {}
    for board in surfaces(asset):
        rect = max(board.rects, key=lambda r: r.width * r.depth)
        x, z = (np.linspace(*ends, 9)[1:-1] for ends in ((-rect.x1, -rect.x0), (rect.z0, rect.z1)))
        below = points[mesh.faces][..., 1].min(1) < board.height + 0.008
        heights = seen_from_above(points, mesh.faces[below], np.stack(np.meshgrid(x, z), -1).reshape(-1, 2))
        found[board.height] = float((np.abs(heights - board.height) < 0.02).mean())
    return found


@pytest.mark.parametrize(
    "kind", ["Bed", "Sofa", "ArmChair", "Chair", "CoffeeTable", "Desk", "DiningTable", "SideTable", "TVStand"]
)
def test_tops_seats_and_shelves_are_where_things_are_put(kind: str):
    for asset in assets_of_type(kind)[:5]:
        assert min(carried(asset, shape(asset)).values()) > 0.5, asset.id


@pytest.mark.parametrize("kind", ["Dresser", "ShelvingUnit"])
def test_every_shelf_and_drawer_has_its_board(kind: str):
    """As many as public houses show, at their heights, each under all of what was seen on it."""
    several = [asset for asset in assets_of_type(kind) if len(surfaces(asset)) > 1]
    assert len(several) > 8
    for asset in several[:8]:
        shares = carried(asset, shape(asset))
        assert min(shares.values()) > 0.99, asset.id


def test_a_drawer_has_a_front_and_a_shelf_has_none():
    asset = next(a for a in assets_of_type("TVStand") if a.id == "TV_Stand_211_1")
    mesh, kinds = shape(asset), set()
    for board in surfaces(asset)[:-1]:
        y = board.height + 0.05 - asset.size[1] / 2
        start = np.array([[0.1, y, asset.size[2] / 2 + 1.0]])
        triangles = mesh.vertices[mesh.faces].astype(float)
        distance, _ = first_hits(triangles, start, np.array([[0.0, 0.0, -1.0]]))
        deep = float(distance[0]) - 1.0
        assert deep < 0.05 if board.kind == "drawer" else deep > 0.5 * asset.size[2]
        kinds.add(board.kind)
    assert kinds == {"drawer", "shelf"}


def test_a_counter_stands_where_its_footprint_is():
    """An L counter's worktop covers its two arms and no more. A mesh's x is minus the asset's."""
    asset = next(a for a in assets_of_type("CounterTop") if a.id == "Countertop_L_8x8")
    mesh = shape(asset)
    parts = solid_parts(asset)
    assert len(parts) == 2
    top = mesh.faces[(mesh.normals[mesh.faces][..., 1] > 0.99).all(1)]
    centres = mesh.vertices[top].mean(1)
    centres = centres[centres[:, 1] > asset.size[1] / 2 - 1e-3]
    assert len(centres) >= 4
    for x, _, z in centres:
        assert any(p.x0 <= -x <= p.x1 and p.z0 <= z <= p.z1 for p in parts)
    a, b, c = (mesh.vertices[top][:, i] for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)[
        mesh.vertices[top].mean(1)[:, 1] > asset.size[1] / 2 - 1e-3
    ]
    assert area.sum() / 2 == pytest.approx(sum(p.width * p.depth for p in parts), rel=0.02)
