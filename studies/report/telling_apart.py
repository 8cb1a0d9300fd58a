"""Which metric tells arms apart best: effects over their spread, and what they cost.

A difference d of two points, paired repeat by repeat, with standard deviation s over repeats, has the effect
d / s. Of n repeats Student's t is √n times as much; so a metric whose repeat takes h hours reaches a t of
d / (s √h) in one hour of repeats. That compares metrics that one may choose between: of tasks, of
protocols."""

from dataclasses import dataclass

from studies.report.analysis.claims import Claim
from studies.report.analysis.metrics_text import label
from studies.report.analysis.rows import Point, Table
from studies.report.page import heading, paragraph, table


@dataclass(frozen=True)
class Resolution:
    """How far a metric tells two points apart."""

    claim: Claim
    tuning: float
    """Time of transfer and evaluation that a repeat of both points takes [s], each stage counted once."""
    pretraining: float
    """Time of their pre-trainings [s]."""

    @property
    def effect(self) -> float:
        """Size of the mean difference over its standard deviation; 0 without spread."""
        summary = self.claim.summary
        return 0.0 if summary.still or not summary.sd else abs(summary.mean) / summary.sd

    def of_an_hour(self, *, pretrained: bool) -> float:
        """Student's t that one hour of repeats reaches; `pretrained`: their pre-trainings take time too."""
        seconds = self.tuning + (self.pretraining if pretrained else 0.0)
        return self.effect * (3600 / seconds) ** 0.5 if seconds else 0.0


def resolutions(data: Table, answers: list[Claim]) -> list[Resolution]:
    """Of the comparisons of a page over two repeats or more whose rows tell what evaluations cost; pair by
    pair, the best by the hour first."""
    points = {point.label: point for point in data.points}
    found = []
    for claim in answers:
        pair = [points.get(claim.a), points.get(claim.b)]
        costs = [_cost(data, point, claim.metric) for point in pair if point is not None]
        if claim.summary.n > 1 and len(costs) == 2 and all(costs):
            both = [costs[0][i] | costs[1][i] for i in (0, 1)]
            tuning, pretraining = (sum(of.values()) / len(data.repeats()) for of in both)
            found.append(Resolution(claim, tuning, pretraining))
    pairs = list(dict.fromkeys((of.claim.a, of.claim.b) for of in found))
    return sorted(found, key=lambda r: (pairs.index((r.claim.a, r.claim.b)), -r.of_an_hour(pretrained=False)))


def _cost(data: Table, point: Point, metric: str) -> list[dict[str, float]]:
    """Seconds by stage of all repeats: of transfer and evaluation, and of pre-training; nothing where a row
    does not tell."""
    tuning: dict[str, float] = {}
    pretraining: dict[str, float] = {}
    for row in data.of(point):
        told = row["cost"].get("evaluations", {})
        names = [name for name in told if metric.startswith(f"{name}/")]
        if not names:
            return []
        own = told[max(names, key=len)]
        seconds = row["cost"]["seconds"]
        tuning |= {stage: seconds[stage] for stage in own["tuning"]}
        pretraining |= {stage: seconds[stage] for stage in own["pretraining"]}
    return [tuning, pretraining]


def telling_apart(data: Table, answers: list[Claim]) -> str:
    """HTML: a table of all comparisons with their effects over spread and costs, where the page has metrics
    of several evaluations."""
    found = resolutions(data, answers)
    if len({of.claim.metric.rpartition("/")[0] for of in found}) < 2:
        return ""
    head = ["comparison", "metric", "difference over its SD", "transfer and evaluation [min]"]
    head += ["pre-training [min]", "t of an hour", "t of an hour with pre-training"]
    body = [
        [
            f"{of.claim.a} against {of.claim.b}",
            label(of.claim.metric),
            f"{of.effect:.1f}",
            f"{of.tuning / 60:.1f}",
            f"{of.pretraining / 60:.1f}",
            f"{of.of_an_hour(pretrained=False):.1f}",
            f"{of.of_an_hour(pretrained=True):.1f}",
        ]
        for of in found
    ]
    note = (
        "Minutes are of one repeat of both arms, by the clock. t of an hour: Student's t that the repeats of "
        "one hour reach where the effect is what it is here. A standard deviation over few repeats is known "
        "to a factor of two at best."
    )
    return heading("Which metric tells arms apart") + paragraph(note, "note") + table(head, body)
