"""Which items a modality's training and validation have, equal to the public code's (ModalBed, DomainBed)."""

import numpy as np
from jaxtyping import Int64

from training.generalization.hyperparameters import seed_hash


def split(
    items: int, held_out: int, trial: int, modality: int
) -> tuple[Int64[np.ndarray, " v"], Int64[np.ndarray, " t"]]:
    """Indices of the `held_out` validation items of `items`, and of the others, at random for a repeat and
    the number of a modality. Raises ValueError where more are held out than there are."""
    if not 0 <= held_out <= items:
        raise ValueError(f"{held_out} items cannot be held out of {items}")
    order = np.arange(items)
    np.random.RandomState(seed_hash(trial, modality)).shuffle(order)
    return order[:held_out], order[held_out:]
