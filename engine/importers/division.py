"""A capture divided into frames to learn from and frames to evaluate on, apart in place, direction and time.

Who films at home comes by the same places again and again, so stretches of the recording would not do: all
frames that were ever taken at some places are held out, whichever way they look. The places lie about the
cameras of moments evenly over the recording. Every other frame that is near a held-out one
(`engine/store/apart.py`) is dropped, and the rest is learned from. Of at most eight places as many are taken
as leave half of the other frames to learn from, or else what leaves most. Nothing is drawn at random.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from engine.importers.times import nearest_in_time
from engine.store.apart import Apart, least_alike

_MOST_PLACES = 8
_LEFT = 0.5  # share of the frames that are not held out, of which no fewer should be learned from


@dataclass(frozen=True, eq=False)
class Division:
    """Frames of a capture by what they are for, and how far these are apart."""

    learned: Int64[np.ndarray, " n"]
    held_out: Int64[np.ndarray, " m"]
    places: int
    """That the held-out frames were taken at."""
    radius_m: float
    """Of these places."""
    between: int
    """Frames that are neither."""
    apart: Apart
    least_m: float
    """Between cameras."""
    least_alike_m: float
    """Between cameras whose lines of sight are within the angle of `apart`; infinite where none are."""
    least_s: float | None
    """Between times; None where the capture has none."""

    @property
    def facts(self) -> dict[str, Any]:
        """What a store keeps of it; `engine/store/held_out.py` reads it."""
        return self.apart.model_dump() | {"between": self.between, "least_s": self.least_s}

    def __str__(self) -> str:
        times = "no times known" if self.least_s is None else f"{self.least_s:.2f} s"
        alike = "none" if np.isinf(self.least_alike_m) else f"{self.least_alike_m:.2f} m"
        return (
            f"{len(self.held_out)} frames held out at {self.places} places of {self.radius_m:.2f} m radius, "
            f"{len(self.learned)} to learn from; {self.between} between them dropped (within {self.apart} of "
            f"a held-out one); least distance {self.least_m:.2f} m, of cameras that look alike {alike}, of "
            f"times {times}"
        )


def divide(
    poses: Float64[np.ndarray, "n 4 4"],
    times: Float64[np.ndarray, " n"] | None,
    share: float,
    apart: Apart,
    where: str,
) -> Division:
    """`times` [s]: None where the capture has none; then place and direction alone say what is near.

    Raises ValueError, beginning with `where`, for times that are not finite, and where nothing is left to
    learn from or to evaluate on.
    """
    if times is not None and not np.isfinite(times).all():
        raise ValueError(f"{where}: frame {int(np.argmin(np.isfinite(times)))} has no finite time")
    wanted = round(share * len(poses))
    if not wanted:
        raise ValueError(
            f"{where}: no frame of {len(poses)} is held out for a share of {share:g}: raise --held-out, or "
            "record for longer"
        )
    best: tuple[int, float, np.ndarray, np.ndarray] | None = None  # places, radius, held out, learned
    for places in range(min(_MOST_PLACES, wanted), 0, -1):
        held, radius = _at_places(poses, wanted, places)
        learned = ~held & ~_near(poses, times, held, apart)
        if best is None or learned.sum() > best[3].sum():
            best = places, radius, held, learned
        if learned.sum() >= _LEFT * (len(poses) - wanted):
            break
    assert best is not None
    places, radius, held, learned = best
    if not learned.any():
        raise ValueError(
            f"{where}: nothing is left to learn from: all of the other {int((~held).sum())} frames are "
            f"within {apart} of one of the {wanted} held out: walk further, lower --held-out, or lower "
            "--apart.metres, --apart.degrees or --apart.seconds"
        )
    kept, tested = poses[learned], poses[held]
    return Division(
        learned=np.flatnonzero(learned),
        held_out=np.flatnonzero(held),
        places=places,
        radius_m=radius,
        between=int((~held & ~learned).sum()),
        apart=apart,
        least_m=float(least_alike(tested, kept, 180.0).min()),
        least_alike_m=float(least_alike(tested, kept, apart.degrees).min()),
        least_s=None if times is None else _least_time(times[held], times[learned]),
    )


def _at_places(
    poses: Float64[np.ndarray, "n 4 4"], wanted: int, places: int
) -> tuple[Bool[np.ndarray, " n"], float]:
    """Which frames are the nearest to the places, and the distance [m] of the last of them."""
    at = poses[:, :3, 3]
    centres = at[((np.arange(places) + 0.5) * len(at) / places).astype(int)]
    far = np.min([np.linalg.norm(at - centre, axis=1) for centre in centres], axis=0)
    nearest = np.argsort(far, kind="stable")[:wanted]
    held = np.zeros(len(at), bool)
    held[nearest] = True
    return held, float(far[nearest[-1]])


def _near(
    poses: Float64[np.ndarray, "n 4 4"],
    times: Float64[np.ndarray, " n"] | None,
    held: Bool[np.ndarray, " n"],
    apart: Apart,
) -> Bool[np.ndarray, " n"]:
    """Which frames are near a held-out one."""
    near = least_alike(poses, poses[held], apart.degrees) <= apart.metres
    if times is not None:
        near |= nearest_in_time(times, times[held], apart.seconds)[1]
    return near


def _least_time(times: Float64[np.ndarray, " n"], others: Float64[np.ndarray, " m"]) -> float:
    nearest, _ = nearest_in_time(times, others, 0.0)
    return float(np.abs(others[nearest] - times).min())
