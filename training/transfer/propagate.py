"""Label propagation (the paper's Fig. 13): a tuned model labels the test space's own unlabelled frames.

    tst propagate propagate.yaml

What the teacher predicts on the frames of role `pretrain` becomes what a student is tuned on beside the true
labels of other houses (`pseudo` of a transfer). No true label of the test space takes part: `PretrainFrames`
show none, and a teacher that was tuned on labels of the space is refused. In `out`: label arrays with a row a
frame of the view, NAME.npy each (for segmentation labels.npy, uint8 [frames, height, width], VOID where the
teacher was not sure); config.json, written last, says what they are of. They are never put into a store."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from engine.store.access import PretrainFrames
from engine.store.held_out import check_never_labelled
from training.common.checkpoint import CONFIG, METRICS, write_json
from training.common.config import StageConfig
from training.common.external_access import as_facts, combined, sources_of_folder, sources_of_frames
from training.common.optimiser import pick_device, use_threads
from training.transfer.build import facts_of, load_model
from training.transfer.data import facts_of_spaces
from training.transfer.evaluate import outputs


class PropagateConfig(StageConfig):
    """How a teacher labels frames."""

    confidence: float = Field(default=0.5, ge=0, lt=1)
    """Least probability of a prediction that becomes a label (segmentation: of a pixel's class; pixels below
    it are void). 0: all do."""
    batch: int = Field(default=64, ge=1)
    """Images at a time."""
    bf16: bool = False
    """Matrix products in bfloat16: faster, and a few labels differ."""


def propagate(config: PropagateConfig, teacher: Path, frames: PretrainFrames, out: Path) -> dict[str, Any]:
    """Label `frames` with the finished transfer in `teacher`; writes into `out`, and returns metrics.

    Raises LeakError when the teacher has seen labels of a space of `frames`, ValueError when label table or
    image size are not those it was tuned on, or its task has no pseudo-labels."""
    assert isinstance(frames, PretrainFrames), "only unlabelled pre-training frames get pseudo-labels"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    facts = facts_of(teacher)
    check_never_labelled(frames, facts["labelled_spaces"])
    model, task, settings, image = loaded = load_model(teacher)
    loaded.check(frames, teacher)
    model.to(device)
    outside = as_facts(combined(sources_of_folder(teacher), sources_of_frames(frames, model.inputs)))
    labeller = task.pseudo_labeller(config.confidence, model.shape)
    growing = {name: out / f"{name}.npy.tmp" for name in labeller.arrays}
    arrays = {
        name: np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(len(frames), *shape))
        for (name, path), (shape, dtype) in zip(growing.items(), labeller.arrays.values(), strict=True)
    }
    reads = list(model.inputs)
    for batch, output in outputs(model, frames, reads, config.batch, device, config.bf16, desc="propagate"):
        for name, values in labeller.add(output).items():
            arrays[name][batch["id"]] = values
    for name, path in growing.items():
        arrays.pop(name).flush()
        os.replace(path, out / f"{name}.npy")
    seconds = time.monotonic() - started
    metrics = (
        labeller.metrics()
        | outside
        | {
            "frames": len(frames),
            "from": str(teacher),
            "wall_seconds": seconds,
            "samples_per_second": len(frames) / seconds,
            "frames_digest": frames.digest(),
        }
    )
    write_json(out / METRICS, metrics)
    about = {
        "propagate": config.model_dump(mode="json"),
        "task": settings.task,
        "facts": task.facts,
        "arrays": list(labeller.arrays),
        "image": image,
        "frames_digest": frames.digest(),
        **outside,
        # What the teacher knows, its student learns at second hand.
        "labelled_spaces": facts["labelled_spaces"],
        "pseudo_labelled_spaces": facts_of_spaces(frames) + facts.get("pseudo_labelled_spaces", []),
    }
    write_json(out / CONFIG, about)
    return metrics
