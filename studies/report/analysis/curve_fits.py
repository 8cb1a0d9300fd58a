"""Fits through a study's curves, and what its reference arm is worth on them, as numbers and as text."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from studies.report.analysis.claims import SEED, columns
from studies.report.analysis.fits import CurveFit, Worth, fit_curve, worth
from studies.report.analysis.metrics_text import label, scale
from studies.report.analysis.rows import Point, Table, number
from studies.report.analysis.statistics import Interval


@dataclass(frozen=True)
class CurveFits:
    """The fits and worths that a report asks for."""

    fits: dict[tuple[Point, str], CurveFit]
    """By series and metric."""
    worths: dict[tuple[Point, str], Worth]
    """By series and metric: the x at which the series reaches the mean of the report's `worth_of`."""
    left_out: list[str]
    """The fits and worths that could not be computed, with the reason."""


def fit_curves(table: Table) -> CurveFits:
    """The fits and worths that the report of a table asks for."""
    found = CurveFits({}, {}, [])
    report = table.report
    if report.fit is None and report.worth_of is None:
        return found
    for metric in columns(table):
        for series, points in table.series.items():
            if series in points:
                continue
            x, repeats, ys = _matrix(table, points, metric)
            what = f"{series.label}, {label(metric)}"
            if not repeats:
                found.left_out.append(f"{what}: no repeat has all its levels, so there is no curve to read.")
                continue
            if report.fit is not None:
                try:
                    fit = fit_curve(report.fit, x, ys, np.random.default_rng(SEED))
                    found.fits[series, metric] = fit
                except ValueError as error:
                    found.left_out.append(f"{what}: {error}.")
            if report.worth_of is not None:
                _add_worth(found, table, series, metric, x, repeats, ys)
    return found


def _add_worth(
    found: CurveFits,
    table: Table,
    series: Point,
    metric: str,
    x: list[float],
    repeats: list[int],
    ys: np.ndarray,
) -> None:
    report = table.report
    there = dict(series.at)
    reference = next(
        (
            p
            for p in table.points
            if p.arm == report.worth_of and all(there.get(k, v) == v for k, v in dict(p.at).items())
        ),
        None,
    )
    values = table.values(reference, metric) if reference is not None else {}
    shared = [i for i, r in enumerate(repeats) if r in values]
    if not shared:
        found.left_out.append(
            f"{series.label}, {label(metric)}: shares no repeat with {report.worth_of}, so its worth "
            "is not known."
        )
        return
    fit = found.fits.get((series, metric))
    found.worths[series, metric] = worth(
        x,
        ys[shared],
        np.array([values[repeats[i]] for i in shared]),
        np.random.default_rng(SEED),
        log=report.log_x,
        lower=metric in report.lower,
        function=fit.function if fit else None,
    )


def _matrix(table: Table, points: list[Point], metric: str) -> tuple[list[float], list[int], np.ndarray]:
    """Levels, ascending; repeats that have all of them; values [repeats, levels]."""
    at = sorted(
        (float(level), p) for p in points if isinstance(level := p.level(table.report.x), int | float)
    )
    values = [table.values(p, metric) for _, p in at]
    values_at = [(x, v) for (x, _), v in zip(at, values, strict=True) if v]
    repeats = sorted(set.intersection(*(set(v) for _, v in values_at))) if values_at else []
    ys = np.array([[v[r] for _, v in values_at] for r in repeats])
    return [x for x, _ in values_at], repeats, ys


def fit_text(series: Point, metric: str, fit: CurveFit, axis: str) -> str:
    """The fitted function, its parameters and their intervals, as text."""
    factor, unit = scale(metric)
    function, where = fit.function, label(metric)

    def write(value: float, name: str) -> str:
        return f"{value:.2f}" if name == "c" else f"{factor * value:.3g}"

    if function.kind == "log":
        formula = (
            f"{write(function.a, 'a')} + b · log10({axis}), b = {write(function.b, 'b')} for each tenfold"
        )
        key = "b"
    else:
        power = f"{write(function.b, 'b')} · {axis}^−{write(function.c or 0, 'c')}"
        formula = f"a + {power}, a = {write(function.a, 'a')}"
        key = "a"
    text = f"{series.label}: {where} = {formula}"
    if key in fit.intervals:
        text += " (" + "; ".join(_interval(i, key, write) for i in fit.intervals[key]) + ")"
    text += f". It leaves {factor * fit.residual:.2g}{' points' if unit else ''} of the measured means (RMS)."
    if function.kind == "log" and key in fit.intervals:
        sure = all(i.excludes_zero for i in fit.intervals[key])
        text += " The slope is claimed: both intervals exclude zero." if sure else " No claim of a slope."
    if function.at_edge:
        text += (
            " The exponent ran to the end of its range: these points do not show where the curve saturates."
        )
    return text


def _interval(interval: Interval, name: str, write: Callable[[float, str], str]) -> str:
    return f"{interval.kind}, 95 %: {write(interval.low, name)} to {write(interval.high, name)}"


def worth_text(table: Table, series: Point, metric: str, found: Worth) -> str:
    """The x that an arm is worth, as text; a value beyond the measured levels is called extrapolated."""
    axis, arm = (table.report.x or "x").replace("_", " "), table.report.worth_of
    text = f"{label(metric)}: {series.label} "
    if found.at == math.inf:
        text += f"does not reach {arm}'s mean: it is worth {_reach(found, found.at)} {axis}"
    elif found.at == -math.inf:
        text += (
            f"is at {arm}'s mean or beyond it from the start: it is worth {_reach(found, found.at)} {axis}"
        )
    else:
        text += f"reaches {arm}'s mean at {_reach(found, found.at)} {axis}, read between the measured levels"
    if not math.isnan(found.low):
        text += (
            f" (95 % interval, bootstrap over {len(found.each)} repeats: {_reach(found, found.low)} to "
            f"{_reach(found, found.high)}; each repeat by itself: "
            f"{', '.join(_reach(found, v) for v in found.each)})"
        )
    text += "."
    if found.fitted is not None and not found.extrapolated:
        text += f" The fitted function reaches it at {_count(found.fitted)}."
    elif found.fitted is not None and found.at == math.inf and found.fitted > max(found.levels):
        text += f" The fitted function, extrapolated, reaches it at {_count(found.fitted)}."
    elif found.fitted is None and found.at == math.inf and table.report.fit:
        text += " The fitted function never reaches it."
    return text


def _reach(found: Worth, value: float) -> str:
    if value == math.inf:
        return f"≥ {number(_level(max(found.levels)))} (the largest measured)"
    if value == -math.inf:
        return f"≤ {number(_level(min(found.levels)))} (the smallest measured)"
    return _count(value)


def _count(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _level(value: float) -> float | int:
    return int(value) if value.is_integer() else value


def interval_json(interval: Interval) -> dict[str, float | str]:
    """A 95 % interval as JSON."""
    return {"kind": interval.kind, "level": 0.95, "low": interval.low, "high": interval.high}


def worth_json(found: Worth) -> dict[str, object]:
    """A worth as JSON; infinities are written as words, since JSON has none."""

    def write(value: float) -> float | str | None:
        if math.isnan(value):
            return None
        return (
            value if math.isfinite(value) else ("beyond the largest" if value > 0 else "below the smallest")
        )

    return {
        "at": write(found.at),
        "low": write(found.low),
        "high": write(found.high),
        "each_repeat": [write(v) for v in found.each],
        "fitted": found.fitted,
        "fitted_is_extrapolated": found.extrapolated,
        "levels": list(found.levels),
    }
