"""The page of a study: one self-contained HTML file drawn from rows, with CSV and JSON beside it.

`write_report(out, rows)` writes `report.html`, `report.csv` (a line a run) and `report.json` (summaries,
claims, fits). Pictures come from the stage folders that rows name; where only rows are left, the page has
none.
"""

import json
from pathlib import Path

from engine.store.manifest import write_atomically
from studies.report.analysis.claims import Claim, at_point, claims, columns, scope
from studies.report.analysis.curve_fits import CurveFits, fit_curves, fit_text, worth_text
from studies.report.analysis.metrics_text import (
    OF_CLASS,
    chance_of,
    class_metric,
    gain,
    label,
    mean_sd,
    signed,
    span,
)
from studies.report.analysis.rows import Row, Table
from studies.report.analysis.ways import Way, ways
from studies.report.deployment import break_even_section
from studies.report.figures import forms
from studies.report.figures.captioned import captions
from studies.report.figures.detected import detections
from studies.report.figures.pictures import predictions
from studies.report.figures.retrieved import retrieved
from studies.report.figures.stage_sections import stage_drawings, stage_sections
from studies.report.files import findings_json, rows_csv, scalars
from studies.report.how_far_apart import how_far_apart
from studies.report.knowledge import access_words, knowledge_section
from studies.report.page import bullets, folded, heading, image, paragraph, table, write_page
from studies.report.paired_frames import frame_by_frame
from studies.report.retrieval_scores import retrieval_scores
from studies.report.runs import configuration, cost
from studies.report.spread_section import spread_section
from studies.report.telling_apart import telling_apart
from studies.spec.report import ReportConfig

_OVER = "95 % interval of the mean, Student's t over repeats."
_CAPTIONS = {
    "bars": f"Bars: mean over repeats. Dots: repeats. Whiskers: {_OVER}",
    "curve": f"Lines and points: mean over repeats; level lines: arms that do not vary over the axis. Small "
    f"dots: repeats. Bands and whiskers: {_OVER}",
    "paths": f"Lines and points: mean over repeats; colours are arms, dashes and markers are metrics. Small "
    f"dots: repeats. Bands and whiskers: {_OVER}",
    "heatmap": "Mean ± standard deviation over repeats. Boxed: evaluated where it was learned.",
}
_RULE = (
    "Differences are paired: repeat by repeat, and house by house where single houses were scored. Each has "
    "at least two 95 % intervals: Student's t over repeats, and a bootstrap over repeats (and houses), which "
    "by itself is too sure with few repeats. A claim is printed only where every interval excludes zero; "
    "where only those over repeats do, it is shown for the evaluated houses and claimed of no others."
)


def write_report(out: Path, rows: list[Row], report: ReportConfig | None = None) -> Path:
    """Draw the page of the rows of one study at one preset and return its path.

    `report` replaces the report of the rows, where the study's file was changed since. Raises ValueError when
    there are no rows, or rows of several studies or presets.
    """
    data = Table(rows, report)
    answers, found, gone = claims(data), fit_curves(data), ways(data)
    drawings = stage_drawings(out, data)
    sections = [
        _head(data),
        _result(data, found),
        _claims(answers),
        telling_apart(data, answers),
        frame_by_frame(data),
        _fits(data, found),
        _ways(data, gone),
        spread_section(data),
        break_even_section(data),
        _paper(data),
        _points(data),
        knowledge_section(data),
        _classes(data),
        retrieval_scores(data),
        *stage_sections(data, drawings, with_curves=True),
        predictions(out, data),
        detections(out, data),
        captions(out, data),
        retrieved(out, data),
        *stage_sections(data, drawings, with_curves=False),
        cost(data),
        configuration(out, data),
    ]
    write_atomically(out / "report.csv", rows_csv(data).encode())
    write_atomically(
        out / "report.json",
        (json.dumps(findings_json(data, answers, found, gone), indent=1, allow_nan=False) + "\n").encode(),
    )
    return write_page(out / "report.html", f"{data.study} ({data.preset})", sections)


def _head(data: Table) -> str:
    after = f" After {data.figure}." if data.figure else ""
    after = after.replace("After beyond", "Beyond")
    bounds = list(dict.fromkeys(row["arm"] for row in data.rows if row.get("upper_bound")))
    told = f" As a bound, tuned on labels of where it is evaluated: {', '.join(bounds)}." if bounds else ""
    return (
        heading(data.study, 1)
        + paragraph(data.question, "q")
        + paragraph(f"Preset {data.preset}; {len(data.rows)} runs.{after} {scope(data)}{told}", "note")
        + "".join(paragraph(line, "note") for line in how_far_apart(data))
    )


def _result(data: Table, found: CurveFits) -> str:
    wanted = columns(data)
    if not any(data.values(point, metric) for point in data.points for metric in wanted):
        return heading("Result") + paragraph(f"No row has any of {', '.join(wanted)} yet.")
    caption = _CAPTIONS[data.report.form]
    if found.fits:
        caption += " Dashed, in the curve's colour: the fitted function, over the measured levels only."
    if data.report.form == "bars" and any(
        data.values(p, chance_of(m) or "") for p in data.points for m in wanted
    ):
        caption += " Dotted: chance."
    if data.report.form != "heatmap":
        caption += " Arms are compared by the paired differences below, not by whether intervals overlap."
    return (
        heading("Result") + image(forms.draw(data, found.fits), alt="the result") + paragraph(caption, "note")
    )


def _claims(answers: list[Claim]) -> str:
    if not answers:
        return ""
    head = ["comparison", "metric", "difference", "intervals", "repeats", "stands among all", "verdict"]
    body = [
        [
            f"{c.a} against {c.b}",
            label(c.metric, where="{x}" not in c.metric),
            signed(c.summary.mean, c.metric),
            "; ".join(f"{span(i, c.metric, sign=True)} ({i.kind})" for i in c.summary.intervals),
            str(c.summary.n),
            "yes" if c.stands_among_all else "no",
            c.verdict,
        ]
        for c in answers
    ]
    kinds = ["claim" if c.summary.verdict == "claim" else "" for c in answers]
    many = (
        f"Comparisons made here: {len(answers)}, each at 5 %; stands among all: Student's t still "
        "excludes zero when all of them are held to 5 % together (Holm)."
    )
    sentences = bullets(_with_metric(c) for c in answers if c.better is not None)
    return (
        heading("What may be claimed")
        + (sentences or paragraph("Nothing may be claimed."))
        + paragraph(f"{_RULE} {many}", "note")
        + table(head, body, kinds)
    )


def _with_metric(claim: Claim) -> str:
    alone = "" if claim.stands_among_all else " By itself; not when all comparisons are held to 5 % together."
    return f"{claim.text.removesuffix('.')}: {gain(claim.summary.mean, claim.metric)}.{alone}"


def _fits(data: Table, found: CurveFits) -> str:
    axis = (data.report.x or "x").replace("_", " ")
    lines = [fit_text(series, metric, fit, axis) for (series, metric), fit in found.fits.items()]
    worths = [worth_text(data, series, metric, w) for (series, metric), w in found.worths.items()]
    if not lines and not worths and not found.left_out:
        return ""
    parts = [heading("The fit, and what it is worth" if worths else "The fit")]
    if lines:
        parts.append(
            paragraph(
                "Least squares through the means of all repeats, over the measured levels only.", "note"
            )
        )
    parts += [paragraph(line) for line in [*lines, *found.left_out]]
    if worths:
        parts.append(heading(f"What {data.report.worth_of} is worth", 3))
        parts += [paragraph(line) for line in worths]
        parts.append(
            paragraph(
                "A bootstrap over few repeats is too narrow; what each says by itself stands beside it.",
                "note",
            )
        )
    return "".join(parts)


def _ways(data: Table, gone: list[Way]) -> str:
    if data.report.way is None or not gone:
        return ""
    first, last = data.report.way
    body = [
        [
            way.point.label,
            label(way.metric),
            "none" if way.share is None else f"{100 * way.share:.0f} %",
            "; ".join(f"{100 * i.low:.0f} to {100 * i.high:.0f} % ({i.kind})" for i in way.intervals)
            or f"{last} − {first} is not clear of zero",
            str(way.repeats),
        ]
        for way in gone
    ]
    note = (
        f"(arm − {first}) / ({last} − {first}), of means over repeats, with 95 % intervals. Fieller's is "
        "Student's t for a ratio; a bootstrap over few repeats is too narrow."
    )
    return (
        heading(f"Share of the way from {first} to {last}")
        + paragraph(note, "note")
        + table(["arm", "metric", "share", "intervals", "repeats"], body)
    )


def _paper(data: Table) -> str:
    tables, expect = data.report.paper, data.report.expect
    if not tables and not expect:
        return ""
    parts = [heading("The paper's, beside ours")]
    if expect:
        parts.append(paragraph(f"Expected, after the paper: {expect}"))
    for paper in tables:
        body = [["" if cell is None else str(cell) for cell in row] for row in paper.rows]
        parts.append(
            paragraph(f"The paper's own numbers ({paper.source}), from its data and at its scale:", "note")
        )
        parts.append(table(paper.columns, body))
    return f'<div class="paper">{"".join(parts)}</div>'


def _points(data: Table) -> str:
    head = [
        "point",
        "external access",
        "metric",
        "mean ± SD",
        "95 %, Student's t over repeats",
        "95 %, other intervals",
        "repeats",
    ]
    body = []
    for metric in columns(data):
        for point in data.points:
            summary = at_point(data, point, metric)
            if summary is None:
                continue
            others = "; ".join(f"{span(i, metric)} ({i.kind})" for i in summary.intervals[1:])
            body.append(
                [
                    point.label,
                    access_words(data, point),
                    label(metric),
                    mean_sd(summary, metric),
                    span(summary.students, metric),
                    others,
                    str(summary.n),
                ]
            )
    parts = [
        heading("Every point"),
        paragraph(
            "Ours. SD: standard deviation over repeats (n − 1). A point that no row has is not here.", "note"
        ),
        table(head, body),
    ]
    rest = [m for m in scalars(data) if m not in columns(data) and class_metric(m) is None]
    if rest:
        cells = [[label(m), *(mean_sd(at_point(data, p, m), m) for p in data.points)] for m in rest]
        parts.append(
            folded(
                f"{len(rest)} other numbers of the rows, mean ± SD",
                table(["", *(p.label for p in data.points)], cells),
            )
        )
    return "".join(parts)


def _classes(data: Table) -> str:
    places = list(dict.fromkeys(m.rpartition("/")[0] for m in columns(data)))
    found: dict[tuple[str, str], list[str]] = {}
    for metric in scalars(data):
        if (of := class_metric(metric)) is not None and of[0] in places:
            found.setdefault((of[1], of[0]), []).append(metric)
    parts = []
    for kind, name in OF_CLASS.items():
        own = {place: names for place in places if (names := found.get((kind, place)))}
        if own:
            parts += [heading(f"{name} of each class [%]"), paragraph("Mean ± SD over repeats.", "note")]
        for place, names in own.items():
            cells = [
                [m.rpartition(f"{kind}/")[2], *(mean_sd(at_point(data, p, m), m) for p in data.points)]
                for m in names
            ]
            shown = table(["class", *(p.label for p in data.points)], cells)
            title = place.replace("_", " ").replace("/", ", ") or "all"
            parts.append(shown if len(own) == 1 else folded(title, shown))
    return "".join(parts)
