"""Masked pre-training on a store: the loop, top to bottom.

    tst pretrain pretrain.yaml

4M's recipe (arXiv:2312.06647, Tab. 9): AdamW (.9, .95), weight decay .05 on matrices, linear warm-up,
cosine, lr = base_lr · batch / 256, gradients clipped, bf16. Everything random is a function of (seed, step,
rank), and a checkpoint holds all the rest, so a run that is killed and started again ends with the same
bits (on one machine, with the same number of threads). Loss curve and metrics come out in
`<out>/metrics.json`, weights in `model.safetensors`."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn
from tqdm import tqdm

from engine.access import PretrainFrames
from engine.stream import TicketReader
from training.blocks import parameter_counts
from training.checkpoint import METRICS, load_training, save_model, save_training, write_json
from training.config import LoopConfig
from training.encoder import EncoderConfig
from training.fourm import STORE_NAMES, read_4m, take
from training.masking import MaskingConfig
from training.modality import TokenSpec
from training.objectives import MaskedAutoencoder, MultimodalObjective, Objective, Weighting, to_device
from training.optimiser import (
    check_finite,
    clip,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    use_threads,
    warmup_cosine,
)
from training.tokenizer import load_tokenizer, token_array

STATE = "training.safetensors"


class PretrainConfig(LoopConfig):
    objective: Literal["mm", "mae"] = "mm"
    """mm: TST-MM, masked tokens of several modalities; mae: TST-MAE, masked pixels of RGB."""
    modalities: tuple[str, ...] = ("rgb", "depth", "normals", "edges")
    """What mm sees and predicts, rgb first; mae takes rgb alone."""
    encoder: EncoderConfig = EncoderConfig()
    """The encoder that transfer will take over."""
    decoder_depth: int = Field(default=2, ge=1)
    """Blocks of the decoder."""
    masking: MaskingConfig = MaskingConfig()
    """Token budgets and their mixture (mm)."""
    tied: bool = False
    """Heads are the tables that embed their modality's tokens in the decoder (mm)."""
    weighting: Weighting = "modality"
    """The loss: mean over modalities, or (token) weighted by targets times codes as 4M's loss per token."""
    start: str | None = None
    """A checkpoint of 4M's to start from (mm): safetensors file, folder or hub id. What fits of it is taken,
    and metrics say what that was; modalities are called as 4M-21 calls them."""
    mae_masked: float = Field(default=0.75, gt=0, lt=1)
    """Share of patches masked (mae)."""
    samples: int = Field(default=32768, ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    batch: int = Field(default=64, ge=1)
    """Samples per step, over all workers."""
    base_lr: float = Field(default=4e-3, gt=0)
    """Learning rate per 256 images of batch."""
    seed: int = 0
    """Of weights, masks and order."""

    def local_frames(self, workers: int) -> int:
        """Frames that each worker reads per step. Raises ValueError when the batch cannot be shared out."""
        repeats = self.masking.repeats if self.objective == "mm" else 1
        if self.batch % (workers * repeats):
            samples = f", {repeats} samples of each frame" if repeats > 1 else ""
            raise ValueError(f"a batch of {self.batch} does not divide among {workers} workers{samples}")
        return self.batch // (workers * repeats)

    @property
    def peak_lr(self) -> float:
        return self.base_lr * self.batch / 256


@dataclass(frozen=True)
class World:
    """Where this process stands among the workers, and how they join up (identity for one)."""

    rank: int = 0
    size: int = 1
    join: Callable[[nn.Module], nn.Module] = lambda model: model
    batches: Callable[[PretrainFrames, tuple[str, ...], int], Iterator[dict[str, np.ndarray]]] | None = None
    """(frames, arrays, first batch) to batches; None decodes tickets in this process."""
    report: Callable[[int, float], None] = lambda step, loss: None
    """Called with the number of steps done and the loss, every step of rank 0."""


def build_objective(config: PretrainConfig, frames: PretrainFrames, tokenizers: dict[str, Path]) -> Objective:
    """The model that `config` asks for, initialised, for the frames' size and these tokenizers.

    Raises ValueError when sizes, modalities or tokenizers do not fit together.
    """
    height, width = frames.frame_shape("rgb")[:2]
    if height != width:
        raise ValueError(f"frames of {height}x{width} px: the encoder takes square ones; collect with --size")
    if config.objective == "mae":
        return MaskedAutoencoder(config.encoder, height, config.mae_masked, config.decoder_depth, config.seed)
    missing = [m for m in config.modalities if m not in tokenizers]
    if missing:
        raise ValueError(
            f"no tokenizer for {missing}: train one (tst tokenizer train) and tokenize the store"
        )
    specs = []
    for name in config.modalities:
        tokenizer, array = load_tokenizer(tokenizers[name]), token_array(tokenizers[name])
        if array not in frames.modalities:
            raise ValueError(
                f"{frames.store_path} has no tokens of {tokenizers[name]} ({array}): tokenize it first"
            )
        grid = frames.frame_shape(array)[0]
        specs.append(TokenSpec(name, array, grid, tokenizer.codes, pixels=name == "rgb"))
    return MultimodalObjective(
        config.encoder,
        height,
        tuple(specs),
        config.masking,
        config.decoder_depth,
        config.seed,
        config.tied,
        config.weighting,
    )


def _start(objective: Objective, source: str) -> dict[str, Any]:
    """Put what fits of a 4M checkpoint into the model, say what that was, and return it."""
    if not isinstance(objective, MultimodalObjective):
        raise ValueError(f"a start from {source} is for objective mm: mae has another decoder")
    report = take(objective.model, read_4m(source), STORE_NAMES)
    print(f"started from {source}: {report}", flush=True)
    return report.as_dict()


def pretrain(
    config: PretrainConfig,
    frames: PretrainFrames,
    tokenizers: dict[str, Path],
    out: Path,
    world: World = World(),
) -> dict[str, Any]:
    """Run (or go on with) a pre-training in `out`; returns its metrics.

    `tokenizers`: folder by modality, needed for `mm`, whose tokens must be in the store. Raises ValueError
    for what does not fit, FloatingPointError naming the step when a loss is not finite."""
    assert isinstance(frames, PretrainFrames), "pre-training sees pre-training frames only"
    local = config.local_frames(world.size)
    out.mkdir(parents=True, exist_ok=True)
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    objective = build_objective(config, frames, tokenizers).to(device)
    optimiser = make_adamw(objective, config.weight_decay)
    parameters = list(objective.parameters())

    # Go on where a killed run stood.
    done, curve, recent, seconds, start = 0, [], [], 0.0, None
    # recent: losses of steps that the curve has not taken in yet; start: what was taken of a checkpoint
    if (out / STATE).exists():
        facts = load_training(out / STATE, objective, optimiser)
        done, curve, recent, seconds = (facts[k] for k in ("step", "curve", "recent", "seconds"))
        start = facts["start"]
    elif config.start is not None:
        start = _start(objective, config.start)

    run = world.join(torch.compile(objective) if config.compile else objective)  # pyright: ignore[reportArgumentType]
    if world.batches is not None:
        batches = world.batches(frames, objective.reads, done)
    else:
        reader = TicketReader(
            frames, objective.reads, local, seed=config.seed, world_size=world.size, rank=world.rank
        )
        batches = reader.batches(start_batch=done)
    every = max(1, config.steps // 100)  # the curve has about a hundred points, each a mean
    last: dict[str, float] = {}
    started, waited = time.monotonic(), 0.0
    bar = tqdm(
        range(done, config.steps), initial=done, total=config.steps, desc=f"pretrain {config.objective}",
        unit="step", mininterval=1.0, disable=world.rank > 0,
    )  # fmt: skip
    for step in bar:
        asked = time.monotonic()
        arrays = next(batches)
        waited += time.monotonic() - asked
        rng = np.random.default_rng((config.seed, step, world.rank))
        batch = to_device(objective.prepare(arrays, rng), device)
        set_rate(
            optimiser, warmup_cosine(step, config.steps, int(config.warmup * config.steps), config.peak_lr)
        )
        with precision(device, config.bf16):
            losses = run(batch)
        optimiser.zero_grad()
        losses["total"].backward()
        norm = clip(parameters, config.clip)
        recent.append({k: v.item() for k, v in losses.items()})
        check_finite(recent[-1]["total"], norm.item(), step, f"pretrain {config.objective}")
        optimiser.step()
        world.report(step + 1, recent[-1]["total"])
        if (step + 1) % every == 0 or step + 1 == config.steps:
            last = {k: float(np.mean([r[k] for r in recent if k in r])) for r in recent for k in r}
            curve.append([step + 1, last["total"]])
            bar.set_postfix({k: f"{v:.3f}" for k, v in last.items()}, refresh=False)
            recent = []
        if (step + 1) % config.checkpoint_every == 0 and step + 1 < config.steps and world.rank == 0:
            spent = seconds + time.monotonic() - started
            facts = {"step": step + 1, "curve": curve, "recent": recent, "seconds": spent, "start": start}
            save_training(out / STATE, objective, optimiser, facts)
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
        "gflop_per_sample": objective.train_flops() / 1e9,
        "forward_flop_by_part": objective.flops(),
        "parameters": sum(p.numel() for p in parameters),
        "parameters_by_part": parameter_counts(getattr(objective, "model", objective)),
        "encoder_parameters": sum(p.numel() for p in objective.encoder.parameters()),
        "threads": threads,
        "device": str(device),
        "frames_digest": frames.digest(),
        "start": start,
    }
    if world.rank == 0:
        size = frames.frame_shape("rgb")[0]
        save_model(out, objective, {"pretrain": config.model_dump(mode="json"), "image": size})
        write_json(out / METRICS, metrics)
        (out / STATE).unlink(missing_ok=True)
    return metrics
