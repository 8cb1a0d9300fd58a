"""What a reader of scans hands over: pieces of surface in the file's own axes and unit, and what the file
says of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Float, Float64, Int64, UInt8

from scenes.meshes.geometry import Light, Material

Units = Literal["m", "cm", "mm", "in", "ft"]
METRES: dict[Units, float] = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
Axis = Literal["x", "y", "z", "-x", "-y", "-z"]


@dataclass(frozen=True, eq=False)
class Piece:
    """Triangles of one material, of one thing."""

    thing: int  # pieces of one number are one instance
    name: str  # of the thing
    points: Float64[np.ndarray, "v 3"]  # in the file's axes and unit
    faces: Int64[np.ndarray, "f 3"]
    material: Material
    normals: Float[np.ndarray, "v 3"] | None = None  # unit; None where the file has none
    uvs: Float64[np.ndarray, "v 2"] | None = None  # v = 0 at the bottom of the image
    colors: UInt8[np.ndarray, "v 3"] | None = None  # sRGB
    kind: str = ""  # name of the class, where the file says it
    instance_id: int | None = None  # where the file says it

    @property
    def captured(self) -> bool:
        """Whether its colours were seen, light and all: a texture or vertex colours."""
        return self.colors is not None or self.material.texture is not None


@dataclass(frozen=True, eq=False)
class ScanFile:
    """A file's surfaces and what it says of itself."""

    pieces: Sequence[Piece]
    units: Units | None  # None: the format does not say
    up: Axis | None
    likely_up: Axis = "z"  # where nothing else tells
    lights: tuple[Light, ...] = ()  # in the file's axes and unit
    notes: tuple[str, ...] = field(default=())  # what was left out
