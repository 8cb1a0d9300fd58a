"""The parts of a house, as ProcTHOR's JSON names them: rooms, walls, openings, objects, lights.

Conventions of the format: see scenes/house/schema.py, whose `House` reads and writes them. Attributes are
snake_case here, camelCase in JSON. Keys that no model names are kept and written back.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, WrapSerializer, WrapValidator
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class _Null:
    """Empty where AI2-THOR takes null for a list or a string; written back as null."""


class _NoItems(_Null, tuple[Any, ...]):
    pass


class _NoText(_Null, str):
    pass


_WRITE_NULL = WrapSerializer(lambda value, write: None if isinstance(value, _Null) else write(value))
_ITEMS_OR_NULL = WrapValidator(lambda value, read: _NoItems() if value is None else read(value))
_TEXT_OR_NULL = WrapValidator(lambda value, read: _NoText() if value is None else read(value))
Text = Annotated[str, _TEXT_OR_NULL, _WRITE_NULL]
"""A string; null reads as an empty one and is written back as null."""
Items = Annotated[tuple[T, ...], _ITEMS_OR_NULL, _WRITE_NULL]
"""A list; null reads as an empty one and is written back as null."""


class Model(BaseModel):
    """A frozen model that keeps keys it does not name."""

    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)


class Vec3(Model):
    """A point [m], a direction or Euler angles [degrees]."""

    x: float
    y: float
    z: float


class Rgb(Model):
    """An sRGB colour, each channel in [0, 1]."""

    r: float
    g: float
    b: float


class Material(Model):
    """A named AI2-THOR material, tinted where it has a colour."""

    name: Text = ""
    color: Rgb | None = None


class Room(Model):
    """One room: its floor, clockwise in xz, may hold vertices in the middle of a straight side."""

    id: str
    room_type: str
    floor_polygon: tuple[Vec3, ...]
    floor_material: Material = Material()
    ceilings: Items[Any] = ()
    children: Items[Any] = ()
    layer: str | None = None

    @property
    def polygon(self) -> list[tuple[float, float]]:
        """The floor's vertices (x, z) [m], clockwise, open ring."""
        return [(v.x, v.z) for v in self.floor_polygon]


class Wall(Model):
    """One side of a wall. Between two rooms stand two of them, back to back; outside, one is `exterior`."""

    id: str
    polygon: tuple[Vec3, ...]
    room_id: str
    material: Material
    layer: str | None = None
    empty: bool = False  # nothing stands here: two rooms flow into one another

    @property
    def ends(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """p0 and p1 as (x, z) [m]: the two lowest vertices, in their order in the file."""
        lowest = sorted(range(len(self.polygon)), key=lambda i: (self.polygon[i].y, i))[:2]
        first, second = (self.polygon[i] for i in sorted(lowest))
        return (first.x, first.z), (second.x, second.z)

    @property
    def length(self) -> float:
        """Distance of p0 and p1 [m]."""
        (x0, z0), (x1, z1) = self.ends
        return ((x1 - x0) ** 2 + (z1 - z0) ** 2) ** 0.5

    @property
    def height(self) -> float:
        """Highest less lowest vertex [m]."""
        ys = [v.y for v in self.polygon]
        return max(ys) - min(ys)

    @property
    def exterior(self) -> bool:
        """Whether this is the outer side."""
        return "exterior" in self.id


class Opening(Model):
    """A hole through both sides of a wall, and what fills it."""

    id: str
    asset_id: str
    asset_position: Vec3
    hole_polygon: tuple[Vec3, ...]
    wall0: str
    wall1: Text = ""
    room0: str
    room1: Text = ""

    @property
    def hole(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) [m] on wall0: x along p0 to p1, y up from the floor."""
        xs, ys = [v.x for v in self.hole_polygon], [v.y for v in self.hole_polygon]
        return min(xs), min(ys), max(xs), max(ys)

    def hole_on(self, wall: Wall) -> tuple[float, float, float, float]:
        """The hole in the coordinates of `wall`, which is wall0 or, mirrored, wall1."""
        x0, y0, x1, y1 = self.hole
        if wall.id == self.wall0:
            return x0, y0, x1, y1
        assert wall.id == self.wall1, f"{self.id} is not in {wall.id}"
        return wall.length - x1, y0, wall.length - x0, y1


class Door(Opening):
    """A door, or a doorway without a leaf. From a room to the outside, `room0 == room1`."""

    openable: bool | None = None
    openness: float | None = None


class Window(Opening):
    """A window in an outer wall."""


class HouseObject(Model):
    """A thing. What rests on it or in it are its `children`, in world coordinates all the same."""

    id: str
    asset_id: str
    position: Vec3
    rotation: Vec3
    kinematic: bool = False
    children: Items["HouseObject"] = ()
    layer: str | None = None
    is_on: bool | None = None
    is_dirty: bool | None = None
    openness: float | None = None
    material: Material | None = None


class Shadow(Model):
    """How a light casts shadows, in Unity's words."""

    type: str = "Soft"
    strength: float = 1.0
    bias: float = 0.05
    normal_bias: float = 0.4
    near_plane: float = 0.2
    resolution: str = "FromQualitySettings"


class Light(Model):
    """The sun, or a lamp of a room."""

    id: str
    type: Literal["directional", "point", "spot"]
    position: Vec3
    rgb: Rgb
    intensity: float
    indirect_multiplier: float | None = None
    rotation: Vec3 | None = None
    range: float | None = None
    shadow: Shadow | None = None
    layer: str | None = None
    culling_mask_off: Items[str] = ()


class ProceduralParameters(Model):
    """What belongs to the house as a whole."""

    ceiling_material: Material = Material()
    lights: Items[Light] = ()
    skybox_id: Text = ""
    floor_collider_thickness: float = 1.0
    receptacle_height: float = 0.7
    reflections: Items[Any] = ()


class HouseParts(Model):
    """What a house's JSON holds."""

    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]
    doors: Items[Door] = ()
    windows: Items[Window] = ()
    objects: Items[HouseObject] = ()
    procedural_parameters: ProceduralParameters
    metadata: dict[str, Any] = {}
