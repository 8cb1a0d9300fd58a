"""Recordings at rates of their own, brought together by their times."""

import numpy as np
from jaxtyping import Bool, Float64, Int64


def nearest_in_time(
    wanted: Float64[np.ndarray, " n"], have: Float64[np.ndarray, " m"], apart_s: float
) -> tuple[Int64[np.ndarray, " n"], Bool[np.ndarray, " n"]]:
    """For each time that is wanted [s] the index of the nearest that there is, and whether it lies within
    `apart_s` of it."""
    order = np.argsort(have, kind="stable")
    at = np.clip(np.searchsorted(have[order], wanted), 1, max(len(have) - 1, 1))
    before, after = order[at - 1], order[np.minimum(at, len(have) - 1)]
    nearest = np.where(np.abs(have[after] - wanted) < np.abs(have[before] - wanted), after, before)
    return nearest, np.abs(have[nearest] - wanted) <= apart_s
