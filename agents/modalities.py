"""The table of modalities that a frame has: names, dtypes, shapes, units, meaning.

Every frame of every simulator is a dict of arrays as this table describes them, with a leading axis for the
cameras of the batch. A test keeps the table and docs/store.md equal.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Shaped

Kind = Literal["sensory", "label", "camera"]


@dataclass(frozen=True)
class Modality:
    """One kind of array that a frame consists of."""

    name: str
    dtype: str  # a numpy dtype name
    shape: tuple[str | int, ...]  # of one frame; "H" and "W" stand for the image's height and width
    unit: str  # of one step of the number; "1" where it counts or encodes
    meaning: str
    kind: Kind  # labels never enter pre-training

    def frame_shape(self, height: int, width: int) -> tuple[int, ...]:
        """Shape of one frame at an image size in pixels."""
        sizes = {"H": height, "W": width}
        return tuple(sizes[s] if isinstance(s, str) else s for s in self.shape)

    def empty(self, frames: int, height: int, width: int) -> Shaped[np.ndarray, "frames ..."]:
        """Zeros of shape [frames, *frame_shape], zero meaning "nothing hit" in every image modality."""
        return np.zeros((frames, *self.frame_shape(height, width)), dtype=self.dtype)


_TABLE = (
    Modality("rgb", "uint8", ("H", "W", 3), "1", "sRGB", "sensory"),
    Modality("depth", "uint16", ("H", "W"), "mm", "z-depth in millimetres; 0 = nothing hit", "sensory"),
    Modality(
        "normals",
        "uint8",
        ("H", "W", 3),
        "1",
        "camera frame (x right, y up, z to the viewer), round((n·0.5+0.5)·255); (0,0,0) = nothing hit",
        "sensory",
    ),
    Modality("edges", "uint8", ("H", "W"), "1", "Canny edges of rgb (OpenCV), 0 or 255", "sensory"),
    Modality(
        "semantic",
        "uint8",
        ("H", "W"),
        "1",
        "class index into the store's `labels` table; 0 = nothing",
        "label",
    ),
    Modality("instance", "uint16", ("H", "W"), "1", "instance id within the space; 0 = nothing", "label"),
    Modality(
        "pose",
        "float64",
        (4, 4),
        "m",
        "camera to world, OpenCV camera axes, right-handed world (z mirrored from the house's)",
        "camera",
    ),
    Modality("intrinsics", "float32", (4,), "px", "fx, fy, cx, cy in pixels", "camera"),
)

MODALITIES: dict[str, Modality] = {m.name: m for m in _TABLE}

SENSORY = ("rgb", "depth", "normals", "edges")
"""Modalities of pre-training (TST-MM, ICLR 2026)."""

LABELS = ("semantic", "instance")
"""Modalities that never enter pre-training."""


def check_modalities(names: tuple[str, ...]) -> None:
    """Raise ValueError, naming those that exist, if one of `names` is not in the table."""
    unknown = [n for n in names if n not in MODALITIES]
    if unknown:
        raise ValueError(f"unknown modality {', '.join(unknown)}; choose from {', '.join(MODALITIES)}")
