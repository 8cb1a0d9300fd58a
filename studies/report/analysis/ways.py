"""How far each arm goes on the way from one arm, such as a lower bound, to another, such as an upper bound.

The share of the way is (arm - from) / (to - from), of means over the repeats that all three have. It has two
95 % intervals: Fieller's (1954), which is Student's t over repeats for a ratio of paired differences, and a
bootstrap over repeats. There is no share where `to - from` is not clear of zero.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from studies.report.analysis.claims import SEED, columns, compared
from studies.report.analysis.curve_fits import interval_json
from studies.report.analysis.rows import Point, Table
from studies.report.analysis.statistics import LEVEL, REPLICATES, Interval


@dataclass(frozen=True)
class Way:
    """The share of the way that one point goes in one metric."""

    point: Point
    metric: str
    repeats: int
    """Number of repeats that all three arms have."""
    share: float | None
    """None where the whole way is not clear of zero."""
    intervals: tuple[Interval, ...]
    """95 % each: Fieller's and the bootstrap over repeats; empty without a share."""


def ways(table: Table) -> list[Way]:
    """The shares that the report of a table asks for, metric by metric; none where it asks for none."""
    if table.report.way is None:
        return []
    first, last = table.report.way
    found = []
    for metric in columns(table):
        for point in table.points:
            starts, ends = _beside(table, point, first), _beside(table, point, last)
            if point.arm not in (first, last) and len(starts) == len(ends) == 1:
                way = _way(table, point, starts[0], ends[0], metric)
                found += [way] if way is not None else []
    return found


def ways_json(found: list[Way]) -> list[dict[str, Any]]:
    """The shares as JSON values."""
    return [
        {
            "arm": way.point.arm,
            "point": dict(way.point.at),
            "metric": way.metric,
            "n": way.repeats,
            "share": way.share,
            "intervals": [interval_json(i) for i in way.intervals],
        }
        for way in found
    ]


def _beside(table: Table, point: Point, arm: str) -> list[Point]:
    """Points of an arm at the levels of `point`, on the axes that both have."""
    at = dict(point.at)
    return [p for p in table.points if p.arm == arm and all(at.get(a, v) == v for a, v in p.at)]


def _way(table: Table, point: Point, start: Point, end: Point, metric: str) -> Way | None:
    """The share of one point; None where no repeat has all three."""
    arm, low, high = (table.values(p, metric) for p in (point, start, end))
    shared = sorted(arm.keys() & low.keys() & high.keys())
    if not shared:
        return None
    gone = np.array([arm[r] - low[r] for r in shared])
    whole = np.array([high[r] - low[r] for r in shared])
    difference = compared(table, end, start, metric)
    clear = difference is not None and difference.verdict != "no claim"
    fieller = fieller_interval(gone, whole) if clear else None
    if fieller is None:
        return Way(point, metric, len(shared), None, ())
    picks = np.random.default_rng(SEED).integers(len(shared), size=(REPLICATES, len(shared)))
    drawn = gone[picks].mean(axis=1) / whole[picks].mean(axis=1)
    low_end, high_end = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    bootstrap = Interval(float(low_end), float(high_end), f"bootstrap over {len(shared)} repeats")
    return Way(point, metric, len(shared), float(gone.mean() / whole.mean()), (fieller, bootstrap))


def fieller_interval(
    over: Float[np.ndarray, " repeats"], under: Float[np.ndarray, " repeats"]
) -> Interval | None:
    """Fieller's interval of mean(over) / mean(under), paired; None where it has no ends: with one repeat, or
    where Student's t interval of mean(under) holds zero."""
    n = len(over)
    if n < 2:
        return None
    t2 = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) ** 2
    (var_over, both), (_, var_under) = (np.cov(over, under) / n).tolist()
    a = float(under.mean()) ** 2 - t2 * var_under
    if a <= 0:
        return None
    b = float(over.mean() * under.mean()) - t2 * both
    c = float(over.mean()) ** 2 - t2 * var_over
    half = max(0.0, b * b - a * c) ** 0.5  # never below zero but by rounding, as a > 0
    return Interval((b - half) / a, (b + half) / a, f"Fieller's over {n} repeats")
