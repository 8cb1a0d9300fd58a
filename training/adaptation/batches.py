"""Which frames are adapted to together: at random, near each other, of one room, of one walk.

The smaller the place that a batch is of, the more an encoder can specialise to it, and the less the batch
keeps it from doing so too far (MMEarth-Bench, Gordon et al.)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64, Shaped

Batches = list[Int64[np.ndarray, " _"]]
"""Indices of frames; every frame is in one batch."""
MARGIN = 0.05
"""Around all positions, as a share of their extent: part of the rule by which sides are compared."""


def random_batches(frames: int, size: int, rng: np.random.Generator) -> Batches:
    """Batches of `size` in random order; the last has what is left."""
    _check(size)
    order = rng.permutation(frames)
    return [order[first : first + size] for first in range(0, frames, size)]


def geographic_batches(positions: Float[np.ndarray, "n 2"], size: int) -> Batches:
    """Batches of `size` to 2·`size` - 1 frames (fewer only where there are fewer in all) that are near each
    other: the rectangle around all positions is cut across its longer side, so that about half of the batches
    lie on either side, and so are its parts."""
    _check(size)
    if not len(positions):
        return []
    low, high = positions.min(0), positions.max(0)
    margin = (high - low) * MARGIN
    return _bisected(positions, np.arange(len(positions)), low - margin, high + margin, size)


def _bisected(
    positions: Float[np.ndarray, "n 2"],
    frames: Int64[np.ndarray, " k"],
    low: Float[np.ndarray, "2"],
    high: Float[np.ndarray, "2"],
    size: int,
) -> Batches:
    """Batches of `frames`, which lie in the rectangle from `low` to `high`."""
    if len(frames) < 2 * size:
        return [frames]
    axis = 0 if high[0] - low[0] > high[1] - low[1] else 1
    frames = frames[np.argsort(positions[frames, axis], kind="stable")]
    batches = -(-len(frames) // size)
    cut = max(size, min(batches // 2 * size, len(frames) - size))
    between = positions[frames[cut - 1 : cut + 1], axis].mean()
    left_high, right_low = high.copy(), low.copy()
    left_high[axis] = right_low[axis] = between
    return [
        *_bisected(positions, frames[:cut], low, left_high, size),
        *_bisected(positions, frames[cut:], right_low, high, size),
    ]


def grouped_batches(groups: Sequence[object] | Shaped[np.ndarray, " n"], size: int) -> Batches:
    """Batches of frames of one group, such as a room or a walk, in the order in which they are: `size` to
    2·`size` - 1 frames, fewer where a group has fewer. Groups come in the order of their first frames."""
    _check(size)
    members: dict[object, list[int]] = {}
    for frame, group in enumerate(np.asarray(groups).tolist()):
        members.setdefault(group, []).append(frame)
    found: Batches = []
    for frames in members.values():
        cuts = [size * number for number in range(1, len(frames) // size)]
        found += np.split(np.array(frames, np.int64), cuts)
    return found


def _check(size: int) -> None:
    if size < 1:
        raise ValueError(f"batches of {size} frames: a batch needs one at least")
