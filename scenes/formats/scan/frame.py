"""From a scan's own axes and unit to ours, y up and metres: as told, as the file says, or guessed by its
size and its level surfaces, and then said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from scenes.formats.scan.pieces import METRES, Axis, Piece, ScanFile, Units

LARGEST = 300.0
"""A space is not larger than this [m]: a file whose numbers say so is of a smaller unit."""
MILLIMETRES = 2000.0
"""Numbers larger than LARGEST are centimetres up to this, millimetres from here on: a room of 20 m or of 2
m."""
CLEARLY = 2.0
"""An axis other than the usual one is up where this many times as much surface lies level across it."""
FAR = 2000.0
"""A space whose middle is farther from the origin than this [m] is moved there."""
_WORDS = {"m": "metres", "cm": "centimetres", "mm": "millimetres", "in": "inches", "ft": "feet"}
_TURNS: dict[Axis, list[list[int]]] = {
    "x": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "-x": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    "y": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "-y": [[1, 0, 0], [0, -1, 0], [0, 0, -1]],
    "z": [[1, 0, 0], [0, 0, 1], [0, -1, 0]],
    "-z": [[1, 0, 0], [0, 0, -1], [0, 1, 0]],
}


@dataclass(frozen=True)
class Frame:
    """How a file's points come into our world, and what of that was guessed."""

    turn: Float64[np.ndarray, "3 3"]  # a rotation
    scale: float  # metres in the file's unit
    origin: Float64[np.ndarray, "3"]  # of ours, in the file's axes and unit
    notes: tuple[str, ...]  # a line for each guess

    def points(self, given: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Points of the file in our world [m]."""
        return (given - self.origin) @ self.turn.T * self.scale

    @property
    def plain(self) -> bool:
        """Whether the file's own numbers are metres from our origin, turned at most."""
        return self.scale == 1.0 and not self.origin.any()


def settle(path: object, file: ScanFile, units: Units | None, up: Axis | None) -> Frame:
    """The frame of a file; `units` and `up` where they are told.

    Raises ValueError, with the option that says so, for a size that fits no unit.
    """
    every = [piece.points[np.unique(piece.faces)] for piece in file.pieces]
    low, high = np.min([p.min(0) for p in every], 0), np.max([p.max(0) for p in every], 0)
    size = float((high - low).max())
    notes: list[str] = []
    if units is None:
        units, note = _units(path, file, size)
        notes += [note] if note else []
    if up is None:
        up, note = _up(file)
        notes += [note] if note else []
    origin = np.zeros(3)
    middle = np.round((low + high) / 2)
    if float(np.abs(middle).max()) * METRES[units] > FAR:
        # In map coordinates, say: single precision would round them to centimetres.
        origin = middle
        x, y, z = middle.tolist()
        notes.append(f"moved: its middle, ({x:.0f}, {y:.0f}, {z:.0f}), is now the origin")
    return Frame(np.array(_TURNS[up], np.float64), METRES[units], origin, tuple(notes))


def _units(path: object, file: ScanFile, size: float) -> tuple[Units, str]:
    units: Units = file.units or "m"
    if size * METRES[units] <= LARGEST:
        return units, "" if file.units else f"units: {_WORDS[units]}, which the file does not say"
    if not np.isfinite(size) or size > LARGEST / METRES["mm"]:
        raise ValueError(
            f"{path} measures {size:,.0f} across, too much in metres, centimetres and millimetres: "
            "say its unit by --units m, cm, mm, in or ft"
        )
    units = "cm" if size < MILLIMETRES else "mm"
    metres = size * METRES[units]
    return units, f"units: it measures {size:,.0f} across, taken for {_WORDS[units]} ({metres:.1f} m)"


def _up(file: ScanFile) -> tuple[Axis, str]:
    if file.up is not None:
        return file.up, ""
    level = dict(zip("xyz", level_areas(file.pieces), strict=True))
    usual = file.likely_up
    other: Axis = "y" if usual == "z" else "z"
    if level[other] > CLEARLY * level[usual]:
        return other, f"up: {other}, across which most of its level surfaces lie"
    return usual, f"up: {usual}, as such files mostly have it"


def level_areas(pieces: Sequence[Piece]) -> Float[np.ndarray, "3"]:
    """Area of the faces that lie across the axes x, y and z, within 18 degrees."""
    total = np.zeros(3)
    for piece in pieces:
        a, b, c = (piece.points[piece.faces[:, k]] for k in range(3))
        cross = np.abs(np.cross(b - a, c - a))
        length = np.linalg.norm(cross, axis=1, keepdims=True)
        total += np.where(cross > 0.95 * length, length / 2, 0.0).sum(0)
    return total
