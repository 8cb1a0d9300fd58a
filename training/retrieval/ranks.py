"""How far in front the right candidate stands: recall at k and median rank, with ties broken by lot.

The right candidate of query i is candidate i. Where others score the same, its rank is drawn evenly among
theirs; what is given is the expectation, so that scores that tell nothing apart give exactly chance."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int64

AT = (1, 5, 10)


class Ranks(NamedTuple):
    """Of each of n queries."""

    ahead: Int64[np.ndarray, " n"]
    """Candidates with a higher score than the right one."""
    level: Int64[np.ndarray, " n"]
    """Others with the same score."""

    @property
    def rank(self) -> Float64[np.ndarray, " n"]:
        """From 1, in expectation."""
        return 1 + self.ahead + self.level / 2


def ranks_of(scores: Float[np.ndarray, "n n"]) -> Ranks:
    """Of scores with a row a query and a column a candidate; higher is better."""
    right = np.diagonal(scores)[:, None]
    return Ranks((scores > right).sum(1), (scores == right).sum(1) - 1)


def recall(ranks: Ranks, k: int) -> float:
    """Expected share of the queries whose right candidate is among the first k, in 0..1."""
    return float(((k - ranks.ahead) / (ranks.level + 1)).clip(0, 1).mean())


def scores_of(ranks: Ranks) -> Iterator[tuple[str, float]]:
    """(name, value): `r1`, `r5`, `r10`, in 0..1, and `median_rank`, from 1."""
    for k in AT:
        yield f"r{k}", recall(ranks, k)
    yield "median_rank", float(np.median(ranks.rank))


def chance(candidates: int) -> Iterator[tuple[str, float]]:
    """The same of scores that tell nothing apart."""
    yield from scores_of(ranks_of(np.zeros((candidates, candidates))))
