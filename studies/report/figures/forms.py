"""The main figure of a study in one of four forms, as PNG bytes, from its table of rows.

bars: one per arm. curve: one line per arm over an axis, fits dashed. heatmap: training houses against
evaluation houses. paths: all metrics of an arm over one axis. Whiskers and bands are the 95 % interval of the
mean, Student's t over repeats.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from studies.report.analysis.claims import at_point, columns
from studies.report.analysis.metrics_text import chance_of, label, scale
from studies.report.analysis.rows import Table, number
from studies.report.analysis.statistics import Summary
from studies.report.figures.figures import COLORS, figure_png
from studies.report.figures.form_lines import Fits, curve, paths

_GREY = "#555555"
_WIDEST = 16.0  # inches


def draw(table: Table, fits: Fits) -> bytes:
    """The figure of the report's form; a point or metric that no row has is left out."""
    match table.report.form:
        case "bars":
            return _bars(table)
        case "curve":
            return curve(table, fits)
        case "paths":
            return paths(table)
        case "heatmap":
            return _heatmap(table)


def differences(found: Sequence[tuple[str, str, Summary]]) -> bytes:
    """Differences of (name, metric, summary), one below the other; filled where it is a claim."""
    figure, axis = plt.subplots(figsize=(7.5, 0.9 + 0.36 * len(found)))
    for i, (_, metric, summary) in enumerate(found):
        factor, _ = scale(metric)
        color = COLORS[0] if summary.verdict == "claim" else _GREY
        if summary.students is not None:
            axis.plot(
                [factor * summary.students.low, factor * summary.students.high], [i, i], color=color, lw=1.6
            )
        axis.plot(
            factor * np.asarray(summary.values), np.full(summary.n, i), ".", color=color, ms=5, alpha=0.6
        )
        face = color if summary.verdict == "claim" else "white"
        axis.plot(factor * summary.mean, i, "o", color=color, mfc=face, ms=7)
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(range(len(found)), [name for name, _, _ in found], fontsize=9)
    axis.invert_yaxis()
    axis.set_xlabel("b − a: points of per cent, or the metric's own unit")
    axis.grid(axis="x", alpha=0.3)
    return figure_png(figure)


def _bars(table: Table) -> bytes:
    metrics = table.report.metrics
    width = 1.6 + 0.75 * len(table.points)
    across = min(len(metrics), max(1, int(1.2 * _WIDEST / width)))  # a little closer rather than a row more
    down = -(-len(metrics) // across)
    size = (min(_WIDEST, width * across), 3.6 * down)
    figure, panels = plt.subplots(down, across, figsize=size, squeeze=False)
    crowded = max(len(line) for p in table.points for line in p.label.split(", ")) > 11
    for axis, metric in zip(panels.flat, metrics, strict=False):
        factor, _ = scale(metric)
        found = [(p, s) for p in table.points if (s := at_point(table, p, metric)) is not None]
        for i, (point, summary) in enumerate(found):
            color = COLORS[table.arms.index(point.arm) % len(COLORS)]
            axis.bar(i, factor * summary.mean, color=color, alpha=0.45, width=0.66)
            _whisker(axis, i, summary, factor, color)
            dots = np.linspace(-0.14, 0.14, summary.n) if summary.n > 1 else np.zeros(1)
            axis.plot(i + dots, factor * np.asarray(summary.values), "o", color=color, mec="white", ms=5)
        chance = chance_of(metric) or ""
        levels = [s.mean for p, _ in found if (s := at_point(table, p, chance)) is not None]
        if levels:
            axis.axhline(factor * float(np.mean(levels)), color=_GREY, ls=":", lw=1.4)
        axis.set_xticks(
            range(len(found)),
            [p.label.replace(", ", "\n") for p, _ in found],
            fontsize=9,
            rotation=30 if crowded else 0,
            ha="right" if crowded else "center",
        )
        axis.set_ylabel(textwrap.fill(label(metric), 34))
        axis.grid(axis="y", alpha=0.3)
        axis.set_axisbelow(True)
    for axis in panels.flat[len(metrics) :]:
        axis.axis("off")
    figure.tight_layout()
    return figure_png(figure)


def _heatmap(table: Table) -> bytes:
    names = columns(table)
    template = next((m for m in table.report.metrics if "{x}" in m), None)
    factor = scale(names[0])[0]
    lines = [(series, points) for series, points in table.series.items() if series not in points]
    tall, wide = max(len(p) for _, p in lines), len(names)
    figure, panels = plt.subplots(
        1, len(lines), figsize=((1.9 + 0.95 * wide) * len(lines), 1.5 + 0.62 * tall), squeeze=False
    )
    cells = {
        (series, r, c): summary
        for series, points in lines
        for r, point in enumerate(points)
        for c, metric in enumerate(names)
        if (summary := at_point(table, point, metric)) is not None
    }
    means = [factor * s.mean for s in cells.values()]
    low, high = (min(means), max(means)) if means else (0.0, 1.0)
    for axis, (series, points) in zip(panels[0], lines, strict=True):
        grid = np.full((len(points), wide), np.nan)
        for (of, r, c), summary in cells.items():
            if of == series:
                grid[r, c] = factor * summary.mean
        axis.imshow(grid, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        for r, point in enumerate(points):
            home = template.replace("{x}", str(point.level(table.report.x))) if template else None
            for c, metric in enumerate(names):
                if (summary := cells.get((series, r, c))) is None:
                    axis.text(c, r, "–", ha="center", va="center", color=_GREY)
                    continue
                dark = grid[r, c] < (low + high) / 2
                text = f"{grid[r, c]:.1f}" if factor == 100 else f"{grid[r, c]:.3g}"
                if summary.sd is not None:
                    text += f"\n±{factor * summary.sd:.1f}" if factor == 100 else f"\n±{summary.sd:.2g}"
                axis.text(
                    c, r, text, ha="center", va="center", fontsize=8, color="white" if dark else "black"
                )
                if metric == home:
                    box = Rectangle((c - 0.47, r - 0.46), 0.94, 0.92, fill=False, ec="#D55E00", lw=2.6)
                    axis.add_patch(box)
        axis.set_xticks(range(wide), [_evaluated(m) for m in names], rotation=30, ha="right", fontsize=9)
        axis.set_yticks(range(len(points)), [number(v) for v in table.levels(points)], fontsize=9)
        axis.set_xlabel("evaluated in")
        axis.set_ylabel(table.x_words)
        axis.set_title(f"{series.label}: {label(names[0], where=False)}", fontsize=10)
    figure.tight_layout()
    return figure_png(figure)


def _whisker(axis: Axes, x: float, summary: Summary, factor: float, color: str) -> None:
    if summary.students is not None:
        low, high = factor * summary.students.low, factor * summary.students.high
        axis.plot([x, x], [low, high], color=color, lw=1.6)
        axis.plot([x - 0.1, x + 0.1], [low, low], color=color, lw=1.6)
        axis.plot([x - 0.1, x + 0.1], [high, high], color=color, lw=1.6)


def _evaluated(metric: str) -> str:
    return metric.rpartition("/")[0] or metric
