"""Tokenizers trained on the store alone, one per modality.

    tst tokenizer train tokenizer.yaml      (fields: `TokenizerConfig`, and where the store is)

On 2 CPU cores, 64×64 images, the default takes about a minute. No other data comes in, so a specialist with
these tokens has "no external access". A tenth of the frames, whole chunks of the store, is kept from training
to measure on: error, usage and perplexity stand in `metrics.json`, and `pictures.png` shows what is lost."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64

from engine.store.access import Unlabelled
from engine.stream.mixture import MixedFrames
from engine.stream.order import View
from engine.stream.stream import Batch, TicketReader
from training.common.checkpoint import METRICS, STATE, load_training, save_training, write_json
from training.common.external_access import as_facts, sources_of_frames
from training.common.optimiser import (
    check_finite,
    clip,
    make_adamw,
    pick_device,
    precision,
    set_rate,
    use_threads,
    warmup_cosine,
)
from training.common.progress import Progress
from training.tokenizers.autoencoder import Tokenizer, TokenizerConfig
from training.tokenizers.decoding import decoding_error
from training.tokenizers.image_tokenizer import ImageTokenizer, save_tokenizer
from training.tokenizers.quantiser import usage
from training.tokenizers.token_pictures import compare

__all__ = ["Tokenizer", "TokenizerConfig", "measure", "train_tokenizer"]

PICTURES = "pictures.png"


def train_tokenizer(
    frames: Unlabelled | MixedFrames, modality: str, config: TokenizerConfig, out: Path
) -> dict[str, Any]:
    """Train, measure, and write `out`: weights, config, pictures, metrics (last). Returns the metrics. Killed
    and called again, it goes on at the last checkpoint and comes to the same bits.

    Raises ValueError for frames that do not divide into patches; FloatingPointError if training blows up.
    """
    views = frames.views if isinstance(frames, MixedFrames) else (frames,)
    assert all(isinstance(v, Unlabelled) for v in views), "tokenizers learn from frames without labels only"
    height, width = frames.frame_shape(modality)[:2]
    if height % config.patch or width % config.patch:
        raise ValueError(
            f"{height}x{width} px do not divide into patches of {config.patch} px: set tokenizer.patch"
        )
    progress = Progress(config.steps, points=50, started=time.monotonic())
    threads = use_threads(config.runtime.threads)
    device = pick_device(config.runtime.device)
    origin = frames.origin_of(modality)
    with torch.random.fork_rng(devices=[]):  # the layers' own initialisers know no generator
        torch.manual_seed(config.seed)
        model = Tokenizer(modality, config, None if origin is None else origin.output)
    layout: dict[str, Any] = {"memory_format": torch.channels_last}
    model.to(device, **layout)
    generator = torch.Generator().manual_seed(config.seed)
    chunks = frames.chunks()
    held = _held_out(len(chunks), config.held_out)
    reader = TicketReader(frames, [modality], config.batch, seed=config.seed)
    if held.any():
        weights = np.asarray(frames.weights or np.ones(len(chunks)))
        reader.order = replace(reader.order, weights=tuple(np.where(held, 0.0, weights).tolist()))
    out.mkdir(parents=True, exist_ok=True)
    _fit(model, reader, generator, device, progress, out / STATE)
    timed = progress.metrics(config.batch) | {"cpu_seconds": progress.cpu_seconds}
    model.eval()
    spans = [np.arange(c.first, c.first + c.count) for c in chunks]
    of = {side: [s for s, h in zip(spans, held, strict=True) if h == side] for side in (True, False)}
    seen = _evenly(np.concatenate(of[False]), config.check_frames)
    unseen = _evenly(np.concatenate(of[True]), config.check_frames) if of[True] else seen
    sources = sources_of_frames(frames, [modality])
    metrics = measure(model, frames, unseen) | {
        "modality": modality,
        "held_out_frames": len(unseen) if of[True] else 0,
        "on_trained": measure(model, frames, seen),
        "quantiser": config.quantiser,
        **timed,
        "threads": threads,
        "parameters": sum(p.numel() for p in model.parameters()),
        **as_facts(sources),
    }
    compare(frames, _evenly(unseen, 8), [(config.quantiser, model)]).save(out / PICTURES)
    kind, fields = "tokenizer" if origin is None else origin.output, config.model_dump(mode="json")
    save_tokenizer(out, kind, modality, fields, model.state_dict(), sources)
    write_json(out / METRICS, metrics)
    (out / STATE).unlink(missing_ok=True)
    return metrics


def _held_out(chunks: int, share: float) -> np.ndarray:
    """Which chunks are kept from training: the last of every 1 / share, spread over the whole view."""
    period = round(1 / share) if share else chunks + 1
    return np.arange(chunks) % period == period - 1


def _evenly(ids: Int64[np.ndarray, " n"], count: int) -> Int64[np.ndarray, " k"]:
    """At most `count` of the ids, spread evenly over them."""
    return ids[np.unique(np.linspace(0, len(ids) - 1, min(count, len(ids))).astype(np.int64))]


def _fit(
    model: Tokenizer,
    reader: TicketReader,
    generator: torch.Generator,
    device: torch.device,
    progress: Progress,
    state: Path,
) -> None:
    """Train, or go on at the checkpoint `state`. `generator`: of k-means and the revival of codes."""
    config = model.config
    optimiser = make_adamw(model, 1e-4)
    if state.exists():
        facts = load_training(state, model, optimiser)
        progress.restore(facts)
        generator.set_state(torch.tensor(list(bytes.fromhex(facts["generator"])), dtype=torch.uint8))
        used = facts["start_batches"]
        batches = reader.batches(used + progress.done)
    else:
        batches = reader.batches()
        used = _start_codes(model, batches, generator)
    for step in progress.loop(f"tokenizer {model.modality}"):
        set_rate(optimiser, warmup_cosine(step, config.steps, min(50, config.steps // 10), config.lr))
        images = progress.wait_for(batches)[model.modality]
        x = model.input(images).contiguous(memory_format=torch.channels_last)
        with precision(device, config.bf16):
            y, _, commitment = model(x, generator)
        reconstruction = model.transform.loss(y, x)
        optimiser.zero_grad()
        (reconstruction + config.commitment * commitment).backward()
        norm = clip(model.parameters(), 1.0)
        loss = reconstruction.item()
        check_finite(loss, norm.item(), step, f"tokenizer {model.modality}")
        optimiser.step()
        progress.add({"total": loss})
        if progress.checkpoint_due(config.checkpoint_every):
            random = {"generator": generator.get_state().numpy().tobytes().hex(), "start_batches": used}
            save_training(state, model, optimiser, progress.facts() | random)


@torch.no_grad()
def _start_codes(model: Tokenizer, batches: Iterator[Batch], generator: torch.Generator) -> int:
    """Let the quantiser begin with latents of the first batches; returns how many batches that took."""
    first: list[torch.Tensor] = []
    # k-means wants several latents per code.
    while sum(len(z) for z in first) < 4 * model.config.codes:
        first.append(model.latents(model.input(next(batches)[model.modality])).flatten(0, 2))
    model.quantiser.start(torch.cat(first), generator)
    return len(first)


@torch.no_grad()
def measure(model: ImageTokenizer, frames: View, ids: Int64[np.ndarray, " n"]) -> dict[str, Any]:
    """Reconstruction error (where the tokenizer decodes) and codebook usage on the frames `ids`."""
    counts = torch.zeros(model.codes)
    decoded, truth = [], []
    for start in range(0, len(ids), 64):
        images = frames.read(ids[start : start + 64], [model.modality])[model.modality]
        tokens = model.encode(images)
        counts += torch.bincount(tokens.flatten().cpu(), minlength=len(counts))
        if model.decodes:
            decoded.append(model.decode(tokens))
            truth.append(images)
    used, perplexity = usage(counts)
    found = {"usage": used, "perplexity": perplexity, "codes": model.codes}
    if decoded:
        origin = frames.origin_of(model.modality)
        found["reconstruction_error"], found["error_unit"] = decoding_error(
            model.modality,
            None if origin is None else origin.output,
            np.concatenate(decoded),
            np.concatenate(truth),
        )
    return found
