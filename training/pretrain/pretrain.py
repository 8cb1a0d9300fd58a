"""Masked pre-training on a store: the loop, top to bottom.

    tst pretrain pretrain.yaml

4M's recipe (arXiv:2312.06647, Tab. 9): AdamW (.9, .95), weight decay .05 on matrices, linear warm-up,
cosine, lr = base_lr · batch / 256, gradients clipped, bf16. Everything random is a function of (seed, step,
lane), and a checkpoint holds all the rest, so a run that is killed and started again ends with the same
bits (on one machine, with the same number of threads), and with another number of workers its losses stay the
same but for rounding. Frames come of one view of a store, or of several in
proportion (`engine.stream.mixture`), each with all modalities or some; none of them shows a label. Loss
curve and metrics come out in `<out>/metrics.json`, weights in `model.safetensors`, and while it runs
TensorBoard's event files in `tensorboard`."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engine.stream.order import View
from training.common.checkpoint import (
    CONFIG,
    METRICS,
    STATE,
    WEIGHTS,
    Writer,
    load_training,
    save_tensors,
    snapshot,
    whole_state,
    write_json,
)
from training.common.external_access import (
    Knowledge,
    Sources,
    as_facts,
    combined,
    sources_of_folder,
    sources_of_frames,
)
from training.common.optimiser import (
    check_finite,
    clip,
    machine_facts,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    to_device,
    use_threads,
    warmup_cosine,
)
from training.common.progress import Progress
from training.common.sharded_tensors import whole
from training.models.blocks import parameter_counts
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import Step, Tickets, passes_of, prefetch, steps
from training.pretrain.objective import Objective
from training.pretrain.parallel import gathering, join, shard, summed
from training.pretrain.tensorboard import TensorBoardWriter, ThroughputMeter
from training.pretrain.views import check_unlabelled
from training.pretrain.warm_start import continue_from


@dataclass(frozen=True)
class World:
    """Where this process stands among the workers, which `torch.distributed` joins if they are several."""

    rank: int = 0
    size: int = 1
    tickets: Callable[[Sequence[int], int], Tickets] | None = None
    """(lanes, first step) to tickets; None makes them in this process."""
    report: Callable[[int, float], None] = lambda step, loss: None
    """Called with the number of steps done and the loss, every step of rank 0."""


def pretrain(
    config: PretrainConfig,
    frames: View,
    tokenizers: dict[str, Path],
    out: Path,
    world: World = World(),
    start_from: Path | None = None,
) -> dict[str, Any]:
    """Run (or go on with) a pre-training in `out`; returns its metrics.

    `frames`: PretrainFrames, or a mixture of them and of UnlabelledTransferFrames. `tokenizers`: folder by
    modality, needed for `mm`, whose tokens must be in every store. `start_from`: folder of a finished
    pre-training with whose weights this one begins (its optimiser and schedule are its own). Raises
    ValueError for what does not fit, LeakError for frames that could show labels, FloatingPointError naming
    the step when a loss is not finite."""
    check_unlabelled(frames)
    if config.warm_start is not None and start_from is not None:
        raise ValueError(f"start from {config.warm_start} or from {start_from}, not from both")
    config.split.check(world.size)
    out.mkdir(parents=True, exist_ok=True)
    threads = use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    objective = build_objective(config, frames, tokenizers).to(device)
    resumed = (out / STATE).exists()
    taken = None  # what was taken of a checkpoint
    if not resumed and config.warm_start is not None:
        taken = objective.load_4m(config.warm_start)
    elif not resumed and start_from is not None:
        taken = continue_from(config, objective, start_from)
    if config.parallel == "fsdp" and world.size > 1:
        shard(objective, device)
    optimiser = make_adamw(objective, config.weight_decay, betas=config.betas)
    progress = Progress(config.steps)
    if resumed:
        facts = load_training(out / STATE, objective, optimiser)
        progress.restore(facts)
        taken = facts["warm_start"]
    outside = as_facts(_sources(config, frames, objective, tokenizers, start_from))
    meter = ThroughputMeter(objective, config.batch, device, config.bf16, world.size)
    _train(config, frames, objective, optimiser, out, world, progress, meter, taken)
    metrics = {
        **_measured(config, objective, progress, meter, world.size),
        **machine_facts(threads, device, config.bf16),
        "frames_digest": frames.digest(),
        "warm_start": taken,
        **outside,
    }
    weights = whole_state(objective)  # where it is shared out, every worker has a part in it
    if world.rank == 0:
        facts = {"pretrain": config.model_dump(mode="json"), "image": frames.frame_shape("rgb")[0], **outside}
        facts |= {"tokens": objective.token_arrays(), "grids": objective.token_grids()}
        save_tensors(out / WEIGHTS, weights)
        write_json(out / CONFIG, facts)
        write_json(out / METRICS, metrics)
        (out / STATE).unlink(missing_ok=True)
    return metrics


def _sources(
    config: PretrainConfig,
    frames: View,
    objective: Objective,
    tokenizers: dict[str, Path],
    start_from: Path | None,
) -> Sources:
    """What of the outside goes into a pre-training: by its frames, its tokenizers, its start."""
    read = [tokenizers[modality] for modality in objective.token_arrays()]
    parts = [sources_of_frames(frames, objective.reads), *(sources_of_folder(folder) for folder in read)]
    if start_from is not None:
        parts.append(sources_of_folder(start_from))
    if config.warm_start is not None:
        start = Knowledge(name="checkpoint of 4M's", source=config.warm_start, external_access="internet")
        parts.append((start,))
    return combined(*parts)


def _train(
    config: PretrainConfig,
    frames: View,
    objective: Objective,
    optimiser: torch.optim.Optimizer,
    out: Path,
    world: World,
    progress: Progress,
    meter: ThroughputMeter,
    taken: dict[str, Any] | None,
) -> None:
    """The steps that are left, and checkpoints of them in `out`, which also keep `taken`."""
    device, lanes = meter.device, config.split
    run: Any = torch.compile(objective) if config.compile else objective
    if world.size > 1:
        run = join(run, device)
    parameters = list(objective.parameters())
    mine = lanes.of(world.rank, world.size)
    tickets = (world.tickets or partial(lanes.tickets, frames))(mine, progress.done)
    passes = passes_of(lanes, world.size, config.micro_batch)
    batches = lanes.batches(frames, objective.reads, mine, tickets)
    made = steps(objective, batches, lanes, mine, passes, progress.done)
    with ExitStack() as stack:
        loader = stack.enter_context(closing(prefetch(made)))
        writer = stack.enter_context(Writer(out / STATE))
        tensorboard = None
        if world.rank == 0:
            tensorboard = TensorBoardWriter(out, meter, progress.done, max(1, config.steps // 1000))
            stack.callback(tensorboard.close)
        for step in progress.loop(f"pretrain {config.objective}", quiet=world.rank > 0):
            ready = progress.wait_for(loader)
            rate = warmup_cosine(step, config.steps, int(config.warmup * config.steps), config.peak_lr)
            set_rate(optimiser, rate)
            optimiser.zero_grad()
            losses = backward(run, ready, device, config.bf16, world.size)
            norm = whole(clip(parameters, config.clip)).item()
            check_finite(losses["total"], norm, step, f"pretrain {config.objective}")
            optimiser.step()
            objective.after_step(step + 1, config.steps)
            writer.check()
            progress.add(losses)
            if tensorboard is not None:
                tensorboard.add(progress.done, losses, rate, norm, progress.data_wait_seconds)
            world.report(progress.done, losses["total"])
            if progress.checkpoint_due(config.checkpoint_every):
                shared_out = config.parallel == "fsdp" and world.size > 1
                tensors = snapshot(objective, optimiser) if shared_out or world.rank == 0 else {}
                if world.rank == 0:
                    writer.save(tensors, progress.facts() | {"warm_start": taken})


def _measured(
    config: PretrainConfig, objective: Objective, progress: Progress, meter: ThroughputMeter, workers: int
) -> dict[str, Any]:
    """Losses, speed, sizes, and into how many passes a step is cut."""
    used = meter.used(progress.fresh, progress.loop_seconds, progress.data_wait_seconds)
    return {
        **progress.metrics(config.batch),
        "losses": progress.losses,
        **(used if progress.fresh else {}),
        **_sizes(objective),
        "workers": workers,
        "passes": passes_of(config.split, workers, config.micro_batch),
    }


def _sizes(objective: Objective) -> dict[str, Any]:
    """Parameters, and FLOPs of a sample, in all and by part."""
    return {
        "gflop_per_sample": objective.train_flops() / 1e9,
        "forward_flop_by_part": objective.flops(),
        "parameters": sum(p.numel() for p in objective.parameters()),
        "parameters_by_part": parameter_counts(getattr(objective, "model", objective)),
        "encoder_parameters": sum(p.numel() for p in objective.encoder.parameters()),
    }


def backward(run: nn.Module, step: Step, device: torch.device, bf16: bool, size: int) -> dict[str, float]:
    """Gradients of a step, whatever worker and forward pass its samples are in, and its losses."""
    counts = {k: v.float() for k, v in summed(step.counts, device, size).items()}
    losses: dict[str, float | torch.Tensor] = {}
    for number, (batch, share) in enumerate(step.passes):
        here = to_device(batch, device) | ({"counts": counts} if counts else {})
        weight = 1.0 if counts else share
        with gathering(run, last=number == len(step.passes) - 1):
            with precision(device, bf16):
                found = run(here)
            (found["total"] * (weight * size)).backward()  # workers' gradients are averaged
        for name, loss in found.items():
            losses[name] = losses.get(name, 0.0) + loss.detach() * weight
    found = summed(losses, device, size)
    # Read together: on a GPU each read waits for all that is before it.
    return dict(zip(found, torch.stack(list(found.values())).cpu().tolist(), strict=True))
