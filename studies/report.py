"""The page of a study: one self-contained HTML file drawn from rows and the stage folders they name."""

import base64
import html
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from engine.manifest import write_atomically
from engine.show import contact_sheet
from engine.store import Store
from scenes.credits import CREDITS
from scenes.house import House
from scenes.plan import draw_plan
from studies import figures
from studies.statistics import by_method, verdict

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1080px;margin:2em auto;padding:0 1em;color:#222}
h1{margin-bottom:0}h2{margin-top:2em;border-bottom:1px solid #ddd}img{max-width:100%}
table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #ddd;padding:.25em .6em;text-align:right}
td:first-child,th:first-child{text-align:left}.q{color:#555;font-size:1.1em}
pre{background:#f6f6f6;padding:1em;overflow:auto;font-size:12px}.note{color:#666}
.key{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 .9em;vertical-align:-.1em}
"""
_METRICS = (("miou", "mIoU [%]"), ("pixel_accuracy", "pixel accuracy [%]"))


def write_report(out: Path, rows: list[dict[str, Any]]) -> Path:
    """Draw `<out>/report.html` from the rows of one study at one scale.

    Raises ValueError when there are no rows, or rows of several studies.
    """
    studies = {row["study"] for row in rows}
    if len(studies) != 1:
        raise ValueError(f"{out}: a report needs the rows of one study, found {sorted(studies)}")
    study, preset = rows[0]["study"], rows[-1]["preset"]
    sections = [
        _head(study, preset, rows),
        _result(rows),
        _house(out, rows),
        _frames(out, rows),
        _training(rows),
        _predictions(out, rows),
        _classes(rows),
        _cost(rows),
        _provenance(out, rows),
    ]
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(study)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(sections)}</body></html>\n"
    )
    path = out / "report.html"
    write_atomically(path, page.encode())
    return path


def _head(study: str, preset: str, rows: list[dict[str, Any]]) -> str:
    row = rows[0]
    seeds = sorted({r["seed"] for r in rows})
    test, other = row["config"]["test_house"], row["config"]["transfer_houses"]
    return (
        f'<h1>{html.escape(study)}</h1><p class="q">{html.escape(row["question"])}</p>'
        f'<p class="note">Preset {html.escape(preset)}; seeds {", ".join(map(str, seeds))}; test space: '
        f"house {test['seed']} of family {html.escape(test['family'])}; labels from {other['count']} houses "
        f"of family {html.escape(other['family'])}.</p>"
    )


def _result(rows: list[dict[str, Any]]) -> str:
    summaries = {label: by_method(rows, name) for name, label in _METRICS}
    methods = [m for m in _methods(rows) if m in summaries["mIoU [%]"]]
    head = "".join(f"<th>{html.escape(label)}</th>" for label in summaries)
    body = "".join(
        f"<tr><td>{html.escape(m)}</td>"
        + "".join(f"<td>{s[m].text() if m in s else ''}</td>" for s in summaries.values())
        + "</tr>"
        for m in methods
    )
    claims = "".join(
        f"<li>{html.escape(verdict(rows, 'miou', b, a))}</li>" for a, b in combinations(methods, 2)
    )
    bars = {m: [100 * v for v in summaries["mIoU [%]"][m].values] for m in methods}
    return (
        "<h2>Was it worth it?</h2><p>Semantic segmentation of held-out views of the test space. "
        "Mean ± standard deviation over seeds; the seeds change initialisation, masks and batch order, and "
        f"not the houses or the poses.</p><table><tr><th>method</th>{head}</tr>{body}</table>"
        f"<ul>{claims}</ul>{_img(figures.method_bars(bars, 'mIoU [%]'))}"
    )


def _house(out: Path, rows: list[dict[str, Any]]) -> str:
    plans = []
    for stage in _stages(rows, "houses"):
        if not stage["label"].startswith("test"):
            continue
        for file in sorted((out / stage["folder"] / "houses").glob("*.json")):
            plans.append(_img(figures.png(draw_plan(House.load(file), 700)), width=520))
    return "<h2>The test space</h2>" + "".join(plans) if plans else ""


def _frames(out: Path, rows: list[dict[str, Any]]) -> str:
    (stage,) = _stages(rows, "store")
    store = Store.open(out / stage["folder"] / "store")
    sheets = [
        f"<h3>{role}</h3>" + _img(figures.png(contact_sheet(store, 16, role=role)))
        for role in ("pretrain", "transfer")
    ]
    counts = ", ".join(f"{n:,} {role}" for role, n in stage["metrics"]["frames"].items())
    distance = stage["metrics"]["least_distance_eval_to_pretrain_m"]
    return (
        f"<h2>What the body sensed</h2><p>Frames: {counts} ({stage['metrics']['bytes'] / 1e6:.0f} MB). The "
        f"nearest evaluation camera stands {distance * 100:.1f} cm from a pre-training camera. "
        f"Pre-training frames carry no labels.</p>{''.join(sheets)}"
    )


def _training(rows: list[dict[str, Any]]) -> str:
    curves: dict[str, list[Any]] = {}
    for row in rows:
        for stage in row["stages"].values():
            if stage["kind"] == "pretrain" and "curve" in stage["metrics"]:
                curves.setdefault(row["method"], []).append(stage["metrics"]["curve"])
    tuned: dict[str, list[Any]] = {}
    for row in rows:
        for stage in row["stages"].values():
            if stage["kind"] == "transfer" and "curve" in stage["metrics"]:
                tuned.setdefault(row["method"], []).append(stage["metrics"]["curve"])
    parts = ["<h2>Learning</h2>"]
    if curves:
        parts += ["<h3>Pre-training loss, a line per seed</h3>", _img(figures.loss_curves(curves))]
    if tuned:
        parts += ["<h3>Transfer loss, a line per seed</h3>", _img(figures.loss_curves(tuned))]
    if tokenizers := _stages(rows, "tokenizer"):
        body = "".join(
            f"<tr><td>{html.escape(t['label'])}</td><td>{t['metrics']['reconstruction_error']:.3g}</td>"
            f"<td>{html.escape(t['metrics']['error_unit'])}</td><td>{t['metrics']['usage']:.3g}</td>"
            f"<td>{t['metrics']['perplexity']:.1f}</td></tr>"
            for t in tokenizers
        )
        parts.append(
            "<h3>Tokenizers, trained on the pre-training frames alone</h3><table><tr><th></th>"
            "<th>reconstruction error</th><th>unit</th><th>share of codes used</th><th>perplexity</th></tr>"
            f"{body}</table>"
        )
    return "".join(parts)


def _predictions(out: Path, rows: list[dict[str, Any]]) -> str:
    first: dict[str, dict[str, np.ndarray]] = {}
    names: list[str] = []
    for row in rows:
        path = out / row["evaluation"] / "predictions.npz"
        if row["method"] not in first and path.exists():
            first[row["method"]] = figures.read_npz(path)
            names = row["metrics"].get("classes", [])
    if not first:
        return ""
    any_method = next(iter(first.values()))
    image = figures.predictions(
        any_method["rgb"], any_method["truth"], {m: p["prediction"] for m, p in first.items()}
    )
    colors = figures.class_colors(np.arange(1, len(names) + 1))
    key = "".join(
        f'<span class="key" style="background:rgb{tuple(int(v) for v in c)}"></span>{html.escape(n)}'
        for c, n in zip(colors, names, strict=True)
    )
    seed = rows[0]["seed"]
    return f"<h2>Predictions beside truth</h2><p>Seed {seed}. {key}</p>{_img(image)}"


def _classes(rows: list[dict[str, Any]]) -> str:
    methods = _methods(rows)
    names = sorted({k for row in rows for k in row["metrics"] if k.startswith("iou/")})
    if not names:
        return ""
    summaries = {n: by_method(rows, n) for n in names}
    body = "".join(
        f"<tr><td>{html.escape(n.removeprefix('iou/'))}</td>"
        + "".join(f"<td>{s[m].text() if m in s else ''}</td>" for m in methods)
        + "</tr>"
        for n, s in summaries.items()
    )
    head = "".join(f"<th>{html.escape(m)}</th>" for m in methods)
    return f"<h2>IoU of each class [%]</h2><table><tr><th>class</th>{head}</tr>{body}</table>"


def _cost(rows: list[dict[str, Any]]) -> str:
    body = "".join(
        f"<tr><td>{html.escape(row['method'])}, seed {row['seed']}</td>"
        f"<td>{sum(s for label, s in row['cost']['seconds'].items() if _own(label)):.0f}</td>"
        f"<td>{sum(s for label, s in row['cost']['seconds'].items() if not _own(label)):.0f}</td>"
        f"<td>{html.escape(row['code_version'])}</td></tr>"
        for row in rows
    )
    seconds: dict[str, float] = {}
    for row in rows:
        seconds |= row["cost"]["seconds"]
    stages = "".join(f"<tr><td>{html.escape(k)}</td><td>{v:.0f}</td></tr>" for k, v in seconds.items())
    return (
        "<h2>Cost</h2><p>Shared stages are done once and count in full for each run that rests on them.</p>"
        "<table><tr><th>run</th><th>own stages [s]</th><th>shared stages [s]</th><th>code</th></tr>"
        f"{body}</table><details><summary>every stage [s]</summary><table>{stages}</table></details>"
    )


def _own(label: str) -> bool:
    return "seed" in label


def _provenance(out: Path, rows: list[dict[str, Any]]) -> str:
    (stage,) = _stages(rows, "store")
    credits = (out / stage["folder"] / "store" / CREDITS).read_text()
    config = json.dumps(rows[0]["config"], indent=1)
    return (
        "<h2>Configuration and credits</h2>"
        f"<details><summary>resolved configuration</summary><pre>{html.escape(config)}</pre></details>"
        f"<details><summary>authors of the 3D models</summary><pre>{html.escape(credits)}</pre></details>"
    )


def _methods(rows: list[dict[str, Any]]) -> list[str]:
    """Every method in the order of the study's file."""
    return list(dict.fromkeys(name for row in rows for name in row["config"]["methods"]))


def _stages(rows: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    """Every distinct stage of a kind that the rows rest on."""
    return list({k: s for row in rows for k, s in row["stages"].items() if s["kind"] == kind}.values())


def _img(data: bytes, width: int | None = None) -> str:
    size = f' width="{width}"' if width else ""
    return f'<p><img{size} src="data:image/png;base64,{base64.b64encode(data).decode()}"></p>'
