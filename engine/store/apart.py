"""How far evaluation frames must be from learned ones, and how far cameras that look alike are apart.

Neighbours in a video are nearly the same frame. Cameras are near if both place and direction are: one that
stands at the same place and looks the other way has another view.
"""

import numpy as np
from jaxtyping import Float, Float64
from pydantic import Field

from scenes.config import Config

_ROWS = 256  # poses compared with all others at a time
_ROUNDING = 1e-9  # of the cosine of an angle


class Apart(Config):
    """What no evaluation frame may have to any learned one."""

    metres: float = Field(default=0.5, ge=0)
    """Cameras are near if they are within this distance [m] ..."""
    degrees: float = Field(default=30.0, ge=0, le=180)
    """... and their lines of sight are within this angle [degrees]."""
    seconds: float = Field(default=1.0, ge=0)
    """Frames are near if their times are within this [s], wherever their cameras are."""

    def __str__(self) -> str:
        return f"{self.metres:g} m and {self.degrees:g} degrees, or {self.seconds:g} s"


def least_alike(
    poses: Float[np.ndarray, "n 4 4"], others: Float[np.ndarray, "m 4 4"], degrees: float
) -> Float64[np.ndarray, " n"]:
    """For each pose the least distance [m] to one of the others whose line of sight is within `degrees` of
    its own; infinite where none is."""
    least = np.full(len(poses), np.inf)
    if not len(others):
        return least
    limit = np.cos(np.radians(degrees)) - _ROUNDING
    for first in range(0, len(poses), _ROWS):
        some = poses[first : first + _ROWS]
        squares = np.zeros((len(some), len(others)))
        for axis in range(3):
            squares += (some[:, None, axis, 3] - others[None, :, axis, 3]) ** 2
        alike = some[:, :3, 2] @ others[:, :3, 2].T >= limit
        least[first : first + _ROWS] = np.sqrt(np.where(alike, squares, np.inf).min(axis=1))
    return least
