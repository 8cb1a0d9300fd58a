"""The outline of a house: a rectangle of grid cells with blocks cut from some of its corners."""

import math

import numpy as np
from jaxtyping import Bool

from scenes.generate.family import Family


def draw_boundary(cells: float, family: Family, rng: np.random.Generator) -> Bool[np.ndarray, "w h"]:
    """The grid, True inside: about that many cells, in one piece."""
    chances = np.array(family.notches)
    notches = int(rng.choice(len(chances), p=chances / chances.sum()))
    aspect = rng.uniform(*family.aspect)
    total = cells / (1 - 0.12 * notches)
    long = max(2, round(math.sqrt(total * aspect)))
    short = max(2, round(total / long))
    shape = (long, short) if rng.random() < 0.5 else (short, long)
    inside = np.ones(shape, bool)
    for corner in rng.permutation(4)[:notches]:
        w, h = (int(rng.integers(1, max(2, side // 2 + 1))) for side in shape)
        if w * h > 0.2 * inside.size or min(shape) < 3:
            continue
        columns = slice(0, w) if corner % 2 else slice(shape[0] - w, None)
        rows = slice(0, h) if corner < 2 else slice(shape[1] - h, None)
        inside[columns, rows] = False
    return inside


def grid_lines(count: int, cell: float, jitter: float, rng: np.random.Generator) -> list[float]:
    """Where the `count` + 1 lines of the grid are [m]: from 0, about `cell` [m] apart, in millimetres."""
    steps = cell * (1 + rng.uniform(-jitter, jitter, count))
    return [round(float(x), 3) for x in np.concatenate([[0.0], np.cumsum(steps)])]
