"""Retrieval on the page of a study: all its ways, with chance beside each."""

from collections.abc import Iterator

from studies.report.analysis.claims import at_point
from studies.report.analysis.metrics_text import chance_of, label, mean_sd
from studies.report.analysis.rows import Table
from studies.report.files import scalars
from studies.report.page import heading, paragraph, table
from training.retrieval.ranks import AT

_SCORES = (*(f"r{k}" for k in AT), "median_rank")


def retrieval_scores(data: Table) -> str:
    """HTML: recall and median rank of every direction, way and point, with chance beside each; a table for
    each set of houses."""
    ways: dict[str, list[str]] = {}
    for metric in scalars(data):
        way, _, name = metric.rpartition("/")
        if name == "median_rank" and chance_of(metric) is not None:
            ways.setdefault(way.rsplit("/", 2)[0], []).append(way)
    parts = []
    for place, own in ways.items():
        head = ["direction, way", "point"]
        for name in _SCORES:
            head += [label(name), "chance"]
        title = f"Retrieval in {place.removesuffix('/retrieval')}, all ways"
        parts += [heading(title), paragraph("Mean ± SD over repeats.", "note")]
        parts.append(table(head, [line for way in own for line in _lines(data, way)]))
    return "".join(parts)


def _lines(data: Table, way: str) -> Iterator[list[str]]:
    """A line of the table for each point that has the way."""
    direction, name = way.split("/")[-2:]
    for point in data.points:
        if not data.values(point, f"{way}/{_SCORES[0]}"):
            continue
        cells = [f"{direction}, {name}".replace("_", " "), point.label]
        for score in _SCORES:
            metric = f"{way}/{score}"
            for each in (metric, chance_of(metric) or metric):
                cells.append(mean_sd(at_point(data, point, each), each))
        yield cells
