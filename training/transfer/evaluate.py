"""Evaluation: predictions on held-out frames of the test space, one confusion matrix, scores as (name,
value).

    tst evaluate evaluate.yaml

Reads what `EvalFrames` show, learns nothing from it, and refuses a model tuned on labels of the space,
whatever the protocol was: every one leaves in its folder the spaces whose labels it has used, as
`labelled_spaces`. `pseudo_labelled_spaces` are no bar: of those the model has seen a teacher's guesses (label
propagation, training/transfer/propagate.py) and no label, and to judge it there is the point.
"""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from tqdm import tqdm

from engine.store.access import EvalFrames, check_never_labelled
from engine.store.errors import LeakError
from engine.store.manifest import write_atomically
from engine.stream.stream import TicketReader
from scenes.config import Config
from training.common.checkpoint import CONFIG, METRICS, read_json, write_json
from training.common.optimiser import pick_device, precision, use_threads
from training.models.metrics import VOID, Confusion
from training.models.segmentation import Segmenter
from training.transfer.labelled import class_table
from training.transfer.transfer import load_segmenter

PREDICTIONS = "predictions.npz"


class EvaluateConfig(Config):
    batch: int = Field(default=64, ge=1)
    """Images at a time; changes no score in fp32."""
    bf16: bool = False
    """Matrix products in bfloat16: faster, and scores may move in the fourth digit."""
    pictures: int = Field(default=8, ge=0)
    """Frames, spread evenly over the view, whose predictions are kept for the report."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores."""
    device: str = "auto"
    """auto, cpu or cuda."""


def evaluate(
    config: EvaluateConfig, frames: EvalFrames, model_dir: Path, out: Path, *, upper_bound: bool = False
) -> dict[str, Any]:
    """Score the finished transfer in `model_dir` on `frames`; writes and returns metrics.

    Scores are of one confusion matrix over all frames; `space_miou` has for each space the mean IoU over the
    classes that are there (in its truth), a space of nothing but void left out. `<out>/confusion.json` has
    the matrices, rows truth, columns prediction: `matrix` of all and `spaces` by space id.
    `<out>/predictions.npz`: rgb uint8 [n, h, w, 3], truth and prediction uint8 [n, h, w], 0 for void, else
    class + 1. `upper_bound`: the model was tuned on labels of the judged space and is wanted as such.

    Raises LeakError for a model that has seen labels of the space, or is an upper bound and not asked for as
    one; ValueError when the store's classes or image size are not those the model was tuned on."""
    assert isinstance(frames, EvalFrames), "scores are taken on evaluation frames only"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    use_threads(config.threads)
    device = pick_device(config.device)
    facts = read_json(model_dir / CONFIG)
    if facts["upper_bound"] != upper_bound:
        kind = "an upper bound" if facts["upper_bound"] else "no upper bound"
        raise LeakError(f"{model_dir} is {kind}: judge it as what it is")
    if not upper_bound:
        check_never_labelled(frames, facts["labelled_spaces"])
    model, classes, image = load_segmenter(model_dir)
    names, table = class_table(frames)
    if names != classes:
        raise ValueError(
            f"{model_dir} knows the classes {classes}, the frames have {names}: use stores of one label table"
        )
    if frames.frame_shape("rgb")[0] != image:
        raise ValueError(
            f"{model_dir} was tuned on {image} px, the frames have {frames.frame_shape('rgb')[0]} px"
        )
    model.to(device)
    confusion = {s.id: Confusion(len(classes)) for s in frames.spaces}
    wanted = set(np.linspace(0, len(frames) - 1, min(config.pictures, len(frames))).astype(int).tolist())
    kept: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for ids, rgb, truth, prediction in predict(model, frames, table, config, device):
        spaces = np.array(frames.space_of(ids))
        for space in np.unique(spaces).tolist():
            confusion[space].add(truth[spaces == space], prediction[spaces == space])
        # Void is a fact of the truth, so the picture shows it in the truth alone.
        kept += [
            (rgb[i], np.where(truth[i] == VOID, 0, truth[i] + 1), prediction[i] + 1)
            for i, frame in enumerate(ids.tolist())
            if frame in wanted
        ]
    seconds = time.monotonic() - started
    total = Confusion.sum(confusion.values())
    metrics: dict[str, Any] = dict(total.scores(classes))
    metrics |= {
        "space_miou": {s: c.miou_of_present() for s, c in confusion.items() if c.matrix.any()},
        "classes": classes,
        "frames": len(frames),
        "wall_seconds": seconds,
        "samples_per_second": len(frames) / seconds,
        "frames_digest": frames.digest(),
    }
    if kept:
        _save_npz(
            out / PREDICTIONS,
            dict(zip(("rgb", "truth", "prediction"), map(_stack, zip(*kept, strict=True)), strict=True)),
        )
    matrices = {space: c.matrix.tolist() for space, c in confusion.items()}
    write_json(
        out / "confusion.json", {"classes": classes, "matrix": total.matrix.tolist(), "spaces": matrices}
    )
    write_json(out / METRICS, metrics)
    return metrics


@torch.no_grad()
def predict(
    model: Segmenter, frames: EvalFrames, table: np.ndarray, config: EvaluateConfig, device: torch.device
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """(ids, rgb, true classes, predicted classes) of every frame once, in batches."""
    reader = TicketReader(frames, [*model.inputs, "semantic"], config.batch)
    bar = tqdm(total=len(frames), desc="evaluate", unit="frame", mininterval=1.0)
    for batch in reader.evaluation():
        with precision(device, config.bf16):
            logits = model({name: torch.from_numpy(batch[name]).to(device) for name in model.inputs})
        yield batch["id"], batch["rgb"], table[batch["semantic"]], logits.argmax(1).byte().cpu().numpy()
        bar.update(len(batch["id"]))
    bar.close()


def _stack(arrays: tuple[np.ndarray, ...]) -> np.ndarray:
    return np.stack(arrays).astype(np.uint8)


def _save_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())
