"""The forms `curve` and `paths`: means over an axis as lines with bands, as PNG bytes. Where the levels are
names without an order, points with whiskers side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from studies.report.analysis.claims import at_point
from studies.report.analysis.fits import CurveFit
from studies.report.analysis.metrics_text import label, scale
from studies.report.analysis.rows import Level, Point, Table, number
from studies.report.figures.figures import COLORS, figure_png
from training.models.encoder import SIZES

MARKERS = "osD^vPX*"
_CHARACTERS = 50  # of all names along an axis that stand level beside each other

Fits = Mapping[tuple[Point, str], CurveFit]


def curve(table: Table, fits: Fits) -> bytes:
    """PNG of a panel a metric: a line an arm over the axis, arms without it as level lines, fits dashed."""
    metrics, across = table.report.metrics, min(2, len(table.report.metrics))
    down = -(-len(metrics) // across)
    figure, panels = plt.subplots(down, across, figsize=(5.6 * across + 0.6, 3.9 * down), squeeze=False)
    where = _places(table)
    for axis, metric in zip(panels.flat, metrics, strict=False):
        for i, (series, points) in enumerate(table.series.items()):
            color, marker = COLORS[i % len(COLORS)], MARKERS[i % len(MARKERS)]
            if series in points:
                _level(axis, table, series, metric, color)
            else:
                _line(axis, table, points, metric, _aside(table, where, series), color, marker, series.label)
            if fit := fits.get((series, metric)):
                _fit(axis, fit, [where[v] for v in table.levels(points)], scale(metric)[0], color)
        _dress(axis, table, where)
        axis.set_ylabel(label(metric))
    for axis in panels.flat[len(metrics) :]:
        axis.axis("off")
    handles: dict[str, Artist] = {}  # by name; an arm may be missing in some panels
    for axis in panels.flat:
        for handle, name in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    figure.legend(
        [*handles.values()],
        [*handles],
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=min(4, len(handles)),
        fontsize=9,
    )
    figure.tight_layout()
    return figure_png(figure)


def paths(table: Table) -> bytes:
    """PNG of one panel: a line an arm and metric over the axis."""
    figure, axis = plt.subplots(figsize=(7.4, 4.4))
    where = _places(table)
    lines = list(table.series.items())
    for m, metric in enumerate(table.report.metrics):  # dashes and markers; colours are the arms'
        for i, (series, points) in enumerate(lines):
            color, dash = COLORS[i % len(COLORS)], ("-", "--", ":", "-.")[m % 4]
            name = f"{series.label}: {label(metric)}"
            if series in points:
                _level(axis, table, series, metric, color, dash, name)
            else:
                beside = _aside(table, where, series)
                _line(axis, table, points, metric, beside, color, MARKERS[m % len(MARKERS)], name, dash)
    _dress(axis, table, where)
    labels = {label(m, where=False) for m in table.report.metrics}
    axis.set_ylabel(labels.pop() if len(labels) == 1 else "metric")
    figure.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    figure.tight_layout()
    return figure_png(figure)


def _line(
    axis: Axes,
    table: Table,
    points: Sequence[Point],
    metric: str,
    where: Mapping[Level, float],
    color: str,
    marker: str,
    name: str,
    dash: str = "-",
) -> None:
    """Means joined, the band about them, a dot a repeat; of levels without an order means and whiskers."""
    factor, _ = scale(metric)
    joined = ordered(table)
    levels = table.levels(points)
    found = [
        (where[level], summary)
        for level, point in zip(levels, points, strict=True)
        if (summary := at_point(table, point, metric)) is not None
    ]
    if not found:
        return
    xs = np.array([x for x, _ in found])
    axis.plot(
        xs,
        [factor * s.mean for _, s in found],
        ls=dash if joined else "none",
        color=color,
        marker=marker,
        ms=5.5,
        lw=1.7,
        label=name,
        zorder=3,
    )
    for x, summary in found:
        axis.plot(
            np.full(summary.n, x),
            factor * np.asarray(summary.values),
            ".",
            color=color,
            ms=4,
            alpha=0.6,
            zorder=2,
        )
    spread = [(x, s.students) for x, s in found if s.students is not None]
    x, low, high = ([x for x, _ in spread], [factor * i.low for _, i in spread],
                    [factor * i.high for _, i in spread])  # fmt: skip
    if not joined:
        axis.vlines(x, low, high, color=color, lw=1.3)
    elif len(spread) > 1:
        axis.fill_between(x, low, high, color=color, alpha=0.14, lw=0)


def _level(
    axis: Axes,
    table: Table,
    point: Point,
    metric: str,
    color: str,
    dash: str = "-",
    name: str | None = None,
) -> None:
    """An arm that does not vary over x: a level line and its band, all across."""
    factor, _ = scale(metric)
    if (summary := at_point(table, point, metric)) is None:
        return
    axis.axhline(factor * summary.mean, color=color, ls=dash, lw=1.5, label=name or point.label, zorder=1)
    if summary.students is not None:
        axis.axhspan(
            factor * summary.students.low, factor * summary.students.high, color=color, alpha=0.10, lw=0
        )


def _fit(axis: Axes, fit: CurveFit, xs: Sequence[float], factor: float, color: str) -> None:
    """The fitted function, over the measured levels only."""
    grid = np.geomspace(min(xs), max(xs), 100)
    name = {"log": "a + b·log x", "power": "a + b·x^−c"}[fit.function.kind]
    axis.plot(grid, factor * fit.function.at(grid), "--", color=color, lw=1.1, label=f"fit {name}", zorder=2)


def _dress(axis: Axes, table: Table, where: Mapping[Level, float]) -> None:
    """The x axis: its scale, and a tick at each measured level."""
    if table.report.log_x:
        axis.set_xscale("log")
        axis.minorticks_off()
    axis.set_xticks(list(where.values()), [number(v) for v in where])
    if sum(len(str(v)) for v in where if isinstance(v, str)) > _CHARACTERS:
        axis.tick_params("x", rotation=30, labelsize=9)
        plt.setp(axis.get_xticklabels(), ha="right")
    axis.set_xlabel(table.x_words)
    axis.grid(alpha=0.3)


def ordered(table: Table) -> bool:
    """Whether the levels of x have an order that a line may follow: numbers, names that begin with one, or
    4M's sizes."""
    levels = [str(level) for level in table.axes.get(table.report.x or "", [])]
    return all(name[:1].isdigit() for name in levels) or all(name in SIZES for name in levels)


def _aside(table: Table, where: Mapping[Level, float], series: Point) -> Mapping[Level, float]:
    """Where the points of an arm stand: beside those of others, where no line tells them apart."""
    if ordered(table):
        return where
    varied = [arm for arm, points in table.series.items() if arm not in points]
    aside = min(0.12, 0.6 / len(varied)) * (varied.index(series) - (len(varied) - 1) / 2)
    return {level: x + aside for level, x in where.items()}


def _places(table: Table) -> dict[Level, float]:
    """Where each level of x stands: at its number, or one after another where levels are names."""
    levels = table.axes.get(table.report.x or "", [])
    if all(isinstance(v, int | float) for v in levels):
        return {v: float(v) for v in levels}
    return {v: float(i) for i, v in enumerate(levels)}
