"""The house as data: ProcTHOR's JSON, schema 1.0.0, read and written unchanged.

    house = House.load("house.json")     # or one of many: "houses.jsonl.gz#12" (scenes/house/files)
    house.save("copy.json")              # the same JSON values; equal houses give equal bytes

Schema 0.0.1 is upgraded on the way in; `house.to_json("0.0.1")` gives back what was read.

Conventions of the format, which hold all through `scenes`: left-handed coordinates, y up, metres,
degrees, R = Ry · Rx · Rz; a yaw of θ turns +z towards +x. An object's `position` is the centre of its
bounding box; an object at rotation 0 faces +z. Floor polygons run clockwise seen from above (x to the
right, z up the page), so a room lies to the right of its own walls, p0 to p1.

Attributes are snake_case here, camelCase in JSON. Keys that scenes/house/elements.py does not name are kept
and written back; `House.unknown_keys` lists them, and a house made here has none.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.alias_generators import to_camel

from scenes.house.elements import HouseObject, HouseParts, Wall
from scenes.house.files.references import Reference, read_values
from scenes.house.rules import changed, faults, unencodable
from scenes.house.upgrade import OLD, SCHEMA, downgrade, old_path, schema_of, source_schema, upgrade


class House(HouseParts):
    """A house of schema 1.0.0. Our own facts lie under `metadata["testspace"]`: seed, family, generator."""

    @classmethod
    def load(cls, reference: Reference) -> "House":
        """Read one house: a JSON file, or one of many as scenes/house/files/references.py names it.

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
        """Paths of keys that scenes/house/elements.py does not name, as `objects.3.colour`."""
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
