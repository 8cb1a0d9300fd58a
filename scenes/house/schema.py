"""The house as data: ProcTHOR's JSON, schema 1.0.0, read and written unchanged.

    house = House.load("house.json")     # or one of many: "houses.jsonl.gz#12" (scenes/house/references.py)
    house.save("copy.json")              # the same JSON values; equal houses give equal bytes

Schema 0.0.1 is upgraded on the way in; `house.to_json("0.0.1")` gives back what was read.

Conventions of the format, which hold all through `scenes`: left-handed coordinates, y up, metres,
degrees, R = Ry · Rx · Rz; a yaw of θ turns +z towards +x. An object's `position` is the centre of its
bounding box; an object at rotation 0 faces +z. Floor polygons run clockwise seen from above (x to the
right, z up the page), so a room lies to the right of its own walls, p0 to p1.

Attributes are snake_case here, camelCase in JSON. Keys this file does not name are kept and written
back; `House.unknown_keys` lists them, and a house made here has none.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, WrapSerializer, WrapValidator
from pydantic.alias_generators import to_camel

from scenes.house.references import Reference, read_values
from scenes.house.rules import changed, faults, unencodable
from scenes.house.upgrade import OLD, SCHEMA, downgrade, old_path, schema_of, source_schema, upgrade


class _Null:
    """Empty where AI2-THOR takes null for a list or a string; written back as null."""


class _NoItems(_Null, tuple[Any, ...]):
    pass


class _NoText(_Null, str):
    pass


_WRITE_NULL = WrapSerializer(lambda value, write: None if isinstance(value, _Null) else write(value))
_ITEMS_OR_NULL = WrapValidator(lambda value, read: _NoItems() if value is None else read(value))
_TEXT_OR_NULL = WrapValidator(lambda value, read: _NoText() if value is None else read(value))
_Text = Annotated[str, _TEXT_OR_NULL, _WRITE_NULL]
_Anything = Annotated[tuple[Any, ...], _ITEMS_OR_NULL, _WRITE_NULL]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", alias_generator=to_camel, populate_by_name=True)


class Vec3(_Model):
    """A point [m], a direction or Euler angles [degrees]."""

    x: float
    y: float
    z: float


class Rgb(_Model):
    """An sRGB colour, each channel in [0, 1]."""

    r: float
    g: float
    b: float


class Material(_Model):
    """A named AI2-THOR material, tinted where it has a colour."""

    name: _Text = ""
    color: Rgb | None = None


class Room(_Model):
    """One room: its floor, clockwise in xz, may hold vertices in the middle of a straight side."""

    id: str
    room_type: str
    floor_polygon: tuple[Vec3, ...]
    floor_material: Material = Material()
    ceilings: _Anything = ()
    children: _Anything = ()
    layer: str | None = None

    @property
    def polygon(self) -> list[tuple[float, float]]:
        """The floor's vertices (x, z) [m], clockwise, open ring."""
        return [(v.x, v.z) for v in self.floor_polygon]


class Wall(_Model):
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


class Opening(_Model):
    """A hole through both sides of a wall, and what fills it."""

    id: str
    asset_id: str
    asset_position: Vec3
    hole_polygon: tuple[Vec3, ...]
    wall0: str
    wall1: _Text = ""
    room0: str
    room1: _Text = ""

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


class HouseObject(_Model):
    """A thing. What rests on it or in it are its `children`, in world coordinates all the same."""

    id: str
    asset_id: str
    position: Vec3
    rotation: Vec3
    kinematic: bool = False
    children: Annotated[tuple["HouseObject", ...], _ITEMS_OR_NULL, _WRITE_NULL] = ()
    layer: str | None = None
    is_on: bool | None = None
    is_dirty: bool | None = None
    openness: float | None = None
    material: Material | None = None


class Shadow(_Model):
    """How a light casts shadows, in Unity's words."""

    type: str = "Soft"
    strength: float = 1.0
    bias: float = 0.05
    normal_bias: float = 0.4
    near_plane: float = 0.2
    resolution: str = "FromQualitySettings"


class Light(_Model):
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
    culling_mask_off: Annotated[tuple[str, ...], _ITEMS_OR_NULL, _WRITE_NULL] = ()


class ProceduralParameters(_Model):
    """What belongs to the house as a whole."""

    ceiling_material: Material = Material()
    lights: Annotated[tuple[Light, ...], _ITEMS_OR_NULL, _WRITE_NULL] = ()
    skybox_id: _Text = ""
    floor_collider_thickness: float = 1.0
    receptacle_height: float = 0.7
    reflections: _Anything = ()


class House(_Model):
    """A house of schema 1.0.0. Our own facts lie under `metadata["testspace"]`: seed, family, generator."""

    rooms: tuple[Room, ...]
    walls: tuple[Wall, ...]
    doors: Annotated[tuple[Door, ...], _ITEMS_OR_NULL, _WRITE_NULL] = ()
    windows: Annotated[tuple[Window, ...], _ITEMS_OR_NULL, _WRITE_NULL] = ()
    objects: Annotated[tuple[HouseObject, ...], _ITEMS_OR_NULL, _WRITE_NULL] = ()
    procedural_parameters: ProceduralParameters
    metadata: dict[str, Any] = {}

    @classmethod
    def load(cls, reference: Reference) -> "House":
        """Read one house: a JSON file, or one of many as scenes/house/references.py names it.

        Raises ValueError, naming the file and the place inside it, for what is not such a house.
        """
        where, values = read_values(reference)
        try:
            return cls.from_json(values)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error

    @classmethod
    def from_json(cls, values: Any) -> "House":
        """A house from parsed JSON of schema 1.0.0 or 0.0.1.

        Raises ValueError, with the path inside the values and the reason, for what is no house
        (scenes/house/rules.py).
        """
        if not isinstance(values, dict):
            raise ValueError("a house is a JSON object with rooms, walls, doors, windows and objects")
        _refuse(list(unencodable(values)))
        schema = schema_of(values)
        if schema not in (SCHEMA, OLD):
            raise ValueError(f"metadata.schema is {schema!r}; this reads {SCHEMA!r} and {OLD!r}")
        current = upgrade(values) if schema == OLD else values
        spell = old_path if schema == OLD else str
        try:
            house = cls.model_validate(current, by_alias=True, by_name=False)
        except ValidationError as error:
            found = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            raise ValueError(_summary(list(map(spell, found)))) from error
        _refuse([spell(fault) for fault in (*changed(current, house.to_json()), *faults(house))])
        return house

    def to_json(self, schema: str = SCHEMA) -> dict[str, Any]:
        """The JSON values: what was set or read, nothing else.

        `schema` "0.0.1" gives a house that was read in it as it was read; `source_schema` says whether it
        was. Raises ValueError for any other house and schema.
        """
        values = self.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if schema == SCHEMA:
            return values
        if schema != OLD:
            raise ValueError(f"houses are written in schema {SCHEMA!r} or {OLD!r}, not {schema!r}")
        return downgrade(values)

    @property
    def source_schema(self) -> str:
        """The schema that this house was first read in: "1.0.0" or "0.0.1"."""
        return source_schema(self.metadata)

    def canonical(self) -> bytes:
        """The one way this house is spelled: keys sorted, no spaces, UTF-8."""
        text = json.dumps(
            self.to_json(), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode()

    def save(self, path: str | Path) -> None:
        """Write the canonical bytes and a newline."""
        Path(path).write_bytes(self.canonical() + b"\n")

    def digest(self) -> str:
        """sha256, hexadecimal, of the canonical bytes of the house without its metadata: who made it, from
        which seed and where an agent stands changes no digest, so a test house cannot come back renamed."""
        return hashlib.sha256(self.model_copy(update={"metadata": {}}).canonical()).hexdigest()

    def layout_digest(self) -> str:
        """sha256, hexadecimal, of what no other day changes: rooms, walls, openings, furniture and where it
        stands, without lights, sky, switches and small objects. A perturbed house has its original's."""
        parameters = self.procedural_parameters.model_copy(update={"lights": (), "skybox_id": ""})
        furniture = tuple(o.model_copy(update={"children": (), "is_on": None}) for o in self.objects)
        bare = {"metadata": {}, "procedural_parameters": parameters, "objects": furniture}
        values = self.model_copy(update=bare).model_dump(mode="json", by_alias=True, exclude_defaults=True)
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()

    @property
    def space_id(self) -> str:
        """The name of this space: family and seed for a house of ours, else the digest's first 12 digits.

        Each perturbation adds its seed and strength in percent, and what it changed if not all:
        "apartment-000007+p3s50", "apartment-000007+p3s50-lights".
        """
        own = self.metadata.get("testspace", {})
        days = own.get("perturbation", ())
        if "seed" in own and "family" in own:
            name = f"{own['family']}-{own['seed']:06d}"
        else:
            name = (days[0]["of"] if days else self.digest())[:12]
        for day in days:
            name += f"+p{day['seed']}s{round(100 * day['strength'])}"
            name += f"-{day['what'][0]}" if len(day["what"]) == 1 else ""
        return name

    def all_objects(self) -> Iterator[tuple[HouseObject, HouseObject | None]]:
        """Every object, a receptacle before its children, with the receptacle it is in."""
        stack: list[tuple[HouseObject, HouseObject | None]] = [(o, None) for o in reversed(self.objects)]
        while stack:
            item, parent = stack.pop()
            yield item, parent
            stack.extend((child, item) for child in reversed(item.children))

    def unknown_keys(self) -> list[str]:
        """Paths of keys that this file does not name, as `objects.3.colour`."""
        return list(_unknown(self, ""))


def _refuse(found: list[str]) -> None:
    if found:
        raise ValueError(_summary(found))


def _summary(found: list[str]) -> str:
    return found[0] + (f" (and {len(found) - 1} more)" if len(found) > 1 else "")


def _unknown(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"{path}{key}" for key in value.model_extra or {})
        for name in type(value).model_fields:
            yield from _unknown(getattr(value, name), f"{path}{to_camel(name)}.")
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from _unknown(item, f"{path}{i}.")


def walls_by_id(house: House) -> Mapping[str, Wall]:
    """The house's walls, by id."""
    return {wall.id: wall for wall in house.walls}
