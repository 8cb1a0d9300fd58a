"""Tokenizers trained on the store alone: a small convolutional autoencoder with a cosine VQ, one per
modality.

    tst tokenizer train tokenizer.yaml      (fields: `TokenizerConfig`, and where the store is)

On 2 CPU cores, 64×64 images, the default takes about half a minute. No other data comes in, so a specialist
with these tokens has "no external access". The encoder looks at patches and their neighbours; the decoder
works at twice the tokens' resolution at the end, which takes the edge off the blocks."""

import hashlib
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor, nn
from tqdm import tqdm

from engine.access import PretrainFrames
from engine.stream import TicketReader
from training.checkpoint import CONFIG, METRICS, WEIGHTS, load_tensors, read_json, save_model, write_json
from training.config import Config
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
from training.signals import signal
from training.vq import CosineVQ, usage


class TokenizerConfig(Config):
    patch: int = Field(default=8, ge=2, multiple_of=2)
    """Side of the square of pixels that one token stands for [pixels]."""
    codes: int = Field(default=512, ge=2, le=65536)
    """Size of the codebook."""
    code_dim: int = Field(default=16, ge=2)
    """Length of a code."""
    width: int = Field(default=96, ge=8, multiple_of=4)
    """Channels at the tokens' resolution."""
    depth: int = Field(default=2, ge=1)
    """Residual blocks on either side of the codebook."""
    steps: int = Field(default=500, ge=1)
    """Optimiser steps."""
    batch: int = Field(default=64, ge=1)
    """Images per step."""
    lr: float = Field(default=2e-3, gt=0)
    """Peak learning rate of AdamW."""
    commitment: float = Field(default=0.25, ge=0)
    """Weight of the loss that keeps latents near their codes."""
    decay: float = Field(default=0.97, ge=0, lt=1)
    """Decay per step of the codebook's moving averages."""
    check_frames: int = Field(default=512, ge=1)
    """Frames on which error and usage are measured at the end (of those trained on; there are no
    others)."""
    seed: int = 0
    """Of weights, batch order and codebook."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores."""
    device: str = "auto"
    """auto, cpu or cuda."""
    bf16: bool = True
    """Matrix products in bfloat16 while training (encoding is in fp32 always)."""


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.out(F.silu(self.mix(F.silu(self.norm(x)))))


class Tokenizer(nn.Module):
    def __init__(self, modality: str, config: TokenizerConfig):
        super().__init__()
        self.modality, self.config, self.signal = modality, config, signal(modality)
        width, patch = config.width, config.patch
        self.encoder = nn.Sequential(
            nn.Conv2d(self.signal.channels, width, patch, stride=patch),
            *(Residual(width) for _ in range(config.depth)),
            nn.GroupNorm(1, width),
            nn.Conv2d(width, config.code_dim, 1),
        )
        self.vq = CosineVQ(config.codes, config.code_dim, config.decay)
        self.decoder = nn.Sequential(
            nn.Conv2d(config.code_dim, width, 1),
            *(Residual(width) for _ in range(config.depth)),
            nn.Conv2d(width, 2 * width, 1),
            nn.PixelShuffle(2),  # twice the resolution, half the width
            Residual(width // 2),
            nn.Conv2d(width // 2, self.signal.outputs * (patch // 2) ** 2, 1),
            nn.PixelShuffle(patch // 2),
        )

    def latents(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b gh gw d"]:
        return self.encoder(x).permute(0, 2, 3, 1)

    def forward(
        self, x: Float[Tensor, "b c h w"], generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "b o h w"], Int[Tensor, "b gh gw"], Float[Tensor, ""]]:
        """(output, tokens, commitment loss)."""
        z = self.latents(x)
        quantised, ids, commitment = self.vq(z.flatten(0, 2), generator)
        y = self.decoder(quantised.view(z.shape).permute(0, 3, 1, 2))
        return y.float(), ids.view(z.shape[:3]), commitment

    @torch.no_grad()
    def encode(self, images: np.ndarray | Tensor) -> Int[Tensor, "b gh gw"]:
        """Tokens of stored images, uint8 or uint16 [b, h, w] or [b, h, w, 3]."""
        return self.vq.ids(F.normalize(self.latents(self._input(images)), dim=-1))

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> np.ndarray:
        """Images of the stored dtype from tokens."""
        z = self.vq.codebook[tokens].permute(0, 3, 1, 2)
        return self.signal.to_image(self.decoder(z).float().cpu())

    def _input(self, images: np.ndarray | Tensor) -> Tensor:
        device = self.vq.codebook.device
        return self.signal.to_input(torch.as_tensor(images).to(device))


def train_tokenizer(
    frames: PretrainFrames, modality: str, config: TokenizerConfig, out: Path
) -> dict[str, Any]:
    """Train, measure, and write `out`: weights, config, metrics (last). Returns the metrics.

    Raises ValueError for frames that do not divide into patches; FloatingPointError if training blows up.
    """
    assert isinstance(frames, PretrainFrames), "tokenizers learn from pre-training frames only"
    height, width = frames.frame_shape(modality)[:2]
    if height % config.patch or width % config.patch:
        raise ValueError(
            f"{height}x{width} px do not divide into patches of {config.patch} px: set tokenizer.patch"
        )
    started = time.monotonic()
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    with torch.random.fork_rng(devices=[]):  # the layers' own initialisers know no generator
        torch.manual_seed(config.seed)
        model = Tokenizer(modality, config)
    model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
    generator = torch.Generator().manual_seed(config.seed)
    reader = TicketReader(frames, [modality], config.batch, seed=config.seed)
    curve = _fit(model, reader, generator, device)
    seconds = time.monotonic() - started
    model.eval()
    metrics = measure(model, frames, config.check_frames) | {
        "modality": modality,
        "curve": curve,
        "wall_seconds": seconds,
        "samples_per_second": config.steps * config.batch / seconds,
        "threads": threads,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    out.mkdir(parents=True, exist_ok=True)
    save_model(out, model, {"modality": modality, "tokenizer": config.model_dump(mode="json")})
    write_json(out / METRICS, metrics)
    return metrics


def _fit(
    model: Tokenizer, reader: TicketReader, generator: torch.Generator, device: torch.device
) -> list[tuple[int, float]]:
    config = model.config
    optimiser = make_adamw(model, 1e-4)
    batches = reader.batches()
    # k-means wants several latents per code: gather first batches until there are.
    first: list[Tensor] = []
    with torch.no_grad():
        while sum(len(z) for z in first) < 4 * config.codes:
            first.append(model.latents(model._input(next(batches)[model.modality])).flatten(0, 2))
    model.vq.start(torch.cat(first), generator)
    curve: list[tuple[int, float]] = []
    recent: list[float] = []
    bar = tqdm(range(config.steps), desc=f"tokenizer {model.modality}", unit="step", mininterval=1.0)
    for step in bar:
        set_rate(optimiser, warmup_cosine(step, config.steps, min(50, config.steps // 10), config.lr))
        x = model._input(next(batches)[model.modality]).contiguous(memory_format=torch.channels_last)
        with precision(device, config.bf16):
            y, _, commitment = model(x, generator)
        reconstruction = model.signal.loss(y, x)
        optimiser.zero_grad()
        (reconstruction + config.commitment * commitment).backward()
        norm = clip(model.parameters(), 1.0)
        recent.append(reconstruction.item())
        check_finite(recent[-1], norm.item(), step, f"tokenizer {model.modality}")
        optimiser.step()
        if (step + 1) % max(1, config.steps // 50) == 0:
            curve.append((step + 1, float(np.mean(recent))))
            bar.set_postfix(loss=f"{curve[-1][1]:.4f}", refresh=False)
            recent = []
    return curve


@torch.no_grad()
def measure(model: Tokenizer, frames: PretrainFrames, count: int) -> dict[str, Any]:
    """Reconstruction error and codebook usage over `count` frames spread evenly over the view."""
    ids = np.unique(np.linspace(0, len(frames) - 1, min(count, len(frames))).astype(np.int64))
    counts = torch.zeros(model.config.codes)
    decoded, truth = [], []
    for start in range(0, len(ids), 64):
        images = frames.read(ids[start : start + 64], [model.modality])[model.modality]
        tokens = model.encode(images)
        counts += torch.bincount(tokens.flatten().cpu(), minlength=len(counts))
        decoded.append(model.decode(tokens))
        truth.append(images)
    used, perplexity = usage(counts)
    return {
        "reconstruction_error": model.signal.error(np.concatenate(decoded), np.concatenate(truth)),
        "error_unit": model.signal.error_unit,
        "usage": used,
        "perplexity": perplexity,
        "codes": model.config.codes,
    }


def load_tokenizer(folder: Path) -> Tokenizer:
    """A trained tokenizer, on the CPU, for encoding. Raises ValueError where there is none."""
    config = read_json(folder / CONFIG)
    model = Tokenizer(config["modality"], TokenizerConfig.model_validate(config["tokenizer"]))
    tensors, _ = load_tensors(folder / WEIGHTS)
    model.load_state_dict(tensors)
    return model.eval()


def token_array(folder: Path) -> str:
    """Name in a store of the tokens that the tokenizer in `folder` makes: `tok_<modality>_<digest>`.

    The digest is of its weights, so tokens of two tokenizers can never be taken for each other.
    """
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()[:8]
    return f"tok_{read_json(folder / CONFIG)['modality']}_{digest}"
