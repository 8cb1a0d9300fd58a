"""A study's rows and findings as files for other programs: CSV and JSON."""

import csv
import io
from typing import Any

from studies.report.analysis.claims import Claim, at_point, columns, scope
from studies.report.analysis.curve_fits import CurveFits, interval_json, worth_json
from studies.report.analysis.rows import Table
from studies.report.analysis.statistics import Summary
from studies.report.analysis.ways import Way, ways_json
from studies.run.external_access import external_access_of


def scalars(data: Table) -> list[str]:
    """Every metric of the rows that is a number, sorted."""
    return sorted(
        {
            name
            for row in data.rows
            for name, value in row["metrics"].items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }
    )


def rows_csv(data: Table) -> str:
    """A line a run; an empty cell is a value that the row does not have."""
    seeds = list(dict.fromkeys(kind for row in data.rows for kind in row["seeds"]))
    metrics = scalars(data)
    axes = list(data.axes)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [
            *("file", "study", "preset", "arm", *axes, "repeat", "external_access"),
            *(f"seed/{s}" for s in seeds),
            *metrics,
            *("seconds", "code_version"),
        ]
    )
    for row in data.rows:
        writer.writerow(
            [row["file"], row["study"], row["preset"], row["arm"]]
            + [row["point"].get(axis, "") for axis in axes]
            + [row["repeat"], external_access_of(row) or "", *(row["seeds"].get(s, "") for s in seeds)]
            + ["" if row["metrics"].get(m) is None else row["metrics"][m] for m in metrics]
            + [row["cost"]["seconds_total"], row["code_version"]]
        )
    return text.getvalue()


def findings_json(data: Table, answers: list[Claim], found: CurveFits, gone: list[Way]) -> dict[str, Any]:
    """Summaries of all points, claims, fits, worths and shares of the way, as JSON values."""
    return {
        "study": data.study,
        "preset": data.preset,
        "question": data.question,
        "figure": data.figure,
        "scope": scope(data),
        "repeats": data.repeats(),
        "points": [
            {"arm": point.arm, "point": dict(point.at), "metric": metric}
            | {"external_access": sorted({external_access_of(r) or "not recorded" for r in data.of(point)})}
            | _summary_json(summary)
            for metric in columns(data)
            for point in data.points
            if (summary := at_point(data, point, metric)) is not None
        ],
        "claims": [
            {"a": c.a, "b": c.b, "metric": c.metric}
            | _summary_json(c.summary)
            | {"verdict": c.summary.verdict, "better": c.better, "stands_among_all": c.stands_among_all}
            for c in answers
        ],
        "fits": [
            {
                "series": series.label,
                "metric": metric,
                "kind": fit.function.kind,
                **fit.function.parameters,
                "intervals": {k: [interval_json(i) for i in v] for k, v in fit.intervals.items()},
                "residual": fit.residual,
                "exponent_at_edge": fit.function.at_edge,
            }
            for (series, metric), fit in found.fits.items()
        ],
        "worth": [
            {"series": series.label, "metric": metric, "of": data.report.worth_of} | worth_json(w)
            for (series, metric), w in found.worths.items()
        ],
        "left_out": found.left_out,
        "way": ways_json(gone),
        "paper": [paper.model_dump(mode="json") for paper in data.report.paper],
    }


def _summary_json(summary: Summary) -> dict[str, Any]:
    return {
        "n": summary.n,
        "values": list(summary.values),
        "mean": summary.mean,
        "sd": summary.sd,
        "houses_resampled": summary.houses,
        "intervals": [interval_json(i) for i in summary.intervals],
    }
