"""Builds meshes from boxes, cushions, turned profiles, rods and sheets.

Everything is in metres, right-handed, y up; a thing's front looks along +z. Textures lie on in true size: a
`Finish` says how many metres one repeat of its texture covers.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float, Float64, Int, Int64, Real

from scenes.meshes.faces import ACROSS, as_triangles, grid_faces, lay_flat, triangulate
from scenes.meshes.geometry import Material, Mesh
from scenes.meshes.meshing import TriangleSoup, assemble_all, cross

Point = Sequence[float]

_BOX_CORNERS = np.array([[(i >> 2) & 1, (i >> 1) & 1, i & 1] for i in range(8)])
_BOX_FACES = as_triangles(
    ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
)
_BOX_AXES = np.tile([0, 0, 1, 1, 2, 2], 2)  # that the faces look along


@dataclass(frozen=True, eq=False)
class Finish:
    """A material and the size of its pattern."""

    material: Material
    tile_m: float = 1.0  # metres that one repeat of the texture covers


class MeshBuilder:
    """Collects triangles with their finishes; `mesh` joins them into one `Mesh`."""

    def __init__(self) -> None:
        self._parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, int]] = []
        self._materials: dict[int, Material] = {}

    def part(
        self,
        points: Real[np.ndarray, "v 3"],
        faces: Int[np.ndarray, "f 3"],
        finish: Finish,
        uvs: Real[np.ndarray, "f 3 2"] | None = None,
    ) -> None:
        """Any triangles over points [m]; `uvs` of each corner in repeats of the texture, without them laid
        on flat."""
        points = np.asarray(points, np.float64)
        faces = np.asarray(faces, np.int64).reshape(-1, 3)
        if uvs is None:
            uvs = lay_flat(points, faces) / finish.tile_m
        self._materials.setdefault(id(finish.material), finish.material)
        slot = list(self._materials).index(id(finish.material))
        self._parts.append((points, faces, np.asarray(uvs, np.float64), slot))

    def box(self, low: Point, high: Point, finish: Finish) -> None:
        """An axis-aligned block from corner `low` to corner `high`.

        A texture's u, the way of a wood's grain, runs along the longer edges of each side.
        """
        bottom, top = np.minimum(low, high), np.maximum(low, high)
        extent = top - bottom
        points = bottom + _BOX_CORNERS * extent
        longer = extent[ACROSS[:, 1]] > extent[ACROSS[:, 0]]
        across = np.where(longer[:, None], ACROSS[:, ::-1], ACROSS)[_BOX_AXES]
        uvs = np.take_along_axis(points[_BOX_FACES], across[:, None, :], axis=2) / finish.tile_m
        self.part(points, _BOX_FACES, finish, uvs)

    def cushion(self, low: Point, high: Point, radius: float, finish: Finish, steps: int = 3) -> None:
        """A block with rounded edges and corners."""
        bottom, top = np.minimum(low, high), np.maximum(low, high)
        half = (top - bottom) / 2
        radius = float(min(radius, *(half * 0.999)))
        quarter = np.linspace(0, np.pi / 2, steps + 1)
        around = np.concatenate([quarter + q * np.pi / 2 for q in range(4)])
        east = np.repeat(np.array([1, -1, -1, 1]), steps + 1)
        south = np.repeat(np.array([1, 1, -1, -1]), steps + 1)
        down = np.concatenate([quarter, quarter + np.pi / 2])
        north = np.repeat(np.array([1, -1]), steps + 1)
        ball = np.stack(
            [
                np.sin(down)[:, None] * np.cos(around)[None],
                np.cos(down)[:, None] * np.ones_like(around)[None],
                np.sin(down)[:, None] * np.sin(around)[None],
            ],
            -1,
        )
        sign = np.stack(np.broadcast_arrays(east[None], north[:, None], south[None]), -1)
        points = ((bottom + top) / 2 + ball * radius + sign * (half - radius)).reshape(-1, 3)
        rows, columns = len(down), len(around)
        faces = [grid_faces(rows, columns, closed=True)]
        ends = [steps, 2 * steps + 1, 3 * steps + 2, 4 * steps + 3]  # one corner of the flat top per quadrant
        faces.append(as_triangles([ends[::-1], [(rows - 1) * columns + e for e in ends]]))
        self.part(points, np.concatenate(faces), finish)

    def turned(
        self,
        profile: Sequence[tuple[float, float]],
        centre: Point,
        finish: Finish,
        sides: int = 24,
        stretch: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        """A profile of (radius, height) from bottom to top, outside first, turned about the y axis through
        `centre`."""
        line = np.asarray(profile, np.float64)
        angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
        points = np.stack(
            [
                line[:, :1] * np.cos(angle) * stretch[0],
                np.repeat(line[:, 1:], sides, axis=1),
                line[:, :1] * np.sin(angle) * stretch[1],
            ],
            -1,
        ).reshape(-1, 3)
        faces = grid_faces(len(line), sides, closed=True)[:, ::-1]
        row, column = np.divmod(np.arange(len(points)), sides)
        climb = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
        girth = 2 * np.pi * float(line[:, 0].max())
        repeats = max(1, round(girth / finish.tile_m))
        uv = np.stack([column / sides * repeats, climb[row] / finish.tile_m], -1)[faces]
        seam = (np.ptp(uv[..., 0], axis=1) > repeats / 2)[:, None] & (uv[..., 0] < repeats / 2)
        uv[..., 0] += seam * repeats
        self.part(points + np.asarray(centre), faces, finish, uv)

    def loft(self, rings: Float[np.ndarray, "rows n 3"], finish: Finish, closed: bool = False) -> None:
        """A skin over rings of points [m]: each runs counter-clockwise as seen from the last.

        `closed` joins the last ring to the first instead of closing the two ends.
        """
        rows, n = rings.shape[:2]
        points = rings.reshape(-1, 3)
        faces = [grid_faces(rows, n, closed=True)]
        if closed:
            last, step = (rows - 1) * n + np.arange(n), (np.arange(n) + 1) % n
            faces.append(as_triangles(np.stack([last, (rows - 1) * n + step, step, np.arange(n)], -1)))
        else:
            points = np.concatenate([points, rings[[0, -1]].mean(1)])
            i, j = np.arange(n), (np.arange(n) + 1) % n
            top = (rows - 1) * n
            faces.append(np.column_stack([j, i, np.full(n, rows * n)]))
            faces.append(np.column_stack([top + i, top + j, np.full(n, rows * n + 1)]))
        self.part(points, np.concatenate(faces), finish)

    def ball(self, centre: Point, radii: Point, finish: Finish, sides: int = 20) -> None:
        """An ellipsoid."""
        angle = np.linspace(0, np.pi, max(6, sides // 2) + 1)
        rx, ry, rz = radii
        profile = [(max(np.sin(a), 1e-4), -np.cos(a) * ry) for a in angle]
        self.turned(profile, centre, finish, sides, stretch=(rx, rz))

    def rod(
        self,
        start: Point,
        end: Point,
        radius: float,
        finish: Finish,
        tip: float | None = None,
        sides: int = 12,
    ) -> None:
        """A round bar between two points; `tip` is the radius at `end`."""
        a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
        axis = b - a
        length = float(np.linalg.norm(axis))
        up = axis / length
        side = cross(up, np.array([0, 0, 1] if abs(up[2]) < 0.9 else [1, 0, 0]))
        side /= np.linalg.norm(side)
        other = cross(side, up)
        tip = radius if tip is None else tip
        angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
        ring = np.cos(angle)[:, None] * side + np.sin(angle)[:, None] * other
        points = np.concatenate([a + ring * radius, b + ring * tip, [a, b]])
        n = np.arange(sides)
        caps = [
            np.column_stack([n, (n + 1) % sides, np.full(sides, 2 * sides)]),
            np.column_stack([sides + (n + 1) % sides, sides + n, np.full(sides, 2 * sides + 1)]),
        ]
        self.part(points, np.concatenate([grid_faces(2, sides, closed=True)[:, ::-1], *caps]), finish)

    def tube(self, path: Sequence[Point], radius: float, finish: Finish, sides: int = 10) -> None:
        """Round bars from point to point, with balls at the bends."""
        for a, b in itertools.pairwise(path):
            self.rod(a, b, radius, finish, sides=sides)
        for bend in path[1:-1]:
            self.ball(bend, (radius,) * 3, finish, sides=sides)

    def sheet(self, corners: Sequence[Point], finish: Finish, whole: bool = True) -> None:
        """A quad: lower left, lower right, upper right, upper left as seen from its front.

        With `whole` the texture is shown once, as on a picture or a screen.
        """
        faces = as_triangles([(0, 1, 2, 3)])
        uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)[faces] if whole else None
        self.part(np.asarray(corners, np.float64), faces, finish, uv)

    def slab(self, outline: shapely.Polygon, low: float, high: float, finish: Finish) -> None:
        """A flat outline in (x, z), with holes if it has some, made thick from y = `low` to `high`."""
        points, faces = triangulate(outline)
        for y, flip in ((high, True), (low, False)):
            lifted = np.column_stack([points[:, 0], np.full(len(points), y), points[:, 1]])
            self.part(lifted, faces[:, ::-1] if flip else faces, finish)
        for index, ring in enumerate((outline.exterior, *outline.interiors)):
            line = np.asarray(shapely.get_coordinates(ring))[:-1]
            if ring.is_ccw != (index == 0):  # solid to the left of the walk
                line = line[::-1]
            n = len(line)
            wall = np.concatenate([np.insert(line, 1, low, axis=1), np.insert(line, 1, high, axis=1)])
            quads = [(i, i + n, (i + 1) % n + n, (i + 1) % n) for i in range(n)]
            self.part(wall, as_triangles(quads), finish)

    def join(self, other: "MeshBuilder") -> None:
        """Adds the parts of another builder as they are."""
        self.take(other, np.eye(4))

    def take(self, other: "MeshBuilder", transform: Float[np.ndarray, "4 4"]) -> None:
        """Adds the parts of another builder, moved by a matrix; one that mirrors turns the faces'
        winding."""
        mirrors = np.linalg.det(transform[:3, :3]) < 0
        finishes = [Finish(m) for m in other._materials.values()]
        for points, faces, uvs, slot in other._parts:
            moved = points @ transform[:3, :3].T + transform[:3, 3]
            turned = (faces[:, ::-1], uvs[:, ::-1]) if mirrors else (faces, uvs)
            self.part(moved, turned[0], finishes[slot], turned[1])

    def shift(self, offset: Point, since: int = 0) -> None:
        """Moves all parts from number `since` on."""
        self._parts[since:] = [(p + np.asarray(offset), f, uv, m) for p, f, uv, m in self._parts[since:]]

    def turn(self, degrees: float, axis: str = "y", about: Point = (0, 0, 0), since: int = 0) -> None:
        """Turns all parts from number `since` on, right-handed, about a line through `about`."""
        rotation = rotation_matrix(axis, degrees)
        pivot = np.asarray(about, np.float64)
        self._parts[since:] = [
            ((p - pivot) @ rotation.T + pivot, f, uv, m) for p, f, uv, m in self._parts[since:]
        ]

    def __len__(self) -> int:
        return len(self._parts)

    def bounds(self) -> Float64[np.ndarray, "2 3"]:
        """Lowest and highest corner [m]."""
        points = np.concatenate([p for p, *_ in self._parts])
        return np.stack([points.min(0), points.max(0)])

    def fit(self, size: Point) -> None:
        """Stretches the whole thing to a box of this size about the origin."""
        low, high = self.bounds()
        scale = np.asarray(size) / np.maximum(high - low, 1e-6)
        self._parts = [((p - (low + high) / 2) * scale, f, uv, m) for p, f, uv, m in self._parts]

    def bend(self, heights: Sequence[float], become: Sequence[float]) -> None:
        """Moves every point from its height y [m] to another, linear between the given ones."""
        self._parts = [
            (np.column_stack([p[:, 0], np.interp(p[:, 1], heights, become), p[:, 2]]), f, uv, m)
            for p, f, uv, m in self._parts
        ]

    def triangles(self) -> tuple[Float64[np.ndarray, "v 3"], Int64[np.ndarray, "f 3"]]:
        """All points and faces."""
        offsets = np.cumsum([0] + [len(p) for p, *_ in self._parts])
        faces = [f + o for (_, f, _, _), o in zip(self._parts, offsets, strict=False)]
        return np.concatenate([p for p, *_ in self._parts]), np.concatenate(faces)

    def mesh(self, key: str) -> Mesh:
        """All parts as one mesh. Parts are not smoothed into each other."""
        return assemble_all([self.soup(key)])[0]

    def soup(self, key: str) -> TriangleSoup:
        """All parts as what `assemble_all` makes a mesh of."""
        assert self._parts, f"nothing was built for {key}"
        points, faces = self.triangles()
        count = [len(f) for _, f, _, _ in self._parts]
        return TriangleSoup(
            key,
            points,
            faces,
            np.concatenate([uv for _, _, uv, _ in self._parts]),
            np.repeat([m for *_, m in self._parts], count),
            tuple(self._materials.values()),
            np.repeat(np.arange(len(count)), count),
        )


def rotation_matrix(axis: str, degrees: float) -> Float64[np.ndarray, "3 3"]:
    """The matrix that turns column vectors about one of the axes x, y, z."""
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(3)
    matrix[j, j], matrix[j, k], matrix[k, j], matrix[k, k] = c, -s, s, c
    return matrix
