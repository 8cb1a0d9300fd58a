"""Statistics of a study: means with intervals, and paired differences with the rule for claims.

A study repeats each point a few times, often three, and a bootstrap over three values is overconfident. So a
difference gets several intervals, and is a claim only where all of them exclude zero:

- Student's t over repeats: valid with few repeats, ignores the choice of houses;
- a bootstrap over repeats and evaluated houses together, where scores of single houses exist;
- Student's t over houses, where all repeats evaluated the same ones.

Where the last two contain zero and the first does not, the difference is reported for these houses alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

LEVEL = 0.95
REPLICATES = 4000
EXACT_PAIRS = 50
_STILL = 1e-12  # relative spread that counts as none

Values = Mapping[int, float]
Houses = Mapping[int, Mapping[str, float]]
Verdict = Literal["claim", "these houses only", "no claim"]


@dataclass(frozen=True)
class Interval:
    """A 95 % interval."""

    low: float
    high: float
    kind: str
    """What it is, in words."""

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside; an end at zero holds it."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Summary:
    """A quantity over repeats: of one point, or of a difference between two."""

    values: tuple[float, ...]
    """One per repeat."""
    houses: int
    """Number of houses that were resampled; 0 where there are no scores of single houses."""
    intervals: tuple[Interval, ...]
    """95 % each; the first is Student's t over repeats. Empty with one repeat."""
    of_repeats: Interval | None
    """The bootstrap over repeats alone."""

    @property
    def n(self) -> int:
        """Number of repeats."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over repeats."""
        return float(np.mean(self.values))

    @property
    def sd(self) -> float | None:
        """Standard deviation over repeats (n - 1); None for a single repeat."""
        return float(np.std(self.values, ddof=1)) if self.n > 1 else None

    @property
    def students(self) -> Interval | None:
        """Student's t over repeats; None with one repeat."""
        return self.intervals[0] if self.intervals else None

    @property
    def still(self) -> bool:
        """Whether there is no spread: one repeat, or equal values."""
        return self.sd is None or self.sd <= _STILL * max(1.0, abs(self.mean))

    @property
    def verdict(self) -> Verdict:
        """Whether it differs from zero significantly; see the head of this file."""
        if self.still:
            return "no claim"
        if all(i.excludes_zero for i in self.intervals):
            return "claim"
        over_repeats = (self.intervals[0], self.of_repeats)
        if self.houses > 1 and all(i is not None and i.excludes_zero for i in over_repeats):
            return "these houses only"
        return "no claim"

    @property
    def p_value(self) -> float:
        """p of the two-sided Student's t test over repeats against a mean of zero; 1 with one repeat."""
        if self.sd is None or self.still:
            return 1.0
        return float(2 * stats.t.sf(abs(self.mean) / (self.sd / self.n**0.5), self.n - 1))


def summarise(values: Values, houses: Houses, rng: np.random.Generator) -> Summary | None:
    """Mean and intervals of `values`, by repeat; `houses` has the quantity by repeat and evaluated house.
    Houses are used only where every repeat has at least two.

    None when there are no values.
    """
    if not values:
        return None
    repeats = sorted(values)
    ys = np.array([values[r] for r in repeats])
    per_house = [houses.get(r, {}) for r in repeats]
    if any(len(h) < 2 for h in per_house):
        per_house = []
    count = len({house for h in per_house for house in h})
    if len(ys) < 2:
        return Summary(tuple(ys.tolist()), count, (), None)
    alone = _percentiles(_resampled(ys, [], rng), f"bootstrap over {len(ys)} repeats")
    intervals = [students_interval(ys)]
    if per_house:
        kind = f"bootstrap over {len(ys)} repeats and {count} houses"
        intervals.append(_percentiles(_resampled(ys, per_house, rng), kind))
        if all(h.keys() == per_house[0].keys() for h in per_house):
            means = np.mean([[h[name] for name in sorted(per_house[0])] for h in per_house], axis=0)
            half = _half_width(means)
            center = float(ys.mean())
            kind = f"Student's t over {count} houses"
            intervals.append(Interval(center - half, center + half, kind))
    else:
        intervals.append(alone)
    return Summary(tuple(ys.tolist()), count, tuple(intervals), alone)


def difference(
    a: Values, b: Values, a_houses: Houses, b_houses: Houses, rng: np.random.Generator
) -> Summary | None:
    """a - b, paired by repeat where both have it, and by house where both were evaluated in it.

    None when no repeat is shared.
    """
    shared = sorted(a.keys() & b.keys())
    houses = {}
    for r in shared:
        ours, theirs = a_houses.get(r, {}), b_houses.get(r, {})
        if ours.keys() == theirs.keys():
            houses[r] = {house: ours[house] - theirs[house] for house in ours}
    return summarise({r: a[r] - b[r] for r in shared}, houses, rng)


def students_interval(values: Float[np.ndarray, " repeats"]) -> Interval:
    """Student's t interval of the mean of two or more values."""
    mean, half = float(values.mean()), _half_width(values)
    return Interval(mean - half, mean + half, f"Student's t over {len(values)} repeats")


def holm(p_values: Sequence[float], level: float = LEVEL) -> list[bool]:
    """Which of several tests are significant together, by Holm's step-down procedure."""
    stands = [False] * len(p_values)
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > (1 - level) / (len(p_values) - rank):
            break
        stands[i] = True
    return stands


def signed_rank(differences: Float[np.ndarray, " n"]) -> float:
    """p of Wilcoxon's two-sided signed-rank test that differences lie evenly about 0. Zeros are left out
    (Wilcoxon's own treatment); exact for 50 pairs or fewer without ties, else by the normal approximation
    with its correction for ties (scipy). 1 where nothing differs."""
    moved = differences[differences != 0]
    if not len(moved):
        return 1.0
    ties = len(np.unique(np.abs(moved))) < len(moved)
    method = "asymptotic" if ties or len(moved) > EXACT_PAIRS else "exact"
    found: Any = stats.wilcoxon(moved, method=method)
    return float(found.pvalue)


def _half_width(values: np.ndarray) -> float:
    return float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)


def _resampled(
    ys: np.ndarray, per_house: Sequence[Mapping[str, float]], rng: np.random.Generator
) -> np.ndarray:
    """Means of resampled repeats, [REPLICATES].

    The score of a repeat is over all its houses together; resampling the houses changes it by the change of
    the mean over single houses. Repeats that evaluated the same houses share the resample. Deviations are
    scaled by √(k / (k - 1)), since resamples of k houses are too narrow by that factor.
    """
    moved = np.tile(ys, (REPLICATES, 1))
    draws: dict[tuple[str, ...], np.ndarray] = {}
    for i, houses in enumerate(per_house):
        names = tuple(sorted(houses))
        k = len(names)
        if names not in draws:
            draws[names] = rng.multinomial(k, np.full(k, 1 / k), size=REPLICATES) / k
        scores = np.array([houses[name] for name in names])
        moved[:, i] += (draws[names] @ scores - scores.mean()) * (k / (k - 1)) ** 0.5
    picks = rng.integers(len(ys), size=(REPLICATES, len(ys)))
    return np.take_along_axis(moved, picks, axis=1).mean(axis=1)


def _percentiles(replicates: np.ndarray, kind: str) -> Interval:
    low, high = np.quantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), kind)
