"""Fridges that are open: `openness` 1 is a door turned wide, and behind it the boards on which things lie.

Whatever its mesh looks like, a fridge is cut a little behind its front: what is before the cut is the door,
which turns about its outer edge (a wide fridge has two), and what is behind is hollowed out to the boards of
the asset (`scenes/house/surfaces.py`). A shut one is its mesh, which hides what is in it.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from scenes.house.asset_table import Asset
from scenes.house.surfaces import Surface, surfaces
from scenes.meshes.geometry import Mesh
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import white

OPENS = ("Fridge",)
WIDE_OPEN = 110.0  # degrees of a door at openness 1
TWO_DOORS = 0.85  # m; a fridge that is wider has a door on each side
DOOR = 0.107  # m, thickness of a door with its handle
SHELL = 0.045  # m, thickness of the walls
SHEET = 0.012  # m, thickness of a board


def opened(mesh: Mesh, asset: Asset, openness: float) -> Mesh:
    """The mesh of a fridge open so far, 0 to 1; itself where it is shut, and for what does not open."""
    return mesh if asset.type not in OPENS or openness <= 0.0 else _opened(mesh, asset, round(openness, 3))


@lru_cache(maxsize=64)
def _opened(mesh: Mesh, asset: Asset, openness: float) -> Mesh:
    w, _, d = asset.size
    cut = d / 2 - min(DOOR, 0.3 * d)
    front, solid = _cut(_Soup.of(mesh), 2, cut)
    body = _hollowed(solid, asset)
    leaves = [(front, -1)] if w <= TWO_DOORS else list(zip(_cut(front, 0, 0.0)[::-1], (-1, 1), strict=True))
    angle = np.radians(WIDE_OPEN) * openness
    parts = [body, *(_turned(leaf, side, w / 2, cut, angle) for leaf, side in leaves)]
    inner = _Soup.of(_inside(asset, cut))
    corners = [np.concatenate([getattr(part, name) for part in (*parts, inner)]) for name in _Soup.CORNERS]
    shift = len(mesh.materials)
    ids = np.concatenate([*(part.material_ids for part in parts), inner.material_ids + shift])
    points, normals, uvs = (values.reshape(-1, values.shape[-1]).astype(np.float32) for values in corners)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)  # cuts leave them short
    return replace(
        mesh,
        key=f"{mesh.key}:open{openness:g}",
        vertices=points,
        normals=normals,
        uvs=uvs,
        faces=np.arange(len(points), dtype=np.int32).reshape(-1, 3),
        material_ids=ids.astype(np.int32),
        materials=(*mesh.materials, white().material),
        colors=None,
    )


@dataclass(frozen=True, eq=False)
class _Soup:
    """Triangles that share no corners."""

    CORNERS = ("points", "normals", "uvs")

    points: np.ndarray  # float [f, 3, 3]
    normals: np.ndarray  # float [f, 3, 3]
    uvs: np.ndarray  # float [f, 3, 2]
    material_ids: np.ndarray  # int [f]

    @staticmethod
    def of(mesh: Mesh) -> "_Soup":
        corners = (
            values[mesh.faces].astype(np.float64) for values in (mesh.vertices, mesh.normals, mesh.uvs)
        )
        points, normals, uvs = corners
        return _Soup(points, normals, uvs, mesh.material_ids)


def _cut(soup: _Soup, axis: int, at: float) -> tuple[_Soup, _Soup]:
    """What is beyond a plane, and what is before it; triangles across it are divided."""
    over = soup.points[..., axis] > at
    count = over.sum(1)
    pieces: dict[bool, list[tuple[np.ndarray, ...]]] = {True: [], False: []}
    for side, whole in ((True, count == 3), (False, count == 0)):
        pieces[side].append(
            (*(getattr(soup, name)[whole] for name in _Soup.CORNERS), soup.material_ids[whole])
        )
    for side, alone in ((True, count == 1), (False, count == 2)):  # one corner on this side, two on the other
        rows = np.flatnonzero(alone)
        first = (over[rows] == side).argmax(1)
        order = (first[:, None] + np.arange(3)) % 3
        a, b, c = (soup.points[rows, order[:, k], axis] for k in range(3))
        t, u = (at - a) / (b - a), (at - a) / (c - a)
        tip, base = [], []
        for name in _Soup.CORNERS:
            p, q, r = (getattr(soup, name)[rows, order[:, k]] for k in range(3))
            pq, pr = p + (q - p) * t[:, None], p + (r - p) * u[:, None]
            tip.append(np.stack([p, pq, pr], 1))
            base.append(np.concatenate([np.stack([pq, q, r], 1), np.stack([pq, r, pr], 1)]))
        ids = soup.material_ids[rows]
        pieces[side].append((*tip, ids))
        pieces[not side].append((*base, np.concatenate([ids, ids])))
    joined = {
        side: _Soup(*(np.concatenate(values) for values in zip(*some, strict=True)))
        for side, some in pieces.items()
    }
    return joined[True], joined[False]


def _hollowed(body: _Soup, asset: Asset) -> _Soup:
    """What is not within the hollow behind the door: a front that was shut there, or an inside of its own."""
    half = np.array(asset.size) / 2 - SHELL - 0.002
    middle = body.points.mean(1)
    within = (np.abs(middle[:, :2]) < half[:2]).all(1) & (middle[:, 2] > -half[2])
    return _Soup(body.points[~within], body.normals[~within], body.uvs[~within], body.material_ids[~within])


def _turned(leaf: _Soup, side: int, edge: float, cut: float, angle: float) -> _Soup:
    """A door turned outwards about its outer edge, at x = `side` · `edge` and z = `cut`."""
    c, s = np.cos(angle), -side * np.sin(angle)
    turn = np.array([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]])
    hinge = np.array([side * edge, 0.0, cut])
    return replace(leaf, points=(leaf.points - hinge) @ turn.T + hinge, normals=leaf.normals @ turn.T)


def _inside(asset: Asset, cut: float) -> Mesh:
    """The hollow of a fridge, open to the front, and its boards; centred on the asset's box."""
    w, h, d = asset.size
    b, look = MeshBuilder(), white()
    x, back, front = w / 2 - SHELL, -d / 2 + SHELL, cut - 0.001
    low, high = SHELL, h - SHELL
    corners = {
        "left": [(-x, low, front), (-x, low, back), (-x, high, back), (-x, high, front)],
        "right": [(x, low, back), (x, low, front), (x, high, front), (x, high, back)],
        "back": [(-x, low, back), (x, low, back), (x, high, back), (-x, high, back)],
        "floor": [(-x, low, front), (x, low, front), (x, low, back), (-x, low, back)],
        "roof": [(-x, high, back), (x, high, back), (x, high, front), (-x, high, front)],
    }
    for wall in corners.values():
        b.sheet(wall, look, whole=False)
    rim = [((-w / 2, 0.0), (-x, h)), ((x, 0.0), (w / 2, h)), ((-x, 0.0), (x, low)), ((-x, high), (x, h))]
    for (x0, y0), (x1, y1) in rim:
        b.sheet([(x0, y0, front), (x1, y0, front), (x1, y1, front), (x0, y1, front)], look, whole=False)
    for board in surfaces(asset):
        _board(b, board, x, back, front)
    b.shift((0.0, -h / 2, 0.0))
    return b.mesh(f"inside:{asset.id}")


def _board(b: MeshBuilder, board: Surface, x: float, back: float, front: float) -> None:
    """A board as far to the front as things were seen on it, over all of the width or a half of it."""
    region = board.rects[0]
    x0, x1 = max(-x, -region.x1 - SHELL), min(x, -region.x0 + SHELL)  # a mesh's x is minus the asset's
    if x1 - x0 > x:
        x0, x1 = -x, x
    reach = min(max(region.z1 + SHELL / 2, 0.0), front)
    b.box((x0, board.height - SHEET, back), (x1, board.height, reach), white())
