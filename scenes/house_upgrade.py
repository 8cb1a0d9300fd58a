"""Schema 0.0.1 of ProcTHOR's houses brought to 1.0.0, on parsed JSON, before it is a `House`.

In 0.0.1 a material is a string with its colour in a key beside it, and a hole in a wall is a
`boundingBox` with an `assetOffset` from the hole's centre. Everything else is as in 1.0.0.
"""

import copy
from typing import Any


def upgrade(values: dict[str, Any]) -> dict[str, Any]:
    """The same house in schema 1.0.0; `values` are left alone.

    Raises ValueError, with the path inside the house, for a hole without its box.
    """
    house = copy.deepcopy(values)
    for room in house.get("rooms", []):
        _material(room, "floorMaterial", "floorColor")
    for wall in house.get("walls", []):
        _material(wall, "material", "color")
    for kind in ("doors", "windows"):
        for i, opening in enumerate(house.get(kind, [])):
            _opening(opening, f"{kind}.{i}")
    _objects(house.get("objects", []))
    _material(house.get("proceduralParameters", {}), "ceilingMaterial", "ceilingColor")
    house["metadata"]["schema"] = "1.0.0"
    return house


def _material(owner: dict[str, Any], key: str, color_key: str) -> None:
    color = owner.pop(color_key, None)
    name = owner.get(key)
    if isinstance(name, str):
        owner[key] = {"name": name} if color is None else {"name": name, "color": color}


def _objects(objects: list[dict[str, Any]]) -> None:
    for item in objects:
        if "material" in item or "color" in item:
            _material(item, "material", "color")
        _objects(item.get("children", []))


def _opening(opening: dict[str, Any], where: str) -> None:
    if "holePolygon" in opening:
        return
    if "boundingBox" not in opening:
        raise ValueError(f"{where}: a hole of schema 0.0.1 has a boundingBox")
    box = opening.pop("boundingBox")
    offset = opening.pop("assetOffset", {"x": 0.0, "y": 0.0, "z": 0.0})
    opening["holePolygon"] = [box["min"], box["max"]]
    opening["assetPosition"] = {
        "x": (box["min"]["x"] + box["max"]["x"]) / 2 + offset["x"],
        "y": (box["min"]["y"] + box["max"]["y"]) / 2 + offset["y"],
        "z": 0.0,
    }
