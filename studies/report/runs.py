"""Runs on a study's page: cost, configuration, and credits of furniture models."""

import json
from collections import Counter
from pathlib import Path

from scenes.meshes.libraries.credits import CREDITS
from studies.report.analysis.metrics_text import digits
from studies.report.analysis.rows import Table
from studies.report.differing import differing
from studies.report.page import folded, heading, paragraph, preformatted, table


def cost(data: Table) -> str:
    """HTML: cost of every run and stage, and the time that shared stages saved."""
    users = Counter(stage for row in data.rows for stage in row["cost"]["seconds"])
    seconds: dict[str, float] = {}
    body = []
    metric = data.report.metrics[0]
    for row in data.rows:
        seconds |= row["cost"]["seconds"]
        own = sum(s for stage, s in row["cost"]["seconds"].items() if users[stage] == 1)
        score = row["metrics"].get(metric)
        body.append(
            [
                row["file"].removesuffix(".json"),
                json.dumps(row["point"])[1:-1].replace('"', ""),
                ", ".join(f"{k} {v}" for k, v in row["seeds"].items()),
                "" if score is None else digits(score, metric),
                f"{own:,.0f}",
                f"{row['cost']['seconds_total']:,.0f}",
                row["code_version"],
                f"{row['cost']['machine']}, torch {row['cost']['torch']}",
            ]
        )
    once = sum(seconds.values())
    alone = sum(row["cost"]["seconds_total"] for row in data.rows)
    head = ["run", "point", "seeds", metric, "own stages [s]", "all it rests on [s]", "code", "machine"]
    every = sorted(seconds.items(), key=lambda pair: -pair[1])
    return (
        heading("Runs and their cost")
        + paragraph(
            f"{len(data.rows)} runs rest on {len(users)} stages, which took {_hours(once)} in all; had no "
            f"stage been shared, {sum(users.values())} stage runs and {_hours(alone)}.",
            "note",
        )
        + folded(f"all {len(body)} runs", table(head, body))
        + folded(f"all {len(every)} stages [s]", table(["stage", "s"], [[n, f"{s:,.1f}"] for n, s in every]))
    )


def configuration(out: Path, data: Table) -> str:
    """HTML: configuration of the first run, differences of the other points, credits of 3D models."""
    first = data.rows[0]
    rows = []
    for point in data.points:
        for name, (_, value) in differing(first["config"], data.of(point)[0]["config"]).items():
            rows.append([point.label, name, json.dumps(value)[:200]])
    parts = [
        heading("Configuration"),
        folded(
            f"resolved configuration of {data.points[0].label}",
            preformatted(json.dumps(first["config"], indent=1)),
        ),
    ]
    if rows:
        parts.append(
            folded(
                "what the other points set otherwise", table(["point", "field", "value"], rows, kind="text")
            )
        )
    lines: set[str] = set()
    for folder in dict.fromkeys(s["folder"] for row in data.rows for s in row["stages"].values()):
        for file in (out / folder / CREDITS, out / folder / "store" / CREDITS):
            if file.is_file():
                lines |= set(file.read_text(encoding="utf-8").splitlines())
    if lines:
        parts.append(folded("authors of the 3D models", preformatted("\n".join(sorted(lines)))))
    return "".join(parts)


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:,.1f} h" if seconds >= 3600 else f"{seconds / 60:,.1f} min"
