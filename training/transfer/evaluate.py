"""Evaluation: predictions on held-out frames of the test space, and the task's metrics over all of them.

    tst evaluate evaluate.yaml

Reads what `EvalFrames` show, learns nothing from it, and refuses a model tuned on labels of the space,
whatever the task and the protocol were: every one leaves in its folder the spaces whose labels it has used,
as `labelled_spaces`. `pseudo_labelled_spaces` are no bar: of those the model has seen a teacher's guesses
(label propagation, training/transfer/propagate.py) and no label, and its evaluation there is the point.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Shaped
from pydantic import Field
from torch import Tensor
from tqdm import tqdm

from engine.store.access import EvalFrames, Frames
from engine.store.errors import LeakError
from engine.store.held_out import check_never_labelled
from engine.stream.stream import Batch, TicketReader
from training.common.checkpoint import METRICS, write_json
from training.common.config import StageConfig
from training.common.external_access import (
    Sources,
    as_facts,
    combined,
    sources_of_folder,
    sources_of_frames,
)
from training.common.optimiser import pick_device, precision, use_threads
from training.transfer.build import facts_of, load_model
from training.transfer.data import LabelledFrames
from training.transfer.deployment import deployment_cost
from training.transfer.model import TaskModel
from training.transfer.task import EvaluatedBatch


class EvaluateConfig(StageConfig):
    """How a model is scored."""

    batch: int = Field(default=64, ge=1)
    """Images at a time; changes no score in fp32."""
    bf16: bool = False
    """Matrix products in bfloat16: faster, and scores may move in the fourth digit."""
    pictures: int = Field(default=8, ge=0)
    """Frames, spread evenly over the view, whose predictions are kept for the report."""
    frame_scores: bool = Field(default=False, exclude_if=lambda wanted: not wanted)
    """Whether the metrics have scores of each frame, for comparisons of models frame by frame."""


class Outputs(Protocol):
    """What was read of every frame, once and in order, and the head's output for it, see `outputs`."""

    def __call__(
        self,
        model: TaskModel,
        frames: Frames,
        reads: list[str],
        at_once: int,
        device: torch.device,
        bf16: bool,
        desc: str,
    ) -> Iterator[tuple[Batch, Any]]:
        """`reads`: the model's inputs and whatever else is wanted; so many frames `at_once`."""
        ...


def evaluate(
    config: EvaluateConfig,
    frames: EvalFrames,
    model_dir: Path,
    out: Path,
    *,
    upper_bound: bool = False,
    outputs_of: Outputs | None = None,
) -> dict[str, Any]:
    """Score the finished transfer in `model_dir` on `frames`; writes into `out`, and returns, the metrics of
    its task, and writes what the task's evaluator saves.

    `upper_bound`: the model was tuned on labels of the evaluated space and is wanted as such. `outputs_of`:
    how the model comes to its outputs, for one that adapts before it predicts; none: as it is.

    Raises LeakError for a model that has seen labels of the space, or is an upper bound and not asked for as
    one; ValueError when the store's label table or image size are not those the model was tuned on, or a
    package that the task needs is not installed."""
    assert isinstance(frames, EvalFrames), "scores are taken on evaluation frames only"
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    _check_unseen(frames, model_dir, upper_bound)
    model, task, settings, _ = loaded = load_model(model_dir)
    settings.own.check_installed()
    loaded.check(frames, model_dir)
    sources = combined(sources_of_folder(model_dir), sources_of_frames(frames, model.inputs))
    if not upper_bound:
        check_networks_unseen(frames, sources, model_dir)
    model.to(device)
    pictured = np.linspace(0, len(frames) - 1, min(config.pictures, len(frames))).astype(int)
    evaluator = task.evaluator(frozenset(pictured.tolist()))
    labelled = LabelledFrames(frames, settings.own.label_reader(frames.labels))
    cost: dict[str, float] = {}
    made = outputs if outputs_of is None else outputs_of
    reads = labelled.reads(model.inputs)
    batches = made(model, frames, reads, config.batch, device, config.bf16, desc="evaluate")
    for batch, output in batches:
        images, labels = labelled.split(batch, model.inputs)
        spaces = tuple(frames.space_of(batch["id"]))
        if not cost:
            cost = deployment_cost(model, images_of(batch, model.inputs, device), device, config.bf16)
        evaluator.add(EvaluatedBatch(batch["id"], spaces, images, labels, task.predict(output)))
    seconds = time.monotonic() - started
    metrics = (
        evaluator.metrics()
        | (evaluator.frame_scores() if config.frame_scores else {})
        | cost
        | {
            "frames": len(frames),
            "wall_seconds": seconds,
            "samples_per_second": len(frames) / seconds,
            "frames_digest": frames.digest(),
        }
        | as_facts(sources)
    )
    evaluator.save(out)
    write_json(out / METRICS, metrics)
    return metrics


def _check_unseen(frames: EvalFrames, model_dir: Path, upper_bound: bool) -> None:
    facts = facts_of(model_dir)
    if facts["upper_bound"] != upper_bound:
        kind = "an upper bound" if facts["upper_bound"] else "no upper bound"
        raise LeakError(f"{model_dir} is {kind}: evaluate it as what it is")
    if not upper_bound:
        check_never_labelled(frames, facts["labelled_spaces"])


def check_networks_unseen(frames: EvalFrames, sources: Sources, model_dir: Path) -> None:
    """`sources`: of the model in `model_dir`.

    Raises LeakError where a network whose output the model was made of has seen labels of a space."""
    for source in sources:
        learned = [{"id": "", "house_digest": digest} for digest in source.labelled_houses]
        try:
            check_never_labelled(frames, learned)
        except LeakError as error:
            raise LeakError(
                f"{model_dir} was made with {source.name} ({source.source}), which learned from labels of "
                f"houses: {error}"
            ) from None


def images_of(
    batch: Batch, inputs: tuple[str, ...], device: torch.device
) -> dict[str, Shaped[Tensor, "b ..."]]:
    """What a model sees of a batch, on its device."""
    return {name: torch.from_numpy(batch[name]).to(device) for name in inputs}


@torch.no_grad()
def outputs(
    model: TaskModel,
    frames: Frames,
    reads: list[str],
    at_once: int,
    device: torch.device,
    bf16: bool,
    desc: str,
) -> Iterator[tuple[Batch, Any]]:
    """What was read of every frame, once and in order, and the head's output for it, so many frames at a
    time. `reads`: the model's inputs and whatever else is wanted."""
    with tqdm(total=len(frames), desc=desc, unit="frame", mininterval=1.0) as bar:
        for batch in TicketReader(frames, reads, at_once).evaluation():
            with precision(device, bf16):
                output = model(images_of(batch, model.inputs, device))
            yield batch, output
            bar.update(len(batch["id"]))
