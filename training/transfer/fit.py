"""The loop that trains a task's head, and the encoder with it where the protocol tunes both."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from training.common.checkpoint import STATE, load_training, save_training
from training.common.optimiser import (
    check_finite,
    clip,
    make_adamw,
    precision,
    set_rate,
    to_device,
    warmup_cosine,
    warmup_steps,
)
from training.common.progress import Progress
from training.reconstruction.decoder import reconstruction_loss
from training.transfer.config import TransferConfig
from training.transfer.data import Sources, image_batches
from training.transfer.model import TaskModel, drop_path
from training.transfer.probe_features import FeatureExtractor
from training.transfer.task import Targets, Task


def fit(
    config: TransferConfig,
    task: Task,
    model: TaskModel,
    criterion: nn.Module,
    sources: Sources,
    out: Path,
    started: float,
) -> dict[str, Any]:
    """Train what the protocol trains, or go on with it; returns metrics of the training.

    `started`: when the stage began, by `time.monotonic` [s]. Raises FloatingPointError where the loss is no
    number any more."""
    device = next(model.parameters()).device
    # What is tuned, and what is run on a batch of `_batches`.
    tuned, forward = (model, model) if config.protocol == "finetune" else (model.head, model.decode)
    if config.joint is not None:
        forward = model.with_features
    optimiser = make_adamw(tuned, config.weight_decay, rate_scale(config), config.betas)
    progress = Progress(config.steps, started=started)
    if (out / STATE).exists():
        progress.restore(load_training(out / STATE, tuned, optimiser))
    run = torch.compile(forward) if config.compile else forward
    parameters = list(tuned.parameters())
    batches = _batches(config, task, model, sources, device, progress.done)
    for step in progress.loop(f"transfer {config.protocol}"):
        inputs, targets = progress.wait_for(batches)
        set_rate(optimiser, learning_rate(config, step))
        with precision(device, config.bf16):
            output = run(*inputs, targets=targets)
        losses = _losses(config, model, criterion, output, inputs, targets)
        loss = losses["total"]
        optimiser.zero_grad()
        loss.backward()
        norm = clip(parameters, config.clip)
        value = loss.item()
        check_finite(value, norm.item(), step, "transfer")
        optimiser.step()
        progress.add({name: float(part.detach()) for name, part in losses.items()})
        if progress.checkpoint_due(config.checkpoint_every):
            save_training(out / STATE, tuned, optimiser, progress.facts())
    # With linear probes, the seconds spent waiting for data are what encoding takes.
    parts = {f"{name}_loss": mean for name, mean in progress.losses.items() if name != "total"}
    return progress.metrics(config.batch) | parts | {"tuned_parameters": sum(p.numel() for p in parameters)}


def _losses(
    config: TransferConfig,
    model: TaskModel,
    criterion: nn.Module,
    output: Any,
    inputs: tuple[Any, ...],
    targets: Targets,
) -> dict[str, Float[Tensor, ""]]:
    """`total`, and where sensors are reconstructed too its parts, `task` and `reconstruction`."""
    if config.joint is None:
        return {"total": criterion(output, targets)}
    assert model.reconstruction is not None, "a joint training has what reconstructs"
    output, features = output
    task = criterion(output, targets)
    reconstruction = reconstruction_loss(model.reconstruction(features.float(), inputs[0]))
    total = task + config.joint.weight * reconstruction
    return {"total": total, "task": task, "reconstruction": reconstruction}


def _batches(
    config: TransferConfig, task: Task, model: TaskModel, sources: Sources, device: torch.device, done: int
) -> Iterator[tuple[tuple[Any, ...], Targets]]:
    """From the `done`-th batch on: what the model takes (images, and what drop path keeps; or features of an
    encoder that is not trained), and targets. What is random is a function of (draws, step)."""
    if config.protocol == "finetune":
        reads = (*model.inputs, *(config.joint.targets if config.joint is not None else ()))
        reads = tuple(dict.fromkeys(reads))
        batches = image_batches(sources, reads, config.crop, config.flip, config.draw_seed, done)
        for step, batch in enumerate(batches, done):
            targets = to_device(task.targets(batch.labels), device)
            rng = np.random.default_rng((config.draw_seed, step, 1))
            drop_path_scale = drop_path(config.drop_path, config.encoder.depth, len(batch.images["rgb"]), rng)
            images = {name: torch.from_numpy(v).to(device) for name, v in batch.images.items()}
            yield (
                (images, drop_path_scale if drop_path_scale is None else drop_path_scale.to(device)),
                targets,
            )
    extractor = FeatureExtractor(model, device, config.bf16)
    batches = extractor.batches(sources, config.crop, config.flip, config.draw_seed, done, config.keep_gb)
    for features, labels in batches:
        yield (features.to(device).float(),), to_device(task.targets(labels), device)


def learning_rate(config: TransferConfig, step: int) -> float:
    """Of a step; a parameter's own is this times its `rate_scale`."""
    warmup = int(config.warmup * config.steps)
    if config.milestones:
        return warmup_steps(step, warmup, config.lr, [share * config.steps for share in config.milestones])
    return warmup_cosine(step, config.steps, warmup, config.lr)


def rate_scale(config: TransferConfig) -> Callable[[str], float]:
    """Factor of a parameter's learning rate by its name: layer decay, counted as MAE's public code does
    (facebookresearch/mae, util/lr_decay.py, after BEiT). Block i of n gets decay^(n-i), patches and
    embeddings decay^(n+1), the last norm and anything outside the encoder 1."""
    depth = config.encoder.depth

    def scale(name: str) -> float:
        if not name.startswith("encoder.") or name.startswith("encoder.norm."):
            return 1.0
        if name.startswith("encoder.blocks."):
            return config.layer_decay ** (depth - int(name.split(".")[2]))
        return config.layer_decay ** (depth + 1)

    return scale
