"""Scalar random draws, buffered: a call to a NumPy generator costs more than the use of one number."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def uniform(rng: np.random.Generator) -> Iterator[float]:
    """The generator's numbers in [0, 1), drawn many at a time."""
    while True:
        yield from rng.random(256).tolist()


def one_of(choices: Sequence[T], noise: Iterator[float]) -> T | None:
    """Any of the choices, all equally likely; None if there are none."""
    return choices[int(next(noise) * len(choices))] if choices else None
