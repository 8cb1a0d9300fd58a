"""Schema 0.0.1 of ProcTHOR's houses brought to 1.0.0 and back, on parsed JSON, before it is a `House`.

In 0.0.1 a material is a string with its colour in a key beside it, and a hole in a wall is a
`boundingBox` with an `assetOffset` from the hole's centre. Everything else is as in 1.0.0.

What 1.0.0 has no place for, say how deep an asset sits in its wall, is remembered in
`metadata.testspace.upgraded`: the values by which the house, spelled in 0.0.1 again, would differ from what
was read. So the same values come back out, and 1.0.0 stays clean.
"""

import json
from collections.abc import Iterator
from typing import Any

SCHEMA, OLD = "1.0.0", "0.0.1"
_MEMORY = "upgraded"
_SPELLING = (
    (".floorMaterial.color", ".floorColor"),
    (".ceilingMaterial.color", ".ceilingColor"),
    (".material.color", ".color"),
    (".holePolygon.0", ".boundingBox.min"),
    (".holePolygon.1", ".boundingBox.max"),
    (".holePolygon", ".boundingBox"),
    (".assetPosition", ".assetOffset"),
)


def schema_of(values: dict[str, Any]) -> Any:
    """What the house says its schema is; where it says nothing, what it looks like."""
    metadata = values.get("metadata")
    said = metadata.get("schema") if isinstance(metadata, dict) else None
    if said is not None:
        return said
    old = any(isinstance(wall.get("material"), str) for wall in _objects_of(values, "walls"))
    return OLD if old else SCHEMA


def source_schema(metadata: dict[str, Any]) -> str:
    """The schema that a house was read in, from the metadata of the upgraded house."""
    memory = metadata.get("testspace", {}).get(_MEMORY)
    return memory.get("schema", SCHEMA) if isinstance(memory, dict) else SCHEMA


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """The same house in schema 1.0.0; `values` are left alone.

    Raises ValueError, with the path inside the house, for a hole without its box.
    """
    house = _copied(values)
    for owner, key, color_key in _materials(house):
        name = owner.get(key)
        if isinstance(name, str):
            color = owner.pop(color_key, None)
            owner[key] = {"name": name} if color is None else {"name": name, "color": color}
    for kind in ("doors", "windows"):
        for i, opening in enumerate(_objects_of(house, kind)):
            _new_opening(opening, f"{kind}.{i}")
    metadata = house.setdefault("metadata", {})
    if isinstance(metadata, dict):
        metadata["schema"] = SCHEMA
        memory = {"schema": OLD, **_differences(values, _old_form(house))}
        own = metadata.setdefault("testspace", {})
        if isinstance(own, dict):
            own[_MEMORY] = memory
    return house


def downgrade(values: dict[str, Any]) -> dict[str, Any]:
    """The values, of schema 1.0.0, as they were read in 0.0.1, with all that was changed since.

    Raises ValueError for a house that was not read in 0.0.1.
    """
    if source_schema(values.get("metadata", {})) != OLD:
        raise ValueError(f"only a house that was read in schema {OLD} is written in it")
    memory = values["metadata"]["testspace"][_MEMORY]
    house = _old_form(values)
    for path, value in memory.get("values", []):
        owner = _owner(house, path)
        if owner is not None:
            owner[path[-1]] = value
    for path in memory.get("absent", []):
        owner = _owner(house, path)
        if isinstance(owner, dict):
            owner.pop(path[-1], None)
    return house


def old_path(path: str) -> str:
    """Where in a house of 0.0.1 that is, which a path inside the upgraded house names."""
    for new, old in _SPELLING:
        path = path.replace(new, old)
    return path


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values, neither a list nor an object, mean the same: 1 is 1.0, and is not true."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def _old_form(values: dict[str, Any]) -> dict[str, Any]:
    """Spelled in 0.0.1, as well as can be done from the values alone."""
    house = _copied(values)
    for owner, key, color_key in _materials(house):
        material = owner.get(key)
        if isinstance(material, dict) and "name" in material and material.keys() <= {"name", "color"}:
            owner[key] = material["name"]
            if "color" in material:
                owner[color_key] = material["color"]
    for kind in ("doors", "windows"):
        for opening in _objects_of(house, kind):
            hole, at = opening.get("holePolygon"), opening.get("assetPosition")
            if isinstance(hole, list) and len(hole) == 2 and isinstance(at, dict):
                del opening["holePolygon"], opening["assetPosition"]
                opening["boundingBox"] = {"min": hole[0], "max": hole[1]}
                middle = {axis: (hole[0][axis] + hole[1][axis]) / 2 for axis in "xy"}
                opening["assetOffset"] = {"x": at["x"] - middle["x"], "y": at["y"] - middle["y"], "z": 0.0}
    metadata = house["metadata"]
    metadata["schema"] = OLD
    if isinstance(metadata.get("testspace"), dict):
        metadata["testspace"].pop(_MEMORY, None)
        if not metadata["testspace"]:
            del metadata["testspace"]
    return house


def _copied(values: dict[str, Any]) -> dict[str, Any]:
    return json.loads(json.dumps(values))  # a third of the time that copy.deepcopy takes


def _materials(house: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str, str]]:
    """Whatever has a material: its owner, the key it is in, and the key of its colour in 0.0.1."""
    yield from ((room, "floorMaterial", "floorColor") for room in _objects_of(house, "rooms"))
    yield from ((wall, "material", "color") for wall in _objects_of(house, "walls"))
    stack = _objects_of(house, "objects")
    while stack:
        item = stack.pop()
        yield item, "material", "color"
        stack.extend(_objects_of(item, "children"))
    if isinstance(house.get("proceduralParameters"), dict):
        yield house["proceduralParameters"], "ceilingMaterial", "ceilingColor"


def _objects_of(owner: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The JSON objects in a list; what is no such list is for the models to refuse."""
    items = owner.get(key)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _new_opening(opening: dict[str, Any], where: str) -> None:
    if "holePolygon" in opening:
        return
    try:
        box = opening["boundingBox"]
        low, high = box["min"], box["max"]
        offset = opening.get("assetOffset") or {"x": 0.0, "y": 0.0}
        at = {axis: (low[axis] + high[axis]) / 2 + offset[axis] for axis in "xy"}
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{where}: a hole of schema {OLD} has a boundingBox of min and max, and an assetOffset, "
            "each of numbers x, y and z"
        ) from error
    del opening["boundingBox"]
    opening.pop("assetOffset", None)
    opening["holePolygon"] = [low, high]
    opening["assetPosition"] = {**at, "z": 0.0}


def _differences(want: Any, have: Any) -> dict[str, list[Any]]:
    """What turns `have` into `want`: values to be set, each with its path, and paths to be absent."""
    found: dict[str, list[Any]] = {"values": [], "absent": []}
    stack: list[tuple[list[str | int], Any, Any]] = [([], want, have)]
    while stack:
        path, one, other = stack.pop()
        if isinstance(one, dict) and isinstance(other, dict):
            found["absent"].extend([*path, key] for key in other.keys() - one.keys())
            found["values"].extend([[*path, key], one[key]] for key in one.keys() - other.keys())
            stack.extend(([*path, key], one[key], other[key]) for key in one.keys() & other.keys())
        elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
            stack.extend(([*path, i], a, b) for i, (a, b) in enumerate(zip(one, other, strict=True)))
        elif not same(one, other):
            found["values"].append([path, one])
    return {key: sorted(rows, key=str) for key, rows in found.items()}


def _owner(house: dict[str, Any], path: list[str | int]) -> Any:
    """What holds the last key of a path; None where that is gone since."""
    owner: Any = house
    last: Any = path[-1]
    try:
        for key in path[:-1]:
            owner = owner[key]
        if isinstance(owner, list):
            owner[last]  # it must be there to be replaced
    except (KeyError, IndexError, TypeError):
        return None
    return owner
