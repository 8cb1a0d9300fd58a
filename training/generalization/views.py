"""Perceptors of the strong setting: small networks that learn from images of some modalities without labels,
by telling two masked views of one image from those of others (ModalBed's strong setting, Sec. 5.2)."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from scenes.seeding import rng
from training.models.modality_transforms import modality_transform

CHANNELS = 4
"""Of small images; those that a modality has not are 0."""
CELL = 8
"""Side of what is masked [pixels]."""


class ViewsConfig(Config):
    """A perceptor that learns from masked views."""

    width: int = Field(default=64, ge=4, multiple_of=4)
    """Of the features."""
    image: int = Field(default=64, ge=32, multiple_of=CELL)
    """Side of the images that it sees [pixels]."""
    steps: int = Field(default=100, ge=1)
    """Of AdamW."""
    batch: int = Field(default=64, ge=2)
    """Images of one modality in a step."""
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate."""
    masked: float = Field(default=0.3, ge=0, lt=1)
    """Share of an image that a view lacks (ModalBed: 0.3)."""
    temperature: float = Field(default=0.1, gt=0)
    """Of the contrast."""
    seed: int = 0
    """Of weights, masks and batches."""


def small_images(
    images: Shaped[np.ndarray, "b h w *c"], modality: str, side: int
) -> Float[Tensor, "b 4 s s"]:
    """Stored images as a network sees them, each pixel the mean of an area."""
    seen = modality_transform(modality).to_input(torch.from_numpy(images)).float()
    small = F.adaptive_avg_pool2d(seen, side)
    return F.pad(small, (0, 0, 0, 0, 0, CHANNELS - small.shape[1]))


class ViewPerceptor(nn.Module):
    """Convolutions: the first of each modality's own, the others of all."""

    def __init__(self, modalities: list[str], width: int):
        super().__init__()
        self.first = nn.ModuleDict({name: nn.Conv2d(CHANNELS, 32, 4, 4) for name in modalities})
        self.rest = nn.Sequential(
            nn.GELU(),
            nn.Conv2d(32, 64, 3, 2, 1),
            nn.GELU(),
            nn.Conv2d(64, 128, 3, 2, 1),
            nn.GELU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(128, width),
        )

    def forward(self, modality: str, images: Float[Tensor, "b 4 s s"]) -> Float[Tensor, "b d"]:
        """Features of small images of one modality."""
        return self.rest(self.first[modality](images))

    @torch.no_grad()
    def features(self, modality: str, images: Float[Tensor, "n 4 s s"]) -> Float[Tensor, "n d"]:
        """The same of many, on the CPU."""
        device = next(self.parameters()).device
        return torch.cat([self(modality, part.to(device)).cpu() for part in images.split(256)])


def learn_perceptor(
    config: ViewsConfig, frames: dict[str, Float[Tensor, "n 4 s s"]], device: torch.device, words: str
) -> ViewPerceptor:
    """A perceptor of the modalities of `frames`, which learned from them; steps take modalities in turn.
    `words` seed it beside the configuration's seed."""
    draws = rng(config.seed, "views", words)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(draws.integers(2**31)))
        perceptor = ViewPerceptor(list(frames), config.width)
    perceptor.to(device)
    optimiser = torch.optim.AdamW(perceptor.parameters(), lr=config.lr)
    names = list(frames)
    for step in range(config.steps):
        name = names[step % len(names)]
        count = min(config.batch, len(frames[name]))
        chosen = torch.from_numpy(draws.permutation(len(frames[name]))[:count])
        images = frames[name][chosen]
        cells = images.shape[2] // CELL
        views = []
        for _ in range(2):
            kept = torch.from_numpy(draws.random((count, 1, cells, cells)) >= config.masked).float()
            seen = images * F.interpolate(kept, scale_factor=CELL, mode="nearest")
            views.append(F.normalize(perceptor(name, seen.to(device)), dim=1))
        alike = views[0] @ views[1].T / config.temperature
        itself = torch.arange(count, device=device)
        loss = (F.cross_entropy(alike, itself) + F.cross_entropy(alike.T, itself)) / 2
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return perceptor.eval()
