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

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from engine.stream.order import View
from training.common.checkpoint import (
    CONFIG,
    METRICS,
    WEIGHTS,
    Writer,
    load_training,
    save_tensors,
    snapshot,
    whole_state,
    write_json,
)
from training.common.optimiser import (
    check_finite,
    clip,
    in_bf16,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    to_device,
    use_threads,
    warmup_cosine,
)
from training.common.sharded_tensors import whole
from training.models.blocks import parameter_counts
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import Step, Tickets, passes_of, prefetch, steps
from training.pretrain.parallel import gathering, join, shard, summed
from training.pretrain.tensorboard import TensorBoardWriter, ThroughputMeter
from training.pretrain.views import check_unlabelled
from training.pretrain.warm_start import continue_from

STATE = "training.safetensors"


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
    lanes = config.split
    lanes.check(world.size)
    out.mkdir(parents=True, exist_ok=True)
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    objective = build_objective(config, frames, tokenizers).to(device)
    resumed = (out / STATE).exists()
    start = None  # what was taken of a checkpoint
    if not resumed and config.warm_start is not None:
        start = objective.load_4m(config.warm_start)
    elif not resumed and start_from is not None:
        start = continue_from(config, objective, start_from)
    shared_out = config.parallel == "fsdp" and world.size > 1
    if shared_out:
        shard(objective, device)
    optimiser = make_adamw(objective, config.weight_decay)
    parameters = list(objective.parameters())

    # Go on where a killed run stood. recent: losses of steps that the curve has not taken in yet.
    done, curve, recent, seconds = 0, [], [], 0.0
    if resumed:
        facts = load_training(out / STATE, objective, optimiser)
        done, curve, recent, seconds = (facts[k] for k in ("step", "curve", "recent", "seconds"))
        start = facts["start"]

    run: Any = torch.compile(objective) if config.compile else objective
    if world.size > 1:
        run = join(run, device)
    mine = lanes.of(world.rank, world.size)
    tickets = (world.tickets or partial(lanes.tickets, frames))(mine, done)
    passes = passes_of(lanes, world.size, config.micro_batch)
    made = steps(objective, lanes.batches(frames, objective.reads, mine, tickets), lanes, mine, passes, done)
    every = max(1, config.steps // 100)  # the curve has about a hundred points, each a mean
    last: dict[str, float] = {}
    started, waited = time.monotonic(), 0.0
    bar = tqdm(
        range(done, config.steps), initial=done, total=config.steps, desc=f"pretrain {config.objective}",
        unit="step", mininterval=1.0, disable=world.rank > 0,
    )  # fmt: skip
    meter = ThroughputMeter(objective, config.batch, device, config.bf16, world.size)
    with ExitStack() as stack:
        loader = stack.enter_context(closing(prefetch(made)))
        writer = stack.enter_context(Writer(out / STATE))
        tensorboard = (
            TensorBoardWriter(out, meter, done, max(1, config.steps // 1000)) if world.rank == 0 else None
        )
        if tensorboard is not None:
            stack.callback(tensorboard.close)
        for step in bar:
            asked = time.monotonic()
            ready = next(loader)
            waited += time.monotonic() - asked
            rate = warmup_cosine(step, config.steps, int(config.warmup * config.steps), config.peak_lr)
            set_rate(optimiser, rate)
            optimiser.zero_grad()
            losses = backward(run, ready, device, config.bf16, world.size)
            norm = whole(clip(parameters, config.clip))
            recent.append(losses)
            check_finite(losses["total"], norm.item(), step, f"pretrain {config.objective}")
            optimiser.step()
            objective.after_step(step + 1, config.steps)
            writer.check()
            if tensorboard is not None:
                tensorboard.add(step + 1, losses, rate, norm.item(), waited)
            world.report(step + 1, losses["total"])
            if (step + 1) % every == 0 or step + 1 == config.steps:
                last = {k: float(np.mean([r[k] for r in recent if k in r])) for r in recent for k in r}
                curve.append([step + 1, last["total"]])
                bar.set_postfix({k: f"{v:.3f}" for k, v in last.items()}, refresh=False)
                recent = []
            if (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps:
                spent = seconds + time.monotonic() - started
                facts = {"step": step + 1, "curve": curve, "recent": recent, "seconds": spent, "start": start}
                tensors = snapshot(objective, optimiser) if shared_out or world.rank == 0 else {}
                if world.rank == 0:
                    writer.save(tensors, facts)
    this_time = time.monotonic() - started
    fresh = (config.steps - done) * config.batch
    metrics = {
        "loss": last["total"],
        "losses": last,
        "curve": curve,
        "steps": config.steps,
        "wall_seconds": seconds + this_time,
        "samples_per_second": fresh / this_time if fresh else None,
        "data_wait_seconds": waited,
        **(meter.used(config.steps - done, this_time, waited) if fresh else {}),
        "gflop_per_sample": objective.train_flops() / 1e9,
        "forward_flop_by_part": objective.flops(),
        "parameters": sum(p.numel() for p in parameters),
        "parameters_by_part": parameter_counts(getattr(objective, "model", objective)),
        "workers": world.size,
        "passes": passes,
        "encoder_parameters": sum(p.numel() for p in objective.encoder.parameters()),
        "threads": threads,
        "device": str(device),
        "precision": "bf16" if in_bf16(device, config.bf16) else "fp32",
        "frames_digest": frames.digest(),
        "start": start,
    }
    weights = whole_state(objective)  # where it is shared out, every worker has a part in it
    if world.rank == 0:
        size = frames.frame_shape("rgb")[0]
        facts = {
            "pretrain": config.model_dump(mode="json"),
            "image": size,
            "tokens": objective.token_arrays(),
        }
        save_tensors(out / WEIGHTS, weights)
        write_json(out / CONFIG, facts)
        write_json(out / METRICS, metrics)
        (out / STATE).unlink(missing_ok=True)
    return metrics


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
    return {k: v.item() for k, v in summed(losses, device, size).items()}
