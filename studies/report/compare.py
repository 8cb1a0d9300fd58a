"""Two run folders side by side, as text for a terminal and as a page.

compare_runs(Path("runs/a"), Path("runs/b"), Path("runs/a-b"))
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from studies.report.analysis.metrics_text import label, mean_sd, signed, span
from studies.report.analysis.rows import Row
from studies.report.figures import forms
from studies.report.page import bullets, heading, image, paragraph, table, write_page
from studies.report.side_by_side import Comparison, compare
from studies.run.external_access import external_access_of


def compare_runs(a: Path, b: Path, out: Path | None = None) -> str:
    """The comparison as text; with `out` also as a page, `<out>/compare.html`."""
    found = compare(a, b)
    text = as_text(found)
    if out is None:
        return text
    out.mkdir(parents=True, exist_ok=True)
    return f"{text}\npage: {write_comparison(found, out / 'compare.html')}"


def as_text(found: Comparison) -> str:
    """For a terminal."""
    head, body = _results(found)
    parts = [
        " against ".join(_titles(found)),
        "",
        *_facts(found),
        "",
        "Set otherwise:",
        *(_lines(_settings_head(found), _settings(found)) or ["nothing"]),
        "",
        "Came out (mean ± SD over repeats; difference: b − a, paired):",
        *(_lines(head, body) or ["no metric in common"]),
        "",
        *(_claims(found) or ["Nothing may be claimed."]),
    ]
    return "\n".join(parts)


def write_comparison(found: Comparison, path: Path) -> Path:
    """The page."""
    head, body = _results(found)
    settings = _settings(found)
    drawn = [s for s in found.sides if s.claim is not None]
    sections = [
        heading(" against ".join(found.names), 1),
        paragraph(" against ".join(_titles(found)), "q"),
        bullets(_facts(found)),
        heading("Set otherwise"),
        table(_settings_head(found), settings, kind="text") if settings else paragraph("Nothing."),
        heading("Came out"),
        bullets(_claims(found)) or paragraph("Nothing may be claimed."),
        paragraph(
            "Differences are b − a, paired over repeats that had the same seeds in both. A claim is made "
            "only where every 95 % interval excludes zero.",
            "note",
        ),
        table(head, body),
        image(
            forms.differences(
                [(f"{s.point.label}: {label(s.metric)}", s.metric, s.claim.summary) for s in drawn if s.claim]
            )
        )
        if drawn
        else "",
    ]
    return write_page(path, f"{found.names[0]} against {found.names[1]}", sections)


def _titles(found: Comparison) -> list[str]:
    return [
        f"{letter} = {name} ({t.study}, {t.preset}, {len(t.rows)} runs)"
        for letter, name, t in zip("ab", found.names, found.tables, strict=True)
    ]


def _facts(found: Comparison) -> list[str]:
    """What both have, and what was not in their configuration: code, machine, time."""
    lines = [f"{found.runs} runs (points and repeats) are in both."]
    for letter, points in zip("ab", found.only, strict=True):
        if points:
            lines.append(f"Only in {letter}: {'; '.join(p.label for p in points)}.")
    facts: tuple[tuple[str, Callable[[Row], str]], ...] = (
        ("code", lambda row: row["code_version"]),
        ("machine", lambda row: row["cost"]["machine"]),
        ("torch", lambda row: row["cost"]["torch"]),
        ("external access", lambda row: external_access_of(row) or "not recorded"),
    )
    for name, of in facts:
        a, b = (", ".join(sorted({str(of(row)) for row in t.rows})) for t in found.tables)
        lines.append(f"{name}: {a} in both." if a == b else f"{name}: {a} in a, {b} in b.")
    a, b = found.seconds
    lines.append(f"Seconds of the runs in both, shared stages counted in each: {a:,.0f} in a, {b:,.0f} in b.")
    return lines


def _settings_head(found: Comparison) -> list[str]:
    return ["field", f"a: {found.names[0]}", f"b: {found.names[1]}", "where"]


def _settings(found: Comparison) -> list[list[str]]:
    rows = []
    for name, of in found.settings.items():
        for a, b, where in of:
            everywhere = (
                "all"
                if len(where) == found.runs
                else f"{len(where)} of {found.runs}: {where[0]}" + (", …" if len(where) > 1 else "")
            )
            rows.append([name, a, b, everywhere])
    return rows


def _results(found: Comparison) -> tuple[list[str], list[list[str]]]:
    head = ["point", "metric", "a", "b", "difference", "95 %, Student's t", "repeats", "verdict"]
    rows = []
    for side in found.sides:
        both = [
            side.point.label,
            label(side.metric),
            mean_sd(side.a, side.metric),
            mean_sd(side.b, side.metric),
        ]
        if side.claim is None:
            rows.append([*both, "", "", "0", "no repeat had the same seeds"])
            continue
        summary = side.claim.summary
        rows.append(
            [
                *both,
                signed(summary.mean, side.metric),
                span(summary.students, side.metric, sign=True),
                str(summary.n),
                side.claim.verdict,
            ]
        )
    return head, rows


def _claims(found: Comparison) -> list[str]:
    return [
        f"{s.claim.text} ({label(s.metric)})"
        + ("" if s.claim.stands_among_all else " Not when all comparisons here are held to 5 % together.")
        for s in found.sides
        if s.claim is not None and s.claim.better is not None
    ]


def _lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table of plain text; nothing where there are no rows."""
    if not rows:
        return []
    widths = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in (head, *rows)
    ]
    return [lines[0], "  ".join("-" * w for w in widths), *lines[1:]]
