"""Walls, floors, ceilings and skirting of a house, in world coordinates.

The format's walls are planes without thickness, two back to back between rooms. Each side is moved slightly
into its own room, so that both are visible, each with its own material; the outer side is moved outwards,
which gives window reveals their depth. Holes pass through both sides, with reveals.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import shapely
from jaxtyping import Float64

from scenes.house.elements import Opening, Room, Wall
from scenes.house.schema import House
from scenes.meshes.building.assembly import Assembly
from scenes.meshes.faces import triangulate
from scenes.meshes.looks import finish, house_finish
from scenes.meshes.mesh_builder import Finish, MeshBuilder
from scenes.meshes.meshing import cross

INNER_M = 0.015  # a room's wall stands this far inside the plane
OUTER_M = 0.10  # and the outer side this far outside
SKIRTING_M = (0.08, 0.012)  # height, thickness


@dataclass(frozen=True, eq=False)
class Side:
    """One side of a wall in the world: its frame, and its holes (s0, y0, s1, y1), s along p0 to p1 [m]."""

    wall: Wall
    start: Float64[np.ndarray, "2"]  # p0 in world (x, z)
    along: Float64[np.ndarray, "2"]  # unit, p0 to p1
    normal: Float64[np.ndarray, "2"]  # unit, towards whoever looks at this side
    length: float
    depth: float  # how far this side stands from the plane, along the normal
    overlap: tuple[float, float]  # how far to go on beyond p0 and p1, 1 or 0 times the depth
    holes: tuple[tuple[float, float, float, float], ...]

    @property
    def y(self) -> tuple[float, float]:
        """Foot and top [m]."""
        heights = [v.y for v in self.wall.polygon]
        return min(heights), max(heights)

    def point(self, s: float, y: float, depth: float) -> list[float]:
        """The world point at `s` along the wall, height `y`, `depth` off the plane towards the viewer."""
        x, z = self.start + s * self.along + depth * self.normal
        return [x, y, z]


def room_shape(room: Room) -> shapely.Polygon:
    """The floor in world (x, z)."""
    return shapely.Polygon([(x, -z) for x, z in room.polygon])


def wall_sides(house: House) -> dict[str, Side]:
    """Every wall that stands, by id."""
    rooms = {room.id: room_shape(room) for room in house.rooms}
    everywhere = shapely.union_all(list(rooms.values()))
    openings: tuple[Opening, ...] = (*house.doors, *house.windows)
    sides = {}
    for wall in house.walls:
        if wall.empty or wall.length < 1e-6:
            continue
        start, end = (np.array([x, -z]) for x, z in wall.ends)
        along = (end - start) / wall.length
        left = np.array([-along[1], along[0]])
        inside = everywhere if wall.exterior else rooms.get(wall.room_id, everywhere)
        middle = start + along * wall.length * np.array([[0.5], [0.3], [0.7]])
        votes = [inside.contains(shapely.Point(m + 0.02 * left)) for m in middle]
        towards_rooms = left if sum(votes) >= 2 else -left
        normal = -towards_rooms if wall.exterior else towards_rooms
        open_side = (
            shapely.difference(shapely.box(*everywhere.buffer(9).bounds), everywhere)
            if wall.exterior
            else inside
        )
        reflex = tuple(
            all(
                open_side.contains(shapely.Point(p + step * along * 0.02 + side * normal * 0.02))
                for side in (1, -1)
            )
            for p, step in ((start, -1), (end, 1))
        )
        holes = [o.hole_on(wall) for o in openings if wall.id in (o.wall0, o.wall1)]
        depth = OUTER_M if wall.exterior else INNER_M
        sides[wall.id] = Side(
            wall, start, along, normal, wall.length, depth, (float(reflex[0]), float(reflex[1])), tuple(holes)
        )
    return sides


def build_walls(house: House, sides: dict[str, Side], out: Assembly) -> None:
    """One instance a wall side, and one a room for its skirting."""
    for side in sides.values():
        builder = MeshBuilder()
        _wall_face(builder, side, house_finish(side.wall.material.name, _color(side.wall.material)))
        out.build(side.wall.id, "Wall", builder)
    paint = finish("plain", (0.88, 0.87, 0.84))
    for room in house.rooms:
        builder = MeshBuilder()
        for side in sides.values():
            if side.wall.room_id == room.id and not side.wall.exterior:
                _skirting(builder, side, paint)
        if len(builder):
            out.build(f"skirting|{room.id}", "Skirting", builder)


def build_floors(house: House, sides: dict[str, Side], out: Assembly) -> None:
    """Floor and ceiling of every room."""
    for room in house.rooms:
        floor_y, ceiling_y = levels(room, sides)
        shape = room_shape(room)
        ceiling = house.procedural_parameters.ceiling_material
        for name, label, y, up, look in (
            (
                room.id,
                "Floor",
                floor_y,
                True,
                house_finish(room.floor_material.name, _color(room.floor_material)),
            ),
            (f"ceiling|{room.id}", "Ceiling", ceiling_y, False, house_finish(ceiling.name, _color(ceiling))),
        ):
            points, faces = triangulate(shape)
            # Counter-clockwise in (x, z) looks down, since x cross z is -y.
            faces = faces[:, ::-1] if up else faces
            builder = MeshBuilder()
            builder.part(np.insert(points, 1, y, axis=1), faces, look, points[faces] / look.tile_m)
            out.build(name, label, builder)
    # Floors of two rooms meet under doors with nothing but a shared line: no ray may slip through it.
    below = min(levels(room, sides)[0] for room in house.rooms) - 0.01
    ground = shapely.union_all([room_shape(room).buffer(0.05, join_style="mitre") for room in house.rooms])
    builder = MeshBuilder()
    for part in shapely.get_parts(ground):
        builder.slab(part, below - 0.2, below, finish("plain", (0.42, 0.38, 0.33)))
    out.build("foundation", "Floor", builder)


def levels(room: Room, sides: dict[str, Side]) -> tuple[float, float]:
    """Heights of a room's floor and ceiling [m]: foot and top of its walls."""
    floor_y = min(v.y for v in room.floor_polygon)
    own = [s for s in sides.values() if s.wall.room_id == room.id] or list(sides.values())
    return floor_y, max(side.y[1] for side in own)


def facing(
    builder: MeshBuilder,
    quad: list[list[float]],
    normal: Float64[np.ndarray, "3"],
    look: Finish,
    uv: Float64[np.ndarray, "4 2"],
) -> None:
    """A quad of corners [m] with texture coordinates [m], wound so that it looks along the world `normal`."""
    corners = np.array(quad)
    if np.dot(cross(corners[1] - corners[0], corners[2] - corners[0]), normal) < 0:
        corners, uv = corners[::-1], uv[::-1]
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    builder.part(corners, faces, look, uv[faces] / look.tile_m)


def _wall_face(builder: MeshBuilder, side: Side, look: Finish) -> None:
    low, high = side.y
    ends = (-side.overlap[0] * side.depth, side.length + side.overlap[1] * side.depth)
    cut_s = sorted({*ends, *(s for h in side.holes for s in (h[0], h[2]) if ends[0] < s < ends[1])})
    cut_y = sorted({low, high, *(y for h in side.holes for y in (h[1], h[3]) if low < y < high)})
    normal = np.array([side.normal[0], 0.0, side.normal[1]])
    along = np.array([side.along[0], 0.0, side.along[1]])

    def quad(corners: list[tuple[float, float, float]], towards: np.ndarray, flat: tuple[int, int]) -> None:
        uv = np.array([(c[flat[0]], c[flat[1]]) for c in corners])
        facing(builder, [side.point(*c) for c in corners], towards, look, uv)

    d = side.depth
    for s0, s1 in itertools.pairwise(cut_s):
        for y0, y1 in itertools.pairwise(cut_y):
            s, y = (s0 + s1) / 2, (y0 + y1) / 2
            if not any(h[0] < s < h[2] and h[1] < y < h[3] for h in side.holes):
                quad([(s0, y0, d), (s1, y0, d), (s1, y1, d), (s0, y1, d)], normal, (0, 1))
    for s0, y0, s1, y1 in side.holes:  # reveals: from this side's face to the plane
        y0, y1 = max(y0, low), min(y1, high)
        quad([(s0, y0, 0), (s0, y0, d), (s0, y1, d), (s0, y1, 0)], along, (2, 1))
        quad([(s1, y0, 0), (s1, y0, d), (s1, y1, d), (s1, y1, 0)], -along, (2, 1))
        quad([(s0, y1, 0), (s0, y1, d), (s1, y1, d), (s1, y1, 0)], np.array([0, -1.0, 0]), (0, 2))
        if y0 > low + 1e-3:  # under a door the floor goes on
            quad([(s0, y0, 0), (s0, y0, d), (s1, y0, d), (s1, y0, 0)], np.array([0, 1.0, 0]), (0, 2))
    for s, reflex, towards in ((ends[0], side.overlap[0], -along), (ends[1], side.overlap[1], along)):
        if reflex:
            quad([(s, low, 0), (s, low, d), (s, high, d), (s, high, 0)], towards, (2, 1))


def _skirting(builder: MeshBuilder, side: Side, paint: Finish) -> None:
    height, thick = SKIRTING_M
    low = side.y[0]
    d0, d1 = side.depth, side.depth + thick
    at, end = -side.overlap[0] * d1, side.length + side.overlap[1] * d1
    gaps = sorted((h[0], h[2]) for h in side.holes if h[1] < low + height)
    for stop, go_on in [*gaps, (end, end)]:
        if stop - at > 0.01:
            block(builder, side, (at, low, d0), (stop, low + height, d1), paint)
        at = max(at, go_on)


def block(
    builder: MeshBuilder,
    side: Side,
    low: tuple[float, float, float],
    high: tuple[float, float, float],
    look: Finish,
) -> None:
    """A box in the frame of a wall side: corners (s, y, depth)."""
    part = MeshBuilder()
    part.box(low, high, look)
    builder.take(part, frame(side))


def frame(side: Side) -> Float64[np.ndarray, "4 4"]:
    """From (s, y, depth) of a wall side to the world; it mirrors where the room lies to the left."""
    matrix = np.eye(4)
    matrix[:3, 0] = side.along[0], 0, side.along[1]
    matrix[:3, 2] = side.normal[0], 0, side.normal[1]
    matrix[:3, 3] = side.start[0], 0, side.start[1]
    return matrix


def _color(material: object) -> tuple[float, float, float] | None:
    color = getattr(material, "color", None)
    return None if color is None else (color.r, color.g, color.b)
