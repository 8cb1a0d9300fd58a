"""Captions of a study's models beside the true ones, from the folders of evaluations that are still there."""

import html
import json
from pathlib import Path
from typing import Any

from PIL import Image

from studies.report.analysis.rows import Table
from studies.report.figures import figures
from studies.report.figures.pictures import evaluations_with, some_points
from studies.report.page import heading, image, paragraph
from training.transfer.tasks.captioning.evaluator import CAPTIONS, PICTURES

_WIDTH = 160  # of a frame on the page [pixels]


def captions(out: Path, data: Table) -> str:
    """HTML: what some points say of frames, and the true captions, of the first repeat and evaluated set with
    any."""
    found = evaluations_with(out, data, PICTURES)
    if found is None:
        return ""
    repeat, name, folders = found
    chosen = {p.label: folders[p] for p in some_points(data, list(folders))}
    note = f"Evaluated in {name}, repeat {repeat}. In brackets: CIDEr of the caption."
    return heading("Captions beside truth") + paragraph(note, "note") + _table(chosen)


def _table(folders: dict[str, Path]) -> str:
    """A row a frame, by model; frames that not all models were asked about are left out."""
    said = {label: _by_frame(folder) for label, folder in folders.items()}
    first = figures.read_npz(next(iter(folders.values())) / PICTURES)
    lines = []
    for frame, rgb in zip(first["frame"].tolist(), first["rgb"], strict=True):
        if not all(frame in of for of in said.values()):
            continue
        told = [(label, of[frame]) for label, of in said.items()]
        models = "".join(
            f"<b>{html.escape(label)}</b>: {html.escape(of['prediction'])} ({of['cider']:.1f})<br>"
            for label, of in told
        )
        true = "<br>".join(html.escape(text) for text in told[0][1]["references"])
        picture = image(figures.png(Image.fromarray(rgb)), _WIDTH, f"frame {frame}")
        lines.append(f"<tr><td>{picture}</td><td>{models}</td><td>{true}</td></tr>")
    head = "<tr><th>frame</th><th>said</th><th>true</th></tr>"
    return f'<div class="wide"><table class="text">{head}{"".join(lines)}</table></div>'


def _by_frame(folder: Path) -> dict[int, dict[str, Any]]:
    return {of["frame"]: of for of in json.loads((folder / CAPTIONS).read_text())}
