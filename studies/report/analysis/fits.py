"""Fits through measured curves, and the x at which a curve reaches the value of an arm without the axis.

    log:    y = a + b · log10 x       b is the gain of a tenfold
    power:  y = a + b · x^-c          a is the limit (c > 0)

Least squares over the means of all repeats. Uncertainty comes from a bootstrap over repeats and from the fit
of each repeat alone (Student's t). A value beyond the measured levels is always called extrapolated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.optimize import fminbound

from studies.report.analysis.statistics import LEVEL, Interval, students_interval

REPLICATES = 1000
_EXPONENTS = (0.02, 4.0)  # range of c in the search


@dataclass(frozen=True)
class FitFunction:
    """A function of the axis: log, a + b · log10 x; or power, a + b · x^-c. x > 0."""

    kind: Literal["log", "power"]
    a: float
    b: float
    c: float | None = None

    def at(self, x: Float[np.ndarray, "*x"] | float) -> Float[np.ndarray, "*x"]:
        """y at `x`, of any shape."""
        return self.a + self.b * _basis(self.kind, np.asarray(x, dtype=float), self.c)

    def reaches(self, y: float) -> float | None:
        """The x at which the function has the value `y`; None where it never has, or x would overflow."""
        if self.b == 0:
            return None
        basis = (y - self.a) / self.b
        if self.kind == "log":
            return 10.0**basis if abs(basis) < 300 else None
        assert self.c is not None
        return None if basis <= 0 or abs(math.log10(basis)) / self.c > 300 else basis ** (-1 / self.c)

    @property
    def at_edge(self) -> bool:
        """Whether c is at the end of its range: the points do not determine the limit."""
        return self.c is not None and not 1.02 * _EXPONENTS[0] < self.c < 0.98 * _EXPONENTS[1]

    @property
    def parameters(self) -> dict[str, float]:
        """Parameters by name; c only for power."""
        return {"a": self.a, "b": self.b} | ({} if self.c is None else {"c": self.c})


@dataclass(frozen=True)
class CurveFit:
    """A function fitted to one curve, with intervals."""

    function: FitFunction
    repeats: int
    intervals: dict[str, tuple[Interval, ...]]
    """By parameter; empty with one repeat."""
    replicates: tuple[FitFunction, ...]
    """Functions fitted to resampled repeats, for the band."""
    residual: float
    """Root mean square of the residuals of the means."""

    def band(
        self, x: Float[np.ndarray, " n"]
    ) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]] | None:
        """Lower and upper 95 % limits of the replicates at `x`; None with one repeat."""
        if not self.replicates:
            return None
        ys = np.stack([function.at(x) for function in self.replicates])
        low, high = np.quantile(ys, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        return low, high


@dataclass(frozen=True)
class Worth:
    """The x at which a curve first reaches a value; -inf: it starts beyond it; inf: it never reaches it."""

    at: float
    low: float
    high: float
    """95 % interval, bootstrap over repeats; NaN with one repeat."""
    each: tuple[float, ...]
    """By repeat."""
    fitted: float | None
    """The x at which the fitted function reaches it; None where it never does, or nothing was fitted."""
    levels: tuple[float, ...]
    """The measured levels of x."""

    @property
    def extrapolated(self) -> bool:
        """Whether `fitted` is outside the measured levels."""
        return self.fitted is not None and not min(self.levels) <= self.fitted <= max(self.levels)


def fit_function(
    kind: Literal["log", "power"], x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]
) -> FitFunction:
    """Least squares through the points (x, y), x > 0.

    Raises ValueError when there are no more levels than the function has parameters: any points would fit.
    """
    needed = 3 if kind == "log" else 4
    if len(np.unique(x)) < needed:
        raise ValueError(
            f"a {kind} function through {len(np.unique(x))} levels says nothing: measure at least {needed}"
        )
    if kind == "log":
        a, b, _ = _linear(kind, x, y, None)
        return FitFunction(kind, a, b)
    grid = np.geomspace(*_EXPONENTS, 60)
    best = int(np.argmin([_linear(kind, x, y, c)[2] for c in grid]))
    low, high = grid[max(0, best - 1)], grid[min(len(grid) - 1, best + 1)]
    c = float(np.asarray(fminbound(lambda c: _linear(kind, x, y, c)[2], low, high)))
    a, b, _ = _linear(kind, x, y, c)
    return FitFunction(kind, a, b, c)


def fit_curve(
    kind: Literal["log", "power"],
    x: Sequence[float],
    ys: Float[np.ndarray, "repeats levels"],
    rng: np.random.Generator,
) -> CurveFit:
    """The function fitted to the mean over repeats of the curves `ys`, measured at the levels `x`.

    Raises ValueError when there are too few levels.
    """
    levels = np.asarray(x, dtype=float)
    function = fit_function(kind, levels, ys.mean(axis=0))
    residual = float(np.sqrt(np.mean((function.at(levels) - ys.mean(axis=0)) ** 2)))
    n = len(ys)
    if n < 2:
        return CurveFit(function, n, {}, (), residual)
    # A few repeats have few distinct resamples: each is fitted once.
    draws = np.sort(rng.integers(n, size=(REPLICATES, n)), axis=1)
    fitted = {
        draw: fit_function(kind, levels, ys[list(draw)].mean(axis=0)) for draw in map(tuple, draws.tolist())
    }
    replicates = tuple(fitted[draw] for draw in map(tuple, draws.tolist()))
    single = [fit_function(kind, levels, y) for y in ys]
    intervals = {}
    for name in function.parameters:
        drawn = np.quantile([one.parameters[name] for one in replicates], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        intervals[name] = (
            students_interval(np.array([one.parameters[name] for one in single])),
            Interval(float(drawn[0]), float(drawn[1]), f"bootstrap over {n} repeats"),
        )
    return CurveFit(function, n, intervals, replicates, residual)


def crossing(x: Sequence[float], y: Float[np.ndarray, " levels"], target: float, log: bool) -> float:
    """The first x at which the curve reaches `target` from below, by linear interpolation in x or log x;
    -inf and inf as in `Worth`."""
    if y[0] >= target:
        return -math.inf
    for i in range(1, len(y)):
        if y[i] >= target:
            share = (target - y[i - 1]) / (y[i] - y[i - 1])
            a, b = (math.log(x[i - 1]), math.log(x[i])) if log else (x[i - 1], x[i])
            at = a + share * (b - a)
            return float(math.exp(at)) if log else float(at)
    return math.inf


def worth(
    x: Sequence[float],
    ys: Float[np.ndarray, "repeats levels"],
    target: Float[np.ndarray, " repeats"],
    rng: np.random.Generator,
    *,
    log: bool,
    lower: bool = False,
    function: FitFunction | None = None,
) -> Worth:
    """Where the curve `ys`, measured at the levels `x`, reaches `target`; `lower`: less is better.

    Repeats of the two are paired in the bootstrap.
    """
    sign, n = -1.0 if lower else 1.0, len(ys)

    def reached(curve: np.ndarray, level: float) -> float:
        return crossing(x, sign * curve, sign * level, log)

    low, high = math.nan, math.nan
    if n > 1:
        draws = rng.integers(n, size=(REPLICATES, n))
        found = sorted(reached(ys[d].mean(axis=0), float(target[d].mean())) for d in draws)
        # No interpolation between order statistics: some are infinite.
        low = found[math.floor((1 - LEVEL) / 2 * (REPLICATES - 1))]
        high = found[math.ceil((1 + LEVEL) / 2 * (REPLICATES - 1))]
    return Worth(
        reached(ys.mean(axis=0), float(target.mean())),
        low,
        high,
        tuple(reached(y, float(t)) for y, t in zip(ys, target, strict=True)),
        function.reaches(float(target.mean())) if function is not None else None,
        tuple(float(v) for v in x),
    )


def _basis(kind: str, x: np.ndarray, c: float | None) -> np.ndarray:
    return np.log10(x) if kind == "log" else x ** -(c or 0.0)


def _linear(kind: str, x: np.ndarray, y: np.ndarray, c: float | None) -> tuple[float, float, float]:
    """Least-squares a and b at a given exponent, and the sum of squared residuals."""
    basis = _basis(kind, x, c)
    centred = basis - basis.mean()
    b = float(centred @ (y - y.mean()) / (centred @ centred))
    a = float(y.mean() - b * basis.mean())
    return a, b, float(((a + b * basis - y) ** 2).sum())
