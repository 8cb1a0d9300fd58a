"""Predictions of a jointly trained model that first adapts to each batch of frames, without labels (TTT-MMR,
`mmr.py`), and the choice of its number of steps on labelled frames of other houses."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from engine.store.access import Frames, TransferFrames, UpperBoundFrames
from engine.store.held_out import check_never_labelled
from engine.stream.stream import Batch, TicketReader
from scenes.config import Config
from training.adaptation.batches import Batches, geographic_batches, grouped_batches, random_batches
from training.adaptation.mmr import RATE, adapt
from training.common.optimiser import pick_device, precision, use_threads
from training.reconstruction.decoder import reconstruction_loss
from training.reconstruction.joint import SensorReconstruction
from training.transfer.build import facts_of, load_model
from training.transfer.data import LabelledFrames
from training.transfer.evaluate import EvaluateConfig
from training.transfer.model import TaskModel, features
from training.transfer.task import EvaluatedBatch

Batching = Literal["random", "geographic", "room", "walk"]
Rooms = Sequence[int]
"""The room that each frame of a view was taken in; numbers of its house, negative where it is in none."""
CHOSEN_BY = "miou"
"""The score that the number of steps is chosen by."""


class MmrConfig(Config):
    """How a jointly trained model adapts to batches of frames. Defaults are MMEarth-Bench's."""

    batching: Batching = "random"
    """Which frames are adapted to together: any; near each other (geographic); of one room, by the house's
    floor plan; after each other on a walk, where the frames are of the sampler walk. All but random ones are
    of one house."""
    size: int = Field(default=8, ge=1)
    """Frames in a batch; other batchings than random have up to twice as many, less one, and fewer where a
    room, a walk or a house has fewer."""
    most_steps: int = Field(default=5, ge=0)
    """The number of steps is chosen from 0 to this one, by mean IoU on labelled frames of other houses."""
    rate: float = Field(default=RATE, gt=0)
    """Of a step."""
    targets: tuple[str, ...] | None = None
    """Sensors that are reconstructed; none: all that were in the joint training and that the frames have."""
    seed: int = 0
    """Of random batches."""


def batches_of(config: MmrConfig, frames: Frames, rooms: Rooms | None = None) -> Batches:
    """Frames of a view that are adapted to together. `rooms`: for batches of rooms.

    Raises ValueError for batches of walks where the frames are of none, and of rooms that are not known."""
    if config.batching == "random":
        return random_batches(len(frames), config.size, np.random.default_rng(config.seed))
    spaces = np.array(frames.space_of(range(len(frames))))
    if config.batching == "geographic":
        position = frames.read(np.arange(len(frames)), ["pose"])["pose"][:, [0, 2], 3]
        found: Batches = []
        for space in dict.fromkeys(spaces.tolist()):
            here = np.flatnonzero(spaces == space)
            found += [here[batch] for batch in geographic_batches(position[here], config.size)]
        return found
    if config.batching == "walk":
        if other := [s for s in frames.spaces if s.sampler != "walk"]:
            raise ValueError(
                f"batches of walks need frames that follow each other, and those of {other[0].id} in "
                f"{frames.store_path} are of the sampler {other[0].sampler}: collect them with the sampler "
                "walk (in a study houses.NAME.sampler), or take another batching"
            )
        return grouped_batches(spaces, config.size)
    if rooms is None:
        raise ValueError("batches of rooms need the floor plans of the houses: take another batching")
    assert len(rooms) == len(frames)
    named = [f"{space} {room}" for space, room in zip(spaces.tolist(), rooms, strict=True)]
    return grouped_batches(named, config.size)


class FramesAdaptedTo(NamedTuple):
    """Features of all frames of a view."""

    features: Float[Tensor, "k n p d"]
    """After each of the asked numbers of steps, on the CPU, by frame."""
    losses: Float[Tensor, " _"]
    """Mean reconstruction loss after 0, 1, 2, … steps, up to the last that was asked."""
    seconds: float
    """Spent on steps [s]."""


class _Body(nn.Module):
    """What moves: all that makes features of a model's inputs."""

    def __init__(self, model: TaskModel):
        super().__init__()
        self.encoder, self.further = model.encoder, model.further

    def forward(self, images: dict[str, Shaped[Tensor, "b ..."]]) -> Float[Tensor, "b n d"]:
        return features(self.encoder, self.further, images)


def adapted_features(
    config: MmrConfig,
    model: TaskModel,
    frames: Frames,
    batches: Batches,
    after: Sequence[int],
    device: torch.device,
    bf16: bool,
) -> FramesAdaptedTo:
    """Features of all frames after so many steps on their batch, for each number `after`, which rise. Reads
    the model's inputs and the targets, no label. The model stays as it is.

    Raises ValueError for a model that was not trained jointly, and where no target is there."""
    reconstruction, sensors = _reconstructed(config, model, frames)
    body = _Body(model)
    reads = list(dict.fromkeys([*model.inputs, *sensors]))
    shape = model.shape
    found = torch.empty(len(after), len(frames), shape.grid**2, shape.dim)
    losses = torch.zeros(after[-1] + 1, dtype=torch.float64)
    seconds = 0.0
    with tqdm(total=len(frames), desc="adapt", unit="frame", mininterval=1.0) as bar:
        for ids in batches:
            images = {name: torch.from_numpy(v).to(device) for name, v in frames.read(ids, reads).items()}
            targets = reconstruction.targets({name: images[name] for name in sensors})
            inputs = {name: images[name] for name in model.inputs}
            began = time.perf_counter()
            with precision(device, bf16):
                states = adapt(body, reconstruction.decoder, inputs, targets, config.rate)
                for done, state in zip(range(after[-1] + 1), states, strict=False):
                    losses[done] += len(ids) * float(reconstruction_loss(state.losses))
                    if done in after:
                        found[after.index(done), ids] = state.features.float().cpu()
            seconds += time.perf_counter() - began
            bar.update(len(ids))
    return FramesAdaptedTo(found, losses / len(frames), seconds)


def _reconstructed(
    config: MmrConfig, model: TaskModel, frames: Frames
) -> tuple[SensorReconstruction, tuple[str, ...]]:
    """What reconstructs, and which sensors."""
    reconstruction = model.reconstruction
    if reconstruction is None:
        raise ValueError(
            "the model was trained for its task alone: adapt one of a joint training (transfer.joint)"
        )
    asked = reconstruction.sensors if config.targets is None else config.targets
    if unknown := [name for name in asked if name not in reconstruction.sensors]:
        raise ValueError(
            f"adapt.mmr.targets names {unknown[0]!r}, and the joint training had "
            f"{', '.join(reconstruction.sensors)}: name one of these"
        )
    there = tuple(name for name in asked if name in frames.modalities)
    if not there:
        raise ValueError(f"{frames.store_path} has none of the targets {', '.join(asked)}")
    return reconstruction, there


class BatchAdaptedOutputs:
    """`Outputs` of an evaluation, by a model that takes `steps` steps on each batch. `measured`: after the
    last frame, the mean loss of reconstruction before and after, and seconds an image."""

    def __init__(self, config: MmrConfig, steps: int, rooms: Rooms | None = None):
        self.config, self.steps, self.rooms = config, steps, rooms
        self.measured: dict[str, float] = {}

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
        """The head's output for every frame, see `training.transfer.evaluate.outputs`. Only when all frames
        were adapted to is anything of `reads` read."""
        batches = batches_of(self.config, frames, self.rooms)
        adapted = adapted_features(self.config, model, frames, batches, [self.steps], device, bf16)
        self.measured = {
            "adapt_steps": self.steps,
            "adapt_batches": len(batches),
            "reconstruction_before": float(adapted.losses[0]),
            "reconstruction_after": float(adapted.losses[-1]),
            "adapt_seconds_per_image": adapted.seconds / len(frames),
        }
        for batch in TicketReader(frames, reads, at_once).evaluation():
            yield batch, _decoded(model, adapted.features[-1], batch, device, bf16)


@torch.no_grad()
def _decoded(
    model: TaskModel, adapted: Float[Tensor, "n p d"], batch: Batch, device: torch.device, bf16: bool
) -> Any:
    with precision(device, bf16):
        return model.decode(adapted[torch.from_numpy(batch["id"])].to(device))


def choose_steps(
    config: MmrConfig,
    scoring: EvaluateConfig,
    frames: TransferFrames,
    model_dir: Path,
    rooms: Rooms | None = None,
) -> dict[str, Any]:
    """The number of steps, `steps`, with the highest mean IoU on labelled frames of houses that neither the
    task was learned from nor anything will be evaluated in; the fewest of those that are equal. `scores` has
    the mean IoU by number of steps, from 0.

    Raises LeakError for frames of a house that the task was learned from, ValueError as `adapted_features`
    and for another task than segmentation."""
    assert isinstance(frames, TransferFrames), "steps are chosen on frames of transfer spaces only"
    assert not isinstance(frames, UpperBoundFrames), "labels of the test space choose nothing"
    check_never_labelled(frames, facts_of(model_dir)["labelled_spaces"])
    threads, device = use_threads(scoring.runtime.threads), pick_device(scoring.runtime.device)
    model, task, settings, _ = loaded = load_model(model_dir)
    if settings.task != "segmentation":
        raise ValueError(f"steps are chosen by {CHOSEN_BY}, and {model_dir} learned {settings.task}")
    loaded.check(frames, model_dir)
    model.to(device)
    after = range(config.most_steps + 1)
    batches = batches_of(config, frames, rooms)
    adapted = adapted_features(config, model, frames, batches, after, device, scoring.bf16)
    labelled = LabelledFrames(frames, settings.own.label_reader(frames.labels))
    scores = []
    for number in after:
        evaluator = task.evaluator(frozenset())
        for batch in TicketReader(frames, labelled.reads(model.inputs), scoring.batch).evaluation():
            output = _decoded(model, adapted.features[number], batch, device, scoring.bf16)
            images, labels = labelled.split(batch, model.inputs)
            spaces = tuple(frames.space_of(batch["id"]))
            evaluator.add(EvaluatedBatch(batch["id"], spaces, images, labels, task.predict(output)))
        scores.append(float(evaluator.metrics()[CHOSEN_BY]))
    return {
        "steps": int(np.argmax(scores)),
        "scores": scores,
        "reconstruction_by_steps": adapted.losses.tolist(),
        "frames": len(frames),
        "frames_digest": frames.digest(),
        "threads": threads,
    }
