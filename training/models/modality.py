"""What the model knows of a modality, and the line of slots on which the tokens of all of them lie.

A *slot* is a place of a modality: a patch of a grid, or a position of a sequence. The slots of all
modalities make one line, modality after modality, grids in row-major order. A masking is then two arrays of
integers: the slots that are seen and the slots to predict."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

SEQUENCE_PLACES = 512  # positions that 4M has for every sequence, however long it may be


@dataclass(frozen=True)
class TokenSpec:
    """One modality, kept in a store as `array`.

    `grid`: places along a side, or (height, width); for a sequence or vectors their number (at most 512).
    `codes`: size of the vocabulary; 0: it is seen and never predicted.
    `kind`: grid, tokens on a grid; sequence, tokens that are predicted one after another; vectors, a
    sequence of `width` numbers each, seen and never predicted.
    `pixels`: the encoder sees RGB patches of it and not its tokens.
    `learned`: positions are learned and not fixed, as 4M has it for a global token without a place.
    `chunk`: of a sequence, how many tokens are seen or predicted as a whole, such as those of a box."""

    name: str
    array: str
    grid: int | tuple[int, int]
    codes: int = 0
    pixels: bool = False
    kind: Literal["grid", "sequence", "vectors"] = "grid"
    learned: bool = False
    width: int = 0
    chunk: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a grid."""
        assert self.kind == "grid"
        return self.grid if isinstance(self.grid, tuple) else (self.grid, self.grid)

    @property
    def slots(self) -> int:
        """Number of slots on the line of all modalities."""
        if self.kind != "grid":
            return SEQUENCE_PLACES
        return self.shape[0] * self.shape[1]

    @property
    def room(self) -> int:
        """Most tokens that a frame has of it."""
        return self.slots if self.kind == "grid" else int(np.prod(self.grid))

    @property
    def predicted(self) -> bool:
        """Whether the decoder has a head for it."""
        return self.codes > 0 and self.kind != "vectors"


def slot_modality_ids(specs: tuple[TokenSpec, ...]) -> Int[np.ndarray, " slots"]:
    """Index into `specs` of the modality of every slot."""
    return np.repeat(np.arange(len(specs)), [s.slots for s in specs])


def starts_of(specs: tuple[TokenSpec, ...]) -> Int[np.ndarray, " m"]:
    """First slot of every modality."""
    slots = np.array([s.slots for s in specs])
    return np.cumsum(slots) - slots
