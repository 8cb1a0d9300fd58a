"""Houses of one small bare room, all different: what they cost to load is next to nothing."""

import json
from pathlib import Path
from typing import Any


def bare_house(number: int) -> dict[str, Any]:
    """A lit room of 2 m and a little more, with no door, no window and nothing in it."""
    side, height = 2 + number * 0.05, 2.6
    ring = [(0, 0), (0, side), (side, side), (side, 0)]

    def corner(x: float, y: float, z: float) -> dict[str, float]:
        return {"x": x, "y": y, "z": z}

    walls = [
        {
            "id": f"wall|2|{i}",
            "roomId": "room|2",
            "polygon": [corner(p[0], y, p[1]) for y in (0, height) for p in (a, b)],
            "material": {"name": "RedBrick"},
        }
        for i, (a, b) in enumerate(zip(ring, ring[1:] + ring[:1], strict=True))
    ]
    lamp = {
        "id": "lamp",
        "type": "point",
        "position": corner(side / 2, height - 0.3, side / 2),
        "range": 15.0,
        "rgb": {"r": 1.0, "g": 0.9, "b": 0.8},
        "intensity": 0.8,
    }
    room = {
        "id": "room|2",
        "roomType": "Bedroom",
        "ceilings": [],
        "children": [],
        "floorPolygon": [corner(x, 0, z) for x, z in ring],
        "floorMaterial": {"name": "WoodGrain_Tan"},
    }
    return {
        "rooms": [room],
        "walls": walls,
        "doors": [],
        "windows": [],
        "objects": [],
        "proceduralParameters": {
            "ceilingMaterial": {"name": "PureWhite"},
            "skyboxId": "Sky1",
            "reflections": [],
            "floorColliderThickness": 1.0,
            "receptacleHeight": 0.7,
            "lights": [lamp],
        },
        "metadata": {"schema": "1.0.0"},
    }


def write_houses(folder: Path, count: int) -> Path:
    """`count` of them as `folder/bare-NN.json`; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"bare-{number:02d}.json").write_text(json.dumps(bare_house(number)))
    return folder
