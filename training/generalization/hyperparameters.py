"""Hyperparameters of the algorithms: defaults, and random draws that equal the public code's.

ModalBed (arXiv:2412.18277) searches as DomainBed does (Gulrajani & Lopez-Paz, ICLR 2021): the first run of a
search has the defaults, the others are drawn. Every value has a random stream of its own, seeded by its name:
a table with more or fewer names leaves the others' values alone."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

Hyper = Mapping[str, Any]
"""Values by name."""
Draw = Callable[[np.random.RandomState], Any]


class Hyperparameter(NamedTuple):
    """One name with its default and the distribution of its draws."""

    name: str
    default: Any
    draw: Draw


def uniform(low: float, high: float) -> Draw:
    """Between two numbers."""
    return lambda random: random.uniform(low, high)


def power(base: int, low: float, high: float) -> Draw:
    """`base` to the power of a number between two."""
    return lambda random: base ** random.uniform(low, high)


def whole_power(base: int, low: float, high: float) -> Draw:
    """As `power`, the fraction cut off."""
    return lambda random: int(base ** random.uniform(low, high))


def one_of(*values: Any) -> Draw:
    """One of some values, equally likely."""
    return lambda random: random.choice(values).item()


LEARNING_RATE = Hyperparameter("lr", 5e-5, power(10, -5, -3.5))
HIGH_LEARNING_RATE = Hyperparameter("lr", 1e-3, power(10, -4, -2))
"""Of the multimodal algorithms; of the others too in ModalBed's strong setting on NYUDv2."""
WEIGHT_DECAY = Hyperparameter("weight_decay", 0.0, power(10, -6, -2))
BATCH_SIZE = Hyperparameter("batch_size", 32, whole_power(2, 3, 5.5))
"""Items of each training modality in a step."""
COMMON = (LEARNING_RATE, WEIGHT_DECAY, BATCH_SIZE)
"""What most algorithms have."""


def seed_hash(*parts: Any) -> int:
    """A seed in [0, 2³¹) from anything that prints: ModalBed's, the MD5 of the printed tuple."""
    return int(hashlib.md5(str(parts).encode()).hexdigest(), 16) % 2**31


def with_high_learning_rate(table: Sequence[Hyperparameter]) -> tuple[Hyperparameter, ...]:
    """The table with `lr` from ten to twenty times as high, as in ModalBed's strong setting on NYUDv2."""
    return tuple(HIGH_LEARNING_RATE if h is LEARNING_RATE else h for h in table)


def values(table: Sequence[Hyperparameter], search: int, trial: int) -> dict[str, Any]:
    """Values of one run: number `search` of a random search in repeat `trial`; search 0 has the defaults."""
    if search == 0:
        return {h.name: h.default for h in table}
    seed = seed_hash(search, trial)
    return {h.name: h.draw(np.random.RandomState(seed_hash(seed, h.name))) for h in table}
