"""Masked pre-training on a store: the loop, top to bottom.

    tst pretrain pretrain.yaml

4M's recipe (arXiv:2312.06647, Tab. 9): AdamW (.9, .95), weight decay .05 on matrices, linear warm-up,
cosine, lr = base_lr · batch / 256, gradients clipped, bf16. Everything random is a function of (seed, step,
lane), and a checkpoint holds all the rest, so a run that is killed and started again ends with the same
bits (on one machine, with the same number of threads), and with another number of workers its losses stay the
same but for rounding. Frames come of one view of a store, or of several in
proportion (`engine.mixture`), each with all modalities or some; none of them shows a label. Loss curve and
metrics come out in `<out>/metrics.json`, weights in `model.safetensors`, and while it runs TensorBoard's
event files in `tensorboard`."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import nn
from tqdm import tqdm

from engine.access import Frames, PretrainFrames, UnlabelledTransferFrames
from engine.errors import LeakError
from engine.mixture import MixedFrames
from engine.order import View
from training.blocks import parameter_counts
from training.board import Board, Meter
from training.checkpoint import (
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
from training.config import LoopConfig
from training.dino import Dino, DinoConfig
from training.encoder import EncoderConfig
from training.feed import Lanes, Step, Tickets, ahead, passes_of, steps
from training.masking import MaskingConfig, Sources
from training.modality import TokenSpec
from training.objectives import MaskedAutoencoder, MultimodalObjective, Objective, Weighting, to_device
from training.optimiser import (
    check_finite,
    clip,
    in_bf16,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    use_threads,
    warmup_cosine,
)
from training.parallel import Parallel, gathering, join, shard, summed, whole
from training.start import continue_from, start_from_4m, token_arrays
from training.token_crops import WHOLE, CropConfig
from training.tokenize_store import check_tokens
from training.tokenizer import load_tokenizer, token_array

STATE = "training.safetensors"


class PretrainConfig(LoopConfig):
    objective: Literal["mm", "mae", "dino"] = "mm"
    """mm: TST-MM, masked tokens of several modalities, or of RGB alone; mae: TST-MAE, masked pixels of RGB;
    dino: DINOv2's, crops of RGB against each other."""
    modalities: tuple[str, ...] = ("rgb", "depth", "normals", "edges")
    """What mm sees and predicts, rgb first; mae and dino take rgb alone."""
    encoder: EncoderConfig = EncoderConfig()
    """The encoder that transfer will take over."""
    decoder_depth: int = Field(default=2, ge=1)
    """Blocks of the decoder (mm, mae)."""
    masking: MaskingConfig = MaskingConfig()
    """Token budgets and their mixture (mm)."""
    crops: CropConfig = WHOLE
    """Crops that the store was tokenized with (mm): every sample is one of them; none: whole frames."""
    tied: bool = False
    """Heads are the tables that embed their modality's tokens in the decoder (mm)."""
    weighting: Weighting = "modality"
    """The loss: mean over modalities, or (token) weighted by targets times codes as 4M's loss per token."""
    start: str | None = None
    """A checkpoint of 4M's to start from (mm): safetensors file, folder or hub id. What fits of it is taken,
    and metrics say what that was; modalities are called as 4M-21 calls them."""
    mae_masked: float = Field(default=0.75, gt=0, lt=1)
    """Share of patches masked (mae)."""
    dino: DinoConfig = DinoConfig()
    """Crops, heads and schedules (dino)."""
    samples: int = Field(default=32768, ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    tokens: float | None = Field(default=None, gt=0)
    """Tokens seen and predicted in all, instead of samples (mm); a sample has masking.inputs + targets."""
    batch: int = Field(default=64, ge=1)
    """Samples per step, over all workers and forward passes."""
    lanes: int = Field(default=8, ge=1)
    """Parts that a batch is made of, each with frames and masks of its own; the number of frames a step and
    this one's greatest common divisor is used. There may be as many workers as lanes."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Most frames of a forward pass; gradients of a step's passes add up. None: one pass a worker."""
    parallel: Parallel = "ddp"
    """Several workers: each keeps the whole model (ddp), or shares of it (fsdp)."""
    base_lr: float = Field(default=4e-3, gt=0)
    """Learning rate per 256 images of batch."""
    seed: int = 0
    """Of weights, and of masks and order where `draws` is none."""
    draws: int | None = None
    """Seed of masks and order; none: `seed`."""

    @property
    def split(self) -> Lanes:
        """How a batch is made of lanes. Raises ValueError when it does not come out even."""
        repeats = self.masking.repeats if self.objective == "mm" else 1
        if self.batch % repeats:
            raise ValueError(
                f"a batch of {self.batch} is no whole number of frames, {repeats} samples of each"
            )
        frames = self.batch // repeats
        number = math.gcd(frames, self.lanes)
        return Lanes(number, frames // number, self.draw_seed)

    @property
    def steps(self) -> int:
        if self.tokens is None:
            return super().steps
        if self.objective != "mm":
            raise ValueError(f"tokens are a length of objective mm; {self.objective} wants samples")
        return math.ceil(self.tokens / ((self.masking.inputs + self.masking.targets) * self.batch))

    @property
    def draw_seed(self) -> int:
        return self.seed if self.draws is None else self.draws

    @property
    def peak_lr(self) -> float:
        return self.base_lr * self.batch / 256


@dataclass(frozen=True)
class World:
    """Where this process stands among the workers, which `torch.distributed` joins if they are several."""

    rank: int = 0
    size: int = 1
    tickets: Callable[[Sequence[int], int], Tickets] | None = None
    """(lanes, first step) to tickets; None makes them in this process."""
    report: Callable[[int, float], None] = lambda step, loss: None
    """Called with the number of steps done and the loss, every step of rank 0."""


def build_objective(config: PretrainConfig, frames: View, tokenizers: dict[str, Path]) -> Objective:
    """The model that `config` asks for, initialised, for the frames' size and these tokenizers.

    Raises ValueError when sizes, modalities or tokenizers do not fit together.
    """
    height, width = frames.frame_shape("rgb")[:2]
    if height != width:
        raise ValueError(f"frames of {height}x{width} px: the encoder takes square ones; collect with --size")
    if config.crops.count and config.objective != "mm":
        raise ValueError(
            f"crops are of tokens, for objective mm; {config.objective} takes none: leave them out"
        )
    if config.objective != "mm" and views_of(frames, "rgb") != views_of(frames):
        raise ValueError(f"a source does not show rgb, and {config.objective} sees nothing else: let it")
    if config.objective == "mae":
        return MaskedAutoencoder(config.encoder, height, config.mae_masked, config.decoder_depth, config.seed)
    if config.objective == "dino":
        return Dino(config.encoder, height, config.dino, config.seed)
    missing = [m for m in config.modalities if m not in tokenizers]
    if missing:
        raise ValueError(
            f"no tokenizer for {missing}: train one (tst tokenizer train) and tokenize the store"
        )
    sources = sources_of(frames, config.modalities)
    specs = []
    for name in config.modalities:
        tokenizer, array = load_tokenizer(tokenizers[name]), token_array(tokenizers[name], config.crops)
        for view in views_of(frames, array):
            check_tokens(view, tokenizers[name], config.crops)
        grid = frames.frame_shape(array)[-1]
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
        config.crops,
        sources,
    )


def views_of(frames: View, showing: str | None = None) -> tuple[Frames, ...]:
    """The views of a mixture, all or those that show a modality; or the only one."""
    if not isinstance(frames, MixedFrames):
        return (frames,)
    return frames.views if showing is None else frames.showing(showing)


def sources_of(frames: View, modalities: tuple[str, ...]) -> Sources | None:
    """What each view of a mixture shows; None where all show all. Raises ValueError for what is no modality
    of the pre-training, and for one that none shows."""
    if not isinstance(frames, MixedFrames) or not any(frames.shows):
        return None
    unknown = sorted({m for shown in frames.shows for m in shown or ()} - set(modalities))
    if unknown:
        raise ValueError(
            f"a source shows {unknown}, and pre-training has {list(modalities)}: let it show those"
        )
    sources = Sources(tuple(shown or modalities for shown in frames.shows), frames.ratios)
    hidden = sorted(set(modalities).difference(*sources.shown))
    if hidden:
        raise ValueError(f"no source shows {hidden}: let one of them, or leave that out of modalities")
    return sources


def check_unlabelled(frames: View) -> None:
    """Raises LeakError where a view could show labels, or frames to judge by."""
    for view in views_of(frames):
        if not isinstance(view, PretrainFrames | UnlabelledTransferFrames):
            raise LeakError(
                f"pre-training takes PretrainFrames, and to mix in UnlabelledTransferFrames, not "
                f"{type(view).__name__} of {view.store_path}: what it shows must hold no label"
            )


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
    if config.start is not None and start_from is not None:
        raise ValueError(f"start from {config.start} or from {start_from}, not from both")
    lanes = config.split
    lanes.check(world.size)
    out.mkdir(parents=True, exist_ok=True)
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    objective = build_objective(config, frames, tokenizers).to(device)
    resumed = (out / STATE).exists()
    start = None  # what was taken of a checkpoint
    if not resumed and config.start is not None:
        start = start_from_4m(objective, config.start)
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
    meter = Meter(objective, config.batch, device, config.bf16, world.size)
    with ExitStack() as stack:
        feed = stack.enter_context(closing(ahead(made)))
        writer = stack.enter_context(Writer(out / STATE))
        board = Board(out, meter, done, max(1, config.steps // 1000)) if world.rank == 0 else None
        if board is not None:
            stack.callback(board.close)
        for step in bar:
            asked = time.monotonic()
            ready = next(feed)
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
            if board is not None:
                board.add(step + 1, losses, rate, norm.item(), waited)
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
        facts = {"pretrain": config.model_dump(mode="json"), "image": size, "tokens": token_arrays(objective)}
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
