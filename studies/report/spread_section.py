"""Scores by the number of modalities: how far sets of equally many lie apart (Fig. 6 of the paper)."""

from dataclasses import dataclass

import numpy as np

from studies.report.analysis.claims import columns
from studies.report.analysis.metrics_text import digits, label
from studies.report.analysis.rows import Table
from studies.report.page import heading, paragraph, table


@dataclass(frozen=True)
class Spread:
    """Scores of all sets of one number of modalities, each the mean over its repeats."""

    metric: str
    modalities: int
    means: tuple[float, ...]
    """Of each set."""
    between_repeats: float | None
    """Standard deviation of one set over repeats, the mean square over the sets; None with one repeat."""


def spreads(data: Table) -> list[Spread]:
    """Of a report that asks for it, metric by metric and by rising number; of arms with the report's `x` and
    of others that pre-train with mm."""
    if data.report.spread is None:
        return []
    found: dict[tuple[str, int], list[list[float]]] = {}
    for metric in columns(data):
        for point in data.points:
            config = data.of(point)[0]["config"]
            values = [*data.values(point, metric).values()]
            if values and config["phases"] and config["objective"] == "mm":
                found.setdefault((metric, len(config[data.report.spread])), []).append(values)
    out = []
    for (metric, count), sets in sorted(found.items(), key=lambda pair: pair[0][1]):
        within = [np.var(values, ddof=1) for values in sets if len(values) > 1]
        noise = float(np.sqrt(np.mean(within))) if within else None
        out.append(Spread(metric, count, tuple(float(np.mean(v)) for v in sets), noise))
    return [s for metric in columns(data) for s in out if s.metric == metric]


def spread_section(data: Table) -> str:
    """HTML: a line for each metric and number of modalities."""
    found = spreads(data)
    if not found:
        return ""
    body = []
    for s in found:
        apart = digits(float(np.std(s.means, ddof=1)), s.metric) if len(s.means) > 1 else ""
        noise = "" if s.between_repeats is None else digits(s.between_repeats, s.metric)
        ends = f"{digits(min(s.means), s.metric)} to {digits(max(s.means), s.metric)}"
        mean = digits(float(np.mean(s.means)), s.metric)
        body.append([label(s.metric), str(s.modalities), str(len(s.means)), mean, ends, apart, noise])
    head = ["metric", "modalities", "sets", "mean", "from, to", "s.d. between sets", "s.d. between repeats"]
    note = (
        "A set's score is its mean over repeats. What repeats differ by is in the deviation between sets "
        "too, divided by the root of their number; with few sets both are rough."
    )
    return heading("Spread by number of modalities") + paragraph(note, "note") + table(head, body)
