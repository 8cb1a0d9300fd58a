"""The comparisons of a study's page, and which of them are claims.

`claims(table)` evaluates every comparison that the report asks for, on each of its metrics;
`ReportConfig.claims` says which pairs are compared by default.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from studies.report.analysis.metrics_text import is_chance
from studies.report.analysis.rows import Point, Table, number
from studies.report.analysis.statistics import Summary, difference, holm, summarise

SEED = 0
"""Of every bootstrap of a page: it comes out the same each time."""


@dataclass(frozen=True)
class Claim:
    """One comparison, a against b, with its verdict."""

    a: str
    b: str
    metric: str
    summary: Summary
    """Of a - b."""
    better: bool | None
    """Whether a is better than b; None where the difference is not significant."""
    stands_among_all: bool
    """Whether Student's t over repeats still excludes zero when all comparisons of the page are held to 5 %
    together (Holm)."""

    @property
    def verdict(self) -> str:
        """In a few words."""
        if self.better is not None:
            return f"{self.summary.verdict}: {'better' if self.better else 'worse'}"
        if self.summary.n == 1:
            return "no claim: one repeat"
        return "no claim: no repeat differs" if self.summary.still else "no claim"

    @property
    def text(self) -> str:
        """The verdict as a sentence."""
        verdict = self.summary.verdict
        if self.summary.n == 1:
            return f"{self.a} against {self.b}: one repeat, so no claim."
        if self.better is None:
            return f"{self.a} against {self.b}: no claim."
        word = "better" if self.better else "worse"
        if verdict == "claim":
            return f"{self.a} is {word} than {self.b}."
        return (
            f"{self.a} is {word} than {self.b} in the {self.summary.houses} evaluated houses; they are too "
            "few, or too different, to claim it of others."
        )


def claims(table: Table) -> list[Claim]:
    """Every comparison of the page, metric by metric; none of what is chance for others."""
    found: list[tuple[str, str, str, Summary]] = []
    if table.report.form == "heatmap":
        found += _diagonals(table)
    for metric in columns(table):
        if is_chance(metric):
            continue
        for a, b in pairs(table):
            summary = compared(table, a, b, metric)
            if summary is not None:
                found.append((a.label, b.label, metric, summary))
    stand = holm([summary.p_value for *_, summary in found])
    return [
        Claim(a, b, metric, summary, better(table.report.lower, metric, summary), stands)
        for (a, b, metric, summary), stands in zip(found, stand, strict=True)
    ]


def compared(table: Table, a: Point, b: Point, metric: str) -> Summary | None:
    """a - b over the repeats that both have; None where they share none."""
    return difference(
        table.values(a, metric),
        table.values(b, metric),
        table.houses(a, metric),
        table.houses(b, metric),
        np.random.default_rng(SEED),
    )


def at_point(table: Table, point: Point, metric: str) -> Summary | None:
    """A metric of one point over its repeats; None where no row has it."""
    return summarise(table.values(point, metric), table.houses(point, metric), np.random.default_rng(SEED))


def columns(table: Table) -> list[str]:
    """The report's metrics, with `{x}` written out for each level of `x`."""
    x = table.report.x
    levels = table.axes.get(x, []) if x is not None else []
    out: list[str] = []
    for metric in table.report.metrics:
        out += [metric.replace("{x}", str(v)) for v in levels] if "{x}" in metric else [metric]
    return out


def diagonal(table: Table, series: Point) -> tuple[Summary, int] | None:
    """Mean over the diagonal of a heat map (evaluated in the house of pre-training) minus the mean off it,
    and the number of its levels.

    Every row and every column counts once on the diagonal and k - 1 times off it, so that an easy house, or a
    good house to learn from, favours neither. The houses of its intervals are the levels, each with its share
    of the difference. Repeats that lack a cell are left out; None where none is left.
    """
    template = next((m for m in table.report.metrics if "{x}" in m), None)
    points = table.series[series]
    if template is None or len(points) < 2:
        return None
    names = [str(point.level(table.report.x)) for point in points]
    values: dict[int, float] = {}
    shares: dict[int, dict[str, float]] = {}
    for repeat in table.repeats():
        cells = [
            [table.values(p, template.replace("{x}", n)).get(repeat, np.nan) for n in names] for p in points
        ]
        square, k = np.asarray(cells), len(names)
        if np.isnan(square).any():
            continue
        # Double centring: a cell less the means of its row and its column.
        left = square - square.mean(axis=0) - square.mean(axis=1, keepdims=True) + square.mean()
        share = np.diag(left) * k / (k - 1)
        values[repeat], shares[repeat] = float(share.mean()), dict(zip(names, share.tolist(), strict=True))
    summary = summarise(values, shares, np.random.default_rng(SEED))
    return None if summary is None else (summary, len(names))


def _diagonals(table: Table) -> Iterator[tuple[str, str, str, Summary]]:
    template = next((m for m in table.report.metrics if "{x}" in m), None)
    for series in table.series:
        found = diagonal(table, series)
        if template is not None and found is not None:
            yield f"{series.label}: where it was learned", "elsewhere", template, found[0]


def pairs(table: Table) -> Iterator[tuple[Point, Point]]:
    """Pairs of points to compare, in the order of the page."""
    report = table.report
    for first, second in report.claims:
        yield from _matching(table, first, second)
    if report.claims or report.form == "heatmap":
        return
    if report.form == "bars":
        for a, b in combinations(table.points, 2):
            yield b, a
        return
    for points in table.series.values():
        if len(points) > 1:
            yield points[-1], points[0]
        if len(points) > 2:
            for before, after in pairwise(points):
                yield after, before


def _matching(table: Table, first: str, second: str) -> Iterator[tuple[Point, Point]]:
    """Pairs of points that the two names of a claim stand for, with equal levels of all common axes but `x`
    where a name gives its level."""
    x = table.report.x
    free = {x} if "@" in first + second else set()
    for a in (p for p in table.points if _is(p, first, x)):
        for b in (p for p in table.points if _is(p, second, x)):
            here, there = dict(a.at), dict(b.at)
            if a != b and all(here[k] == there[k] for k in (here.keys() & there.keys()) - free):
                yield a, b


def _is(point: Point, name: str, x: str | None) -> bool:
    arm, at, level = name.partition("@")
    return point.arm == arm and (not at or str(point.level(x)) == level)


def better(lower: Sequence[str], metric: str, summary: Summary) -> bool | None:
    """Whether the mean is an improvement; None where it is not significant. `lower`: metrics where lower is
    better."""
    if summary.verdict == "no claim":
        return None
    return (summary.mean > 0) != (metric in lower)


def scope(table: Table) -> str:
    """What the repeats varied, and so what the intervals cover, in a sentence or two."""
    differ, same = table.varied()
    n = len(table.repeats())
    if n == 1:
        return "One repeat: nothing is known of the spread, and nothing is claimed."
    text = f"{number(n)} repeats, each with its own seeds of {_words(differ)}" if differ else f"{n} repeats"
    if same:
        text += f"; {_words(same)} {'is' if len(same) == 1 else 'are'} the same in all"
    text += "."
    if "houses" in same:
        text += " So an interval over repeats says nothing of houses other than these."
    return text


def _words(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
