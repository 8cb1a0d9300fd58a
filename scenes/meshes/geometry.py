"""Scene geometry as NumPy arrays: all that a renderer needs to know of a space.

A house (`scenes/meshes/compile.py`) or a scan compiles to one `SceneGeometry`. World coordinates are
right-handed, y up, in metres: a point (x, y, z) of a house's left-handed JSON is (x, y, -z) here.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float32, Float64, Int32, UInt8

from scenes.house.schema import House


@dataclass(frozen=True, eq=False)
class Material:
    """How a surface looks. The texture, where there is one, is multiplied by `color`."""

    name: str
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)  # sRGB, each in [0, 1]
    texture: UInt8[np.ndarray, "h w 3"] | None = None  # sRGB; row 0 is the top, v = 0 the bottom; it repeats
    # Linear radiance added to what is reflected; it, too, is multiplied by the texture.
    emission: tuple[float, float, float] = (0.0, 0.0, 0.0)
    opacity: float = 1.0  # below 1: glass, which a ray passes with the rest tinted by `color`
    switched: bool = False  # a shade, bulb or screen, whose look hangs on whether its thing is on


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in their own coordinates, shared by every instance and, by `key`, by a process's spaces."""

    key: str  # equal keys promise equal content
    vertices: Float32[np.ndarray, "v 3"]  # metres
    faces: Int32[np.ndarray, "f 3"]  # counter-clockwise seen from outside
    normals: Float32[np.ndarray, "v 3"]  # unit; vertices are split where a surface has a crease
    uvs: Float32[np.ndarray, "v 2"]
    material_ids: Int32[np.ndarray, " f"]  # index into `materials`
    materials: tuple[Material, ...]
    colors: UInt8[np.ndarray, "v 3"] | None = None  # sRGB, multiplied with the material's; scans have them


@dataclass(frozen=True, eq=False)
class Instance:
    """One thing in the space: a mesh, put somewhere, with what it is."""

    name: str  # the house's own id of the object, wall, door ...
    mesh: int  # index into SceneGeometry.meshes
    transform: Float64[np.ndarray, "4 4"]  # mesh to world; may scale, never mirrors
    class_id: int  # Label.id
    instance_id: int  # 1 and up, unique in the space


@dataclass(frozen=True, eq=False)
class Light:
    """A lamp or the sun. `color` is linear rgb times intensity; unused fields are zero."""

    kind: Literal["point", "spot", "directional"]
    color: tuple[float, float, float]
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)  # metres
    direction: tuple[float, float, float] = (0.0, -1.0, 0.0)  # unit, the way light travels
    range: float = 0.0  # metres after which a point or spot light is dark; 0 = no limit
    spot_angle: float = 0.0  # full cone, degrees
    shadows: bool = True
    shade: float = 0.2  # metres about a point or spot light in which nothing casts its shadow: its own shade
    thing: str = ""  # id of the lamp that it is the light of; empty for the lights of the house itself


@dataclass(frozen=True)
class Sky:
    """What is seen where nothing is hit, and what falls in through windows. Linear radiance."""

    zenith: tuple[float, float, float] = (0.25, 0.45, 0.85)
    horizon: tuple[float, float, float] = (0.75, 0.85, 0.95)
    ground: tuple[float, float, float] = (0.25, 0.24, 0.22)


@dataclass(frozen=True, eq=False)
class FloorRegion:
    """The inside of one room: where a body may be."""

    room_id: str
    room_type: str
    polygon: Float64[np.ndarray, "n 2"]  # world (x, z), metres, open ring
    floor_y: float  # metres
    ceiling_y: float  # metres


@dataclass(frozen=True)
class Credit:
    """Whose model this is: CC-BY asks that the name travels with it."""

    model: str
    author: str
    license: str
    source: str


@dataclass(frozen=True, eq=False)
class SceneGeometry:
    """A space, compiled."""

    space: str  # id of the space
    digest: str  # of the house or scan it was compiled from
    meshes: tuple[Mesh, ...]
    instances: tuple[Instance, ...]
    lights: tuple[Light, ...]
    floor: tuple[FloorRegion, ...]
    sky: Sky = field(default_factory=Sky)
    credits: tuple[Credit, ...] = ()
    house: House | None = None  # that it was compiled from, for simulators that make a house of their own
    mesh_file: Path | None = None  # a file of these surfaces for habitat-sim, where there is one
    in_replica_layout: bool = False  # read from Replica's layout: colours at vertices, no lamps
    notes: tuple[str, ...] = ()  # what was guessed or left out on reading
    captured: bool = False  # the colours hold the light they were seen in, as a scan's do: shown as they are

    @property
    def triangles(self) -> int:
        """Number of triangles over all instances."""
        return sum(len(self.meshes[i.mesh].faces) for i in self.instances)
