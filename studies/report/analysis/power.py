"""How many repeats, houses or frames it takes to see a difference, from the spread that rows have.

A difference is tested as on the page: by a two-sided paired t test at 5 % over n repeats. Where its true mean
is `effect` and its standard deviation `sd`, the statistic is noncentral t with n - 1 degrees of freedom and
noncentrality effect · √n / sd (Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed., 1988,
sec. 2.4), and the number of repeats is the smallest n that rejects zero with probability `POWER`. Without
rounding that is nearly (1.96 + 0.84)² · (sd / effect)² + 1.92 (Guenther, The American Statistician 35, 1981).

The standard error of frames is the grouped jackknife's, √((g - 1) / g · Σ (θ_i - mean)²), over mIoU without
each of g groups of frames (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 11).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from studies.report.analysis.claims import claims, columns, compared, pairs
from studies.report.analysis.rows import Point, Table
from studies.report.analysis.statistics import LEVEL

POWER = 0.8
MOST = 100_000
"""Numbers of repeats are not counted beyond."""


@dataclass(frozen=True)
class Spread:
    """What differences of one metric vary by, pooled over the comparisons of a study."""

    study: str
    metric: str
    comparisons: int
    repeats: int
    """Most that a comparison has."""
    varied: str
    """What differs between repeats, in words."""
    paired: float
    """Standard deviation of a difference over repeats."""
    unpaired: float
    """The same if arms had not shared their repeats: √2 times that of a point."""
    freedom: int
    """Degrees of freedom of `paired`."""
    houses: tuple[int, float] | None
    """Number of evaluated houses, and the standard deviation over them of a difference (its mean over
    repeats); None where a row has one house."""
    frames: tuple[int, float] | None
    """Number of evaluated frames, and the standard error of a difference for the draw of them; None where
    rows have no jackknife."""

    def repeats_for(self, effect: float) -> tuple[int, int, int]:
        """Repeats that it takes to see a difference of `effect`: by `paired`, and by the ends of its 95 %
        interval (chi-square)."""
        ends = stats.chi2.ppf([(1 + LEVEL) / 2, (1 - LEVEL) / 2], self.freedom)
        low, high = (self.paired * (self.freedom / ends) ** 0.5).tolist()
        return needed(self.paired, effect), needed(low, effect), needed(high, effect)


def power_of(n: int, sd: float, effect: float) -> float:
    """Probability that a two-sided paired t test over `n` pairs at 5 % rejects zero."""
    away = effect * n**0.5 / sd
    limit = stats.t.ppf((1 + LEVEL) / 2, n - 1)
    return float(stats.nct.sf(limit, n - 1, away) + stats.nct.cdf(-limit, n - 1, away))


def needed(sd: float, effect: float) -> int:
    """Least number of pairs with which a difference of `effect` is seen with probability POWER; at most MOST.

    `sd`: standard deviation of the differences, in the unit of `effect`."""
    if sd <= 0:
        return 2
    quantiles = stats.norm.ppf([(1 + LEVEL) / 2, POWER])
    n = max(2, int((quantiles.sum() * sd / effect) ** 2) - 2)  # at or below what the t test needs
    while n < MOST and power_of(n, sd, effect) < POWER:
        n += 1
    return min(n, MOST)


def spreads(table: Table) -> Iterator[Spread]:
    """Of every metric of a study's page that has comparisons over two or more repeats."""
    differ, _ = table.varied()
    every = claims(table)
    for metric in dict.fromkeys(c.metric for c in every):
        found = [c.summary for c in every if c.metric == metric and not c.summary.still]
        if not found:
            continue
        points = [m for m in (metric,) if m in columns(table)]
        alone = [np.var(v, ddof=1) for p in table.points for m in points if len(v := _of(table, p, m)) > 1]
        count = max(s.n for s in found)
        arms = len(table.points) if points else len(found) + 1
        yield Spread(
            study=table.study,
            metric=metric,
            comparisons=len(found),
            repeats=count,
            varied=" and ".join(differ),
            paired=_root_mean([s.sd or 0.0 for s in found]),
            unpaired=float(np.sqrt(2 * np.mean(alone))) if alone else float("nan"),
            # Differences among k arms have k - 1 independent ones.
            freedom=min(sum(s.n - 1 for s in found), (arms - 1) * (count - 1)),
            houses=_houses(table, metric),
            frames=_frames(table, metric),
        )


def jackknife(left: Sequence[float]) -> float:
    """Standard error of a score from its values without each group of frames."""
    values = np.asarray(left)
    return float(np.sqrt((len(values) - 1) / len(values) * ((values - values.mean()) ** 2).sum()))


def _of(table: Table, point: Point, metric: str) -> list[float]:
    return list(table.values(point, metric).values())


def _houses(table: Table, metric: str) -> tuple[int, float] | None:
    found: list[tuple[int, float]] = []
    for a, b in pairs(table):
        ours, theirs = table.houses(a, metric), table.houses(b, metric)
        shared = [r for r in ours if r in theirs and ours[r].keys() == theirs[r].keys() and len(ours[r]) > 1]
        if not shared or any(ours[r].keys() != ours[shared[0]].keys() for r in shared):
            continue
        names = list(ours[shared[0]])
        means = np.mean([[ours[r][h] - theirs[r][h] for h in names] for r in shared], axis=0)
        found.append((len(names), float(means.std(ddof=1))))
    return (found[0][0], _root_mean([sd for _, sd in found])) if found else None


def _frames(table: Table, metric: str) -> tuple[int, float] | None:
    where, _, name = metric.rpartition("/")
    found: list[float] = []
    frames = 0
    for a, b in pairs(table):
        if compared(table, a, b, metric) is None:
            continue
        for repeat in table.repeats():
            rows = [row["metrics"] for p in (a, b) if (row := table.row(p, repeat)) is not None]
            left = [metrics.get(f"{where}/jackknife_{name}") for metrics in rows]
            if len(left) == 2 and all(left) and len(left[0]) == len(left[1]):
                found.append(jackknife(np.subtract(left[0], left[1])))
                frames = rows[0][f"{where}/frames"]
    return (frames, _root_mean(found)) if found else None


def _root_mean(values: Iterable[float]) -> float:
    return float(np.sqrt(np.mean(np.square(list(values)))))


HEAD = (
    "study",
    "metric",
    "comparisons",
    "repeats vary",
    "SD of a difference, paired",
    "unpaired",
    "repeats",
    "SD over houses",
    "houses",
    "SE of frames",
)


def as_table(names: Sequence[str], found: Sequence[Spread], effect: float) -> str:
    """Lines of a Markdown table, all but counts in points of a hundredth; `names`: what each study is called
    there. Columns `repeats` and `houses` are how many it takes to see `effect`."""
    lines = [f"| {' | '.join(HEAD)} |", f"|{'---|' * len(HEAD)}"]
    for name, spread in zip(names, found, strict=True):
        n, low, high = spread.repeats_for(effect)
        cells = [name, spread.metric, f"{spread.comparisons} of {spread.repeats} repeats", spread.varied]
        cells += [f"{100 * spread.paired:.1f}", f"{100 * spread.unpaired:.1f}", f"{n} ({low} to {high})"]
        if spread.houses is None:
            cells += ["", ""]
        else:
            cells += [
                f"{100 * spread.houses[1]:.1f} of {spread.houses[0]}",
                str(needed(spread.houses[1], effect)),
            ]
        cells.append("" if spread.frames is None else f"{100 * spread.frames[1]:.1f} of {spread.frames[0]}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
