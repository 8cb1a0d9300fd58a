"""Runs of studies: arms and what they predict beside the truth, reconstructions by tokenizers, the report.

Rows are read as they are; nothing is scored again.
"""

import io
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine.store.access import EvalFrames, Frames, PretrainFrames, UnlabelledTransferFrames
from engine.store.pictures import palette
from engine.store.store import Store
from studies.run.rows import HEAD, read_rows
from viewer.answers import Answer, NotThereError, Query, json_answer, picture_answer
from viewer.opened import Opened, read_json_within, within

PREDICTIONS = "predictions.npz"
_REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)
_VIEWS: dict[str, type[Frames]] = {
    "pretrain": PretrainFrames,
    "transfer": UnlabelledTransferFrames,
    "eval": EvalFrames,
}
"""Through what tokenizers see frames of a role."""


def study_facts(opened: Opened, query: Query) -> Answer:
    """Name, question and preset of a run, and its rows with predictions: for each evaluation of a row the
    number of frames, the digest of the frames they were taken from, and the names of classes."""
    folder = opened.study(query.text("study"))
    head = read_json_within(folder / HEAD, folder) or {}
    facts = {name: str(head.get(name, "")) for name in ("study", "question", "preset")}
    return json_answer(facts | {"rows": [_row_facts(folder, row) for row in _rows(folder)]})


def prediction(opened: Opened, query: Query) -> Answer:
    """One frame of an evaluation of a row: `what` is rgb, truth or prediction."""
    folder = opened.study(query.text("study"))
    row = next((row for row in _rows(folder) if row["file"] == query.text("row")), None)
    place = (row or {}).get("evaluations", {}).get(query.text("evaluation"))
    file = within(folder / place / PREDICTIONS, folder) if place else None
    if file is None:
        raise NotThereError("this evaluation kept no predictions")
    arrays = _arrays(file, file.stat().st_mtime_ns)
    what = query.text("what")
    if what not in arrays:
        raise NotThereError(f"predictions are rgb, truth and prediction, not {what!r}")
    values = arrays[what][query.number("index", 0, len(arrays[what]) - 1)]
    image = Image.fromarray(values if values.ndim == 3 else palette()[values])
    size = query.number("size", 16, 1024)
    across = max(1, round(size * image.width / image.height))
    return picture_answer(image.resize((across, size), Image.Resampling.NEAREST), sharp=True)


def colours(opened: Opened, query: Query) -> Answer:
    """The sRGB colour of every class index."""
    return json_answer(palette().tolist())


def report(opened: Opened, query: Query) -> Answer:
    """The page of a run, as it was drawn last. It runs no script and loads nothing."""
    folder = opened.study(query.text("study"))
    page = within(folder / "report.html", folder)
    if page is None:
        raise NotThereError("there is no report yet: tst study report draws it from the rows that are there")
    return Answer(
        page.read_bytes(), "text/html; charset=utf-8", (("Content-Security-Policy", _REPORT_POLICY),)
    )


def tokenizers(opened: Opened, query: Query) -> Answer:
    """Tokenizers that were opened, by id: their modality and label."""
    return json_answer([{"id": id, "modality": m, "label": name} for id, m, name, _ in _tokenizers(opened)])


def reconstruction(opened: Opened, query: Query) -> Answer:
    """A frame, and what each opened tokenizer of one of its modalities makes of it."""
    from training.tokenizers.registry import load_tokenizer  # torch takes seconds to import
    from training.tokenizers.token_pictures import compare

    store = opened.store(query.text("store"))
    part = query.text("part")
    if part not in {p.part for p in store.parts}:
        raise NotThereError(f"there is no part {part!r}")
    frames = _VIEWS[store.part(part).role](store)
    frame = query.number("frame", 0, store.part(part).frames - 1)
    id = _first_id(store, part, frames) + frame
    folders = [(m, f) for _, m, _, f in _tokenizers(opened) if m in frames.modalities]
    loaded = [(f"{m} {f.name[-6:]}", load_tokenizer(f)) for m, f in folders]
    decoding = [(name, model) for name, model in loaded if model.decodes]
    if not decoding:
        raise NotThereError("no tokenizer that decodes was opened with this frame")
    return picture_answer(compare(frames, np.array([id]), decoding), sharp=True)


def _first_id(store: Store, part: str, frames: Frames) -> int:
    """The id in its role's view of a part's first frame."""
    return frames.parts()[part].start


def _tokenizers(opened: Opened) -> Iterator[tuple[str, str, str, Path]]:
    """Id, modality, label and folder of each finished tokenizer."""
    for id, place in opened.found.stages.items():
        folder = Path(place.path)
        config = read_json_within(folder / "config.json", folder) or {}
        if "modality" in config and (folder / "model.safetensors").exists():
            yield id, str(config["modality"]), place.name, folder


def _rows(folder: Path) -> list[dict[str, Any]]:
    if not within(folder / HEAD, folder):
        return []
    return [row for row in read_rows(folder) if within(folder / "rows" / row["file"], folder)]


def _row_facts(folder: Path, row: dict[str, Any]) -> dict[str, Any]:
    at = ", ".join(str(level) for level in row["point"].values())
    kept = {}
    for name, place in row["evaluations"].items():
        file = within(folder / place / PREDICTIONS, folder)
        if file is not None:
            kept[name] = {
                "frames": len(_arrays(file, file.stat().st_mtime_ns)["rgb"]),
                "of": str(row["metrics"].get(f"{name}/frames_digest", "")),
                "classes": row["metrics"].get(f"{name}/classes", []),
                "miou": row["metrics"].get(f"{name}/miou"),
            }
    label = f"{row['arm']} ({at})" if at else row["arm"]
    return {"file": row["file"], "label": label, "repeat": row["repeat"], "evaluations": kept}


@lru_cache(maxsize=32)
def _arrays(file: Path, stamp: int) -> dict[str, np.ndarray]:
    """The arrays of a file as it was at `stamp`."""
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as found:
        return {name: found[name] for name in ("rgb", "truth", "prediction")}
