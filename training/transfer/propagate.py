"""Label propagation (the paper's Fig. 13): a tuned model labels the test space's own unlabelled frames.

    tst propagate propagate.yaml

What the teacher thinks of the frames of role `pretrain`, pixel by pixel, becomes what a student is tuned on
beside the true labels of other houses (`pseudo` of a transfer). No true label of the test space takes part:
`PretrainFrames` show none, and a teacher that was tuned on labels of the space is refused. In `out`: the
classes as labels.npy, uint8 [frames, height, width] in the order of the view, VOID where the teacher was not
sure; config.json, written last, says what they are of. They are never put into a store."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from tqdm import tqdm

from engine.store.access import PretrainFrames, check_never_labelled
from engine.stream.stream import TicketReader
from scenes.config import Config
from training.common.checkpoint import CONFIG, METRICS, read_json, write_json
from training.common.optimiser import pick_device, precision, use_threads
from training.models.metrics import VOID
from training.transfer.labelled import PSEUDO_LABELS, class_table, facts_of_spaces
from training.transfer.transfer import load_segmenter


class PropagateConfig(Config):
    confidence: float = Field(default=0.5, ge=0, lt=1)
    """Least probability that the teacher gives the class it takes a pixel for; pixels below it are void. 0:
    every pixel keeps its class."""
    batch: int = Field(default=64, ge=1)
    """Images at a time."""
    bf16: bool = False
    """Matrix products in bfloat16: faster, and a few pixels differ."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores."""
    device: str = "auto"
    """auto, cpu or cuda."""


@torch.no_grad()
def propagate(config: PropagateConfig, teacher: Path, frames: PretrainFrames, out: Path) -> dict[str, Any]:
    """Label `frames` with the finished transfer in `teacher`; writes into `out`, and returns metrics.

    Raises LeakError when the teacher has seen labels of a space of `frames`, ValueError when classes or image
    size are not those it was tuned on."""
    assert isinstance(frames, PretrainFrames), "only unlabelled pre-training frames get pseudo-labels"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    use_threads(config.threads)
    device = pick_device(config.device)
    facts = read_json(teacher / CONFIG)
    check_never_labelled(frames, facts["labelled_spaces"])
    model, classes, image = load_segmenter(teacher)
    if class_table(frames)[0] != classes:
        raise ValueError(
            f"{teacher} knows the classes {classes}, the frames' store has {class_table(frames)[0]}: use "
            "stores of one label table"
        )
    if frames.frame_shape("rgb")[0] != image:
        raise ValueError(
            f"{teacher} was tuned on {image} px, the frames have {frames.frame_shape('rgb')[0]} px"
        )
    model.to(device)
    path, growing = out / PSEUDO_LABELS, out / f"{PSEUDO_LABELS}.tmp"
    labels = np.lib.format.open_memmap(growing, mode="w+", dtype=np.uint8, shape=(len(frames), image, image))
    counts = np.zeros(256, dtype=np.int64)
    bar = tqdm(total=len(frames), desc="propagate", unit="frame", mininterval=1.0)
    for batch in TicketReader(frames, model.inputs, config.batch).evaluation():
        with precision(device, config.bf16):
            logits = model({name: torch.from_numpy(batch[name]).to(device) for name in model.inputs})
        sure, guess = logits.float().softmax(1).max(1)
        kept = torch.where(sure >= config.confidence, guess, VOID).byte().cpu().numpy()
        labels[batch["id"]] = kept
        counts += np.bincount(kept.ravel(), minlength=256)
        bar.update(len(kept))
    bar.close()
    labels.flush()
    del labels
    os.replace(growing, path)
    seconds = time.monotonic() - started
    metrics = {
        "classes": classes,
        "frames": len(frames),
        "kept": float(counts[: len(classes)].sum() / counts.sum()),  # share of pixels with a class
        "share": dict(zip(classes, (counts[: len(classes)] / counts.sum()).tolist(), strict=True)),
        "from": str(teacher),
        "wall_seconds": seconds,
        "samples_per_second": len(frames) / seconds,
        "frames_digest": frames.digest(),
    }
    write_json(out / METRICS, metrics)
    about = {
        "propagate": config.model_dump(mode="json"),
        "classes": classes,
        "image": image,
        "frames_digest": frames.digest(),
        # What the teacher knows, its student learns at second hand.
        "labelled_spaces": facts["labelled_spaces"],
        "pseudo_labelled_spaces": facts_of_spaces(frames) + facts.get("pseudo_labelled_spaces", []),
    }
    write_json(out / CONFIG, about)
    return metrics
