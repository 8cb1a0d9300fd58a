"""After how many images a specialist's pre-training is paid by its cheaper inference.

A smaller model that was pre-trained in the test space is set against a larger one that was not pre-trained.
Its one-time cost is its pre-training; each image then costs less. Both are counted in FLOPs, so the number
repeats.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from studies.report.analysis.claims import at_point, columns, compared
from studies.report.analysis.rows import Point, Table

PRETRAIN = "pretrain_gflop"


@dataclass(frozen=True)
class BreakEven:
    """One smaller specialist against one larger model without pre-training, in one evaluation."""

    specialist: Point
    larger: Point
    metric: str
    """The metric of the report that is evaluated at the same place."""
    gain: float
    """The specialist's mean of the metric minus the larger model's."""
    pretrain_gflop: float
    """Of the specialist's pre-training."""
    saved_gflop: float
    """Of each image."""

    @property
    def images(self) -> float:
        """Number of images after which the pre-training is paid."""
        return self.pretrain_gflop / self.saved_gflop


def break_evens(table: Table) -> Iterator[BreakEven]:
    """Every pair of a smaller specialist and a larger model of which rows have the costs."""
    for metric in columns(table):
        cost = f"{metric.rpartition('/')[0]}/gflop_per_image"
        for specialist in table.points:
            for larger in table.points:
                once, free = _mean(table, specialist, PRETRAIN), _mean(table, larger, PRETRAIN)
                saved = compared(table, larger, specialist, cost)
                gain = compared(table, specialist, larger, metric)
                if once and free == 0 and saved is not None and saved.mean > 0 and gain is not None:
                    yield BreakEven(specialist, larger, metric, gain.mean, once, saved.mean)


def _mean(table: Table, point: Point, metric: str) -> float | None:
    summary = at_point(table, point, metric)
    return None if summary is None else summary.mean
