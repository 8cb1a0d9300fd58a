"""Transfer: give an encoder a task on labelled frames of other houses.

    tst transfer transfer.yaml

The encoder comes from a pre-training (TST-MM or TST-MAE: the same module) or from random weights (scratch).
It is tuned with a fresh head, and with a decoder of sensors beside it (`joint`), or stays as it is under a
probe (`protocol`); all come out as a folder that `tst evaluate` evaluates alike. Only `TransferFrames` are
taken, which refuse the test space.

The paper's fine-tuning (Tab. 11) is epochs 64, layer_decay 0.75, drop_path 0.1, flip, and a crop below 1."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.store.access import PretrainFrames, TransferFrames, UpperBoundFrames
from engine.stream.stream import TicketReader
from training.common.checkpoint import (
    CONFIG,
    METRICS,
    STATE,
    encoder_weights,
    read_json,
    save_model,
    write_json,
)
from training.common.external_access import Sources as Knowledge
from training.common.external_access import as_facts, combined, sources_of_folder, sources_of_frames
from training.common.optimiser import machine_facts, pick_device, use_threads
from training.models.encoder import EncoderConfig
from training.models.network_input import network_inputs
from training.reconstruction.targets import Images, learn_statistics
from training.transfer.build import add_reconstruction, build_model
from training.transfer.config import TransferConfig
from training.transfer.data import LabelledFrames, Sources, facts_of_spaces, pseudo_labelled
from training.transfer.fit import fit
from training.transfer.model import TaskModel
from training.transfer.probe_features import AT_ONCE, EncodedFrames, FeatureExtractor
from training.transfer.task import Facts, Task

Spaces = list[dict[str, str]]


def transfer(
    config: TransferConfig,
    frames: TransferFrames,
    checkpoint: Path | None,
    out: Path,
    *,
    pseudo: Path | None = None,
    pseudo_frames: PretrainFrames | None = None,
) -> dict[str, Any]:
    """Tune in `out` (or go on there) and return the metrics; `checkpoint`: folder of a pre-training, None
    for scratch.

    `pseudo`: folder of training/transfer/propagate.py with pseudo-labels of `pseudo_frames`, which are
    `config.pseudo_share` of every batch. The folder says `labelled_spaces`, whose labels the model, or the
    teacher of its pseudo-labels, was tuned on, and `pseudo_labelled_spaces`, of which it has seen what a
    teacher thought, and no label: it may be evaluated there.

    Raises ValueError when the encoder asked for is not the one that was pre-trained, pseudo-labels are of
    other frames, or a package that the task needs is not installed.
    """
    assert isinstance(frames, TransferFrames), "transfer sees frames of transfer spaces only"
    _check_one_start(config, checkpoint)
    config.own.check_installed()
    config = config.for_frames(len(frames))
    out.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    threads = use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    image = frames.frame_shape("rgb")[0]
    source = LabelledFrames(frames, config.own.label_reader(frames.labels))
    facts = config.own.learn_facts(frames.labels, source)
    sources, labelled, guessed = _sources(config, source, facts, pseudo, pseudo_frames)
    started_from = [sources_of_folder(folder) for folder in (checkpoint, pseudo) if folder is not None]
    task = config.own.build(facts)
    model = _fresh(config, task, image, frames)
    started_from.append(_start(model, config, checkpoint))
    outside = as_facts(combined(sources_of_frames(frames, config.inputs), task.outside(), *started_from))
    model.to(device)
    if config.protocol == "knn":
        data = EncodedFrames(FeatureExtractor(model, device, config.bf16), source)
        metrics = task.fit_head(model.head, data, np.random.default_rng(config.draw_seed))
        metrics |= {"wall_seconds": time.monotonic() - started}
    else:
        criterion = task.criterion(source).to(device)
        metrics = fit(config, task, model, criterion, sources, out, started)
    metrics |= outside | {
        "frames": len(frames),
        **task.summary(),
        "from": _came_from(config, checkpoint),
        "parameters": sum(p.numel() for p in model.parameters()),
        **machine_facts(threads, device, config.bf16),
        "frames_digest": frames.digest(),
        "pseudo_frames": 0 if pseudo_frames is None else len(pseudo_frames),
    }
    about = {"transfer": config.model_dump(mode="json"), "image": image, "facts": facts}
    about |= {"labelled_spaces": labelled, "pseudo_labelled_spaces": guessed} | model.facts()
    save_model(out, model, {**about, **outside, "upper_bound": isinstance(frames, UpperBoundFrames)})
    write_json(out / METRICS, metrics)
    (out / STATE).unlink(missing_ok=True)
    return metrics


def _sources(
    config: TransferConfig,
    source: LabelledFrames,
    facts: Facts,
    pseudo: Path | None,
    pseudo_frames: PretrainFrames | None,
) -> tuple[Sources, Spaces, Spaces]:
    """What a batch is made of; spaces whose labels take part, and those of pseudo-labels."""
    labelled = facts_of_spaces(source.frames)
    if pseudo is None and pseudo_frames is None:
        return [(source, config.batch)], labelled, []
    if pseudo is None or pseudo_frames is None:
        raise ValueError("give the folder of pseudo-labels and the frames that they are of, or neither")
    taught, about = pseudo_labelled(pseudo, pseudo_frames, source.reader)
    image = source.frames.frame_shape("rgb")[0]
    if (about["task"], about["facts"], about["image"]) != (config.task, facts, image):
        raise ValueError(
            f"{pseudo} has labels of the task {about['task']} with {_short(about['facts'])} at "
            f"{about['image']} px, the transfer is of {config.task} with {_short(facts)} at {image} px: use "
            "stores of one label table and one size"
        )
    count = config.pseudo_count
    labelled += [s for s in about["labelled_spaces"] if s not in labelled]
    return [(source, config.batch - count), (taught, count)], labelled, about["pseudo_labelled_spaces"]


def _fresh(config: TransferConfig, task: Task, image: int, frames: TransferFrames) -> TaskModel:
    """The model before any training, for images of `image` pixels a side."""
    model = build_model(config, task, image, network_inputs(frames, config.inputs))
    if config.joint is not None:
        statistics = learn_statistics(config.joint.specs, _sensors(frames, config.joint.targets))
        add_reconstruction(model, config, statistics)
    return model


def _sensors(frames: TransferFrames, sensors: tuple[str, ...]) -> Iterator[Images]:
    """All frames of the transfer set, without labels."""
    for batch in TicketReader(frames, sensors, AT_ONCE).evaluation():
        yield {name: torch.from_numpy(batch[name]) for name in sensors}


def _short(facts: Facts) -> str:
    text = str(facts)
    return text if len(text) < 200 else f"{text[:200]}..."


def _check_one_start(config: TransferConfig, checkpoint: Path | None) -> None:
    if config.start is not None and checkpoint is not None:
        raise ValueError(
            f"transfer.start names {config.start.network}, and there is a pre-training to start from, "
            f"{checkpoint}: leave one of the two out"
        )


def _start(model: TaskModel, config: TransferConfig, checkpoint: Path | None) -> Knowledge:
    """Give the encoder its first weights; what they know of the outside, of a pre-training apart."""
    if config.start is not None:
        return config.start.load(model.encoder)
    if checkpoint is not None:
        _load_encoder(model, config.encoder, checkpoint)
    return ()


def _came_from(config: TransferConfig, checkpoint: Path | None) -> str:
    if config.start is not None:
        return f"{config.start.network}, {config.start.weights}"
    return "scratch" if checkpoint is None else str(checkpoint)


def _load_encoder(model: TaskModel, config: EncoderConfig, checkpoint: Path) -> None:
    trained = EncoderConfig.model_validate(read_json(checkpoint / CONFIG)["pretrain"]["encoder"])
    if trained != config:
        raise ValueError(f"{checkpoint} holds {trained!r}, the transfer asks for {config!r}: make them equal")
    model.encoder.load_state_dict(encoder_weights(checkpoint))
