"""Levels of an axis that are subsets of some names: RGB with one other modality, all but one, and drawn ones.

axes: {set: {set: modalities, subsets: {keep: [rgb], of: [depth, normals, edges, clip], drawn: 8}}}
"""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
from pydantic import Field, model_validator

from scenes.config import Config

_COUNTED = 100_000  # subsets of one size that are listed to draw from them


class Subsets(Config):
    """Subsets of `of`, by size, each with the names of `keep` before its own."""

    keep: tuple[str, ...] = ()
    """Names that are in every set."""
    of: tuple[str, ...] = Field(min_length=2)
    """The names that sets are of, in the order that they have in every set."""
    drawn: int = Field(default=8, ge=0)
    """Of a size other than one, all but one and all, how many sets are drawn, or all where there are no more;
    0: none."""
    seed: int = 0
    """Of the draw."""

    @model_validator(mode="after")
    def _names_differ(self) -> "Subsets":
        names = (*self.keep, *self.of)
        if twice := [n for n in names if names.count(n) > 1]:
            raise ValueError(f"subsets name {twice[0]!r} twice: name each once")
        return self

    @property
    def table(self) -> dict[str, tuple[str, ...]]:
        """Names by level, smaller sets first: `rgb+depth` (of one name or drawn), `all-depth`, `all`."""
        return {self._level(chosen): (*self.keep, *chosen) for chosen in self._chosen()}

    def _chosen(self) -> Iterator[tuple[str, ...]]:
        most = len(self.of)
        rng = np.random.default_rng(self.seed)
        for size in range(1, most + 1):
            total = comb(most, size)
            if size in (1, most - 1, most) or total <= self.drawn:
                yield from combinations(self.of, size)
            elif self.drawn:
                if total > _COUNTED:
                    raise ValueError(f"subsets: {total} sets of {size} are too many to draw from")
                every = list(combinations(self.of, size))
                picked = rng.choice(total, self.drawn, replace=False)
                yield from (every[i] for i in sorted(picked.tolist()))

    def _level(self, chosen: tuple[str, ...]) -> str:
        left = [name for name in self.of if name not in chosen]
        if not left:
            return "all"
        if len(left) == 1 and len(chosen) > 1:
            return f"all-{left[0]}"
        return "+".join((*self.keep, *chosen))
