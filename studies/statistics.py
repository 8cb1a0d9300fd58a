"""Statistics of a study's rows: means, spread over seeds, and paired differences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Summary:
    """One metric of one method over its seeds."""

    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        return float(np.mean(self.values))

    @property
    def spread(self) -> float | None:
        """Standard deviation over seeds (n - 1); None for a single seed."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None

    def text(self, factor: float = 100.0, digits: int = 1) -> str:
        if self.spread is None:
            return f"{self.mean * factor:.{digits}f} (one seed)"
        return f"{self.mean * factor:.{digits}f} ± {self.spread * factor:.{digits}f}"


def by_method(rows: list[dict[str, Any]], metric: str) -> dict[str, Summary]:
    """`metric` of each method, seeds in order. A row without the metric is left out, never guessed."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if metric in row["metrics"]:
            values.setdefault(row["method"], []).append(row["metrics"][metric])
    return {method: Summary(tuple(v)) for method, v in values.items()}


def paired_difference(rows: list[dict[str, Any]], metric: str, a: str, b: str) -> tuple[float, float] | None:
    """Mean of (a - b) over seeds that both have, and half the width of its 95 % interval (Student's t).

    None when fewer than two seeds are shared: then nothing can be claimed.
    """
    of = {
        m: {r["seed"]: r["metrics"][metric] for r in rows if r["method"] == m and metric in r["metrics"]}
        for m in (a, b)
    }
    seeds = sorted(of[a].keys() & of[b].keys())
    if len(seeds) < 2:
        return None
    differences = np.array([of[a][s] - of[b][s] for s in seeds])
    half = stats.t.ppf(0.975, len(seeds) - 1) * differences.std(ddof=1) / np.sqrt(len(seeds))
    return float(differences.mean()), float(half)


def verdict(rows: list[dict[str, Any]], metric: str, a: str, b: str) -> str:
    """One sentence on a against b; a claim only when the interval excludes zero."""
    difference = paired_difference(rows, metric, a, b)
    if difference is None:
        return f"{a} against {b}: one seed, so no claim."
    mean, half = difference
    numbers = (
        f"{mean * 100:+.1f} points, 95 % interval {(mean - half) * 100:+.1f} to {(mean + half) * 100:+.1f}"
    )
    if abs(mean) <= half:
        return f"{a} against {b}: {numbers}; the interval holds zero, so no claim."
    return f"{a} is {'better' if mean > 0 else 'worse'} than {b}: {numbers}."
