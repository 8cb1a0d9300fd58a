"""Small spaces of known shape, put together by hand: what renderer and samplers are tested on."""

import numpy as np

from scenes.meshes.geometry import FloorRegion, Instance, Light, Material, Mesh, SceneGeometry, Sky

WALL, FLOOR, CEILING, THING, PANE = 1, 2, 3, 4, 5
_SIDES = (  # normal, then the corners of a unit cube's side, counter-clockwise seen from outside
    ((-1, 0, 0), ((0, 0, 0), (0, 0, 1), (0, 1, 1), (0, 1, 0))),
    ((1, 0, 0), ((1, 0, 1), (1, 0, 0), (1, 1, 0), (1, 1, 1))),
    ((0, -1, 0), ((0, 0, 0), (1, 0, 0), (1, 0, 1), (0, 0, 1))),
    ((0, 1, 0), ((0, 1, 1), (1, 1, 1), (1, 1, 0), (0, 1, 0))),
    ((0, 0, -1), ((1, 0, 0), (0, 0, 0), (0, 1, 0), (1, 1, 0))),
    ((0, 0, 1), ((0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1))),
)
WHITE = Material("white", (0.8, 0.8, 0.8))


def cube(key: str, *materials: Material) -> Mesh:
    """A unit cube with a corner in the origin: one material, or one a side: -x +x -y +y -z +z."""
    materials = materials or (WHITE,)
    vertices = np.array([c for _, corners in _SIDES for c in corners], np.float32)
    normals = np.repeat(np.array([n for n, _ in _SIDES], np.float32), 4, axis=0)
    faces = np.array(
        [[4 * i + a, 4 * i + b, 4 * i + c] for i in range(6) for a, b, c in ((0, 1, 2), (0, 2, 3))]
    )
    uvs = np.tile(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32), (6, 1))
    of_side = np.arange(6) if len(materials) == 6 else np.zeros(6, int)
    return Mesh(
        key, vertices, faces.astype(np.int32), normals, uvs, np.repeat(of_side, 2).astype(np.int32), materials
    )


def placed(
    name: str, mesh: int, low: tuple, size: tuple, class_id: int, instance_id: int, turn: float = 0.0
) -> Instance:
    """A unit cube stretched to `size` [m], its low corner at `low`, turned about its vertical [radians]."""
    c, s = np.cos(turn), np.sin(turn)
    transform = np.eye(4)
    transform[:3, :3] = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]) @ np.diag(size)
    transform[:3, 3] = low
    return Instance(name, mesh, transform, class_id, instance_id)


def room(
    size: tuple[float, float, float] = (4.0, 2.5, 6.0),
    extra_meshes: tuple[Mesh, ...] = (),
    extra: tuple[Instance, ...] = (),
    lights: tuple[Light, ...] = (Light("point", (3.0, 3.0, 3.0), position=(2.0, 2.2, 3.0), range=15.0),),
    without: tuple[str, ...] = (),
    surface: Material = WHITE,
) -> SceneGeometry:
    """A room from the origin to `size` [m] of six slabs 0.1 m thick; mesh 0 is theirs, extra ones follow."""
    x, y, z = size
    t = 0.1
    slabs = (
        placed("floor", 0, (-t, -t, -t), (x + 2 * t, t, z + 2 * t), FLOOR, 1),
        placed("ceiling", 0, (-t, y, -t), (x + 2 * t, t, z + 2 * t), CEILING, 2),
        placed("west", 0, (-t, 0, 0), (t, y, z), WALL, 3),
        placed("east", 0, (x, 0, 0), (t, y, z), WALL, 4),
        placed("north", 0, (-t, 0, -t), (x + 2 * t, y, t), WALL, 5),
        placed("south", 0, (-t, 0, z), (x + 2 * t, y, t), WALL, 6),
    )
    polygon = np.array([[0.0, 0.0], [x, 0.0], [x, z], [0.0, z]])
    return SceneGeometry(
        space="by-hand",
        digest="none",
        meshes=(cube(f"slab-{surface.name}", surface), *extra_meshes),
        instances=tuple(s for s in slabs if s.name not in without) + extra,
        lights=lights,
        floor=(FloorRegion("r1", "Bedroom", polygon, 0.0, y),),
        sky=Sky(),
    )


def pose(position: tuple[float, float, float], right: tuple, down: tuple) -> np.ndarray:
    """Camera to world from where it is and where its x and y axes point."""
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = right, down, np.cross(right, down)
    matrix[:3, 3] = position
    return matrix
