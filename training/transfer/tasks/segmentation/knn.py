"""k nearest neighbours on frozen features: what class had the patches that look most like this one?

The weighted vote of Wu et al. (arXiv:1805.01978) as DINO evaluates with it (Caron et al., arXiv:2104.14294),
of patches instead of images: cosine similarity s, and each of the k nearest votes for its class with
exp(s / temperature). Nothing is learned; the bank of labelled patches is the model."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.transfer.task import FeatureShape, Targets
from training.transfer.tasks.segmentation.heads import PixelHead
from training.transfer.tasks.segmentation.metrics import VOID

QUERIES = 1024  # compared with the bank at a time: 200 MB of similarities at the default size of the bank


class NeighbourConfig(Config):
    """The vote of the nearest neighbours."""

    k: int = Field(default=20, ge=1)
    """Nearest patches of the bank that vote."""
    temperature: float = Field(default=0.07, gt=0)
    """Of the votes' weights; the lower, the more the very nearest count."""
    entries: int = Field(default=50_000, ge=1)
    """Largest number of patches in the bank; more are thinned out by lot."""


class NeighbourHead(PixelHead):
    """Features of patches to the share of the votes that each class has; logarithms of shares are logits."""

    def __init__(self, config: NeighbourConfig, shape: FeatureShape, classes: int):
        super().__init__(shape)
        self.config = config
        self.keys: Tensor
        self.values: Tensor
        self.weight: Tensor
        # Normalised to length 1; half precision costs a similarity 1e-4.
        self.register_buffer("keys", torch.zeros(0, shape.dim, dtype=torch.float16))
        self.register_buffer("values", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("weight", torch.ones(classes))
        self.register_load_state_dict_pre_hook(_make_room)

    def fill(
        self,
        features: Float[Tensor, "entries d"],
        classes: UInt8[Tensor, " entries"],
        weight: Float[Tensor, " k"],
    ) -> None:
        """Make these the bank. `weight`: of a vote for each class."""
        device = self.keys.device
        self.keys = F.normalize(features.float(), dim=-1).to(device, torch.float16)
        self.values = classes.to(device)
        self.weight.copy_(weight)

    def forward(
        self, features: Float[Tensor, "b n d"], targets: Targets | None = None
    ) -> Float[Tensor, "b k h w"]:
        """Logits [classes] of every pixel. Votes are mixed as the shares that they are."""
        return super().forward(features).clamp_min(1e-6).log()

    def scores(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k g g"]:
        """Shares of the votes, which sum to 1 over the classes."""
        queries = F.normalize(features.float().flatten(0, 1), dim=-1)
        with torch.autocast(queries.device.type, enabled=False):
            bank = self.keys.float().T
            shares = torch.cat([self._vote(some @ bank) for some in queries.split(QUERIES)])
        return shares.view(len(features), self.shape.grid, self.shape.grid, -1).permute(0, 3, 1, 2)

    def initialise(self, generator: torch.Generator) -> None:
        """Nothing is drawn: the bank is filled."""

    def _vote(self, similarity: Float[Tensor, "q entries"]) -> Float[Tensor, "q k"]:
        near, index = similarity.topk(min(self.config.k, similarity.shape[1]), dim=1)
        classes = self.values[index].long()
        # Less the nearest's similarity: the shares are the same, and nothing overflows.
        votes = ((near - near[:, :1]) / self.config.temperature).exp() * self.weight[classes]
        shares = votes.new_zeros(len(votes), len(self.weight)).scatter_add_(1, classes, votes)
        return shares / shares.sum(1, keepdim=True)


def _make_room(head: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: object) -> None:
    """Before weights are loaded: a bank of the size that they have."""
    for name in ("keys", "values"):
        here = head.get_buffer(name)
        setattr(head, name, here.new_zeros(state[prefix + name].shape))


def patch_classes(truth: UInt8[np.ndarray, "b h w"], patch: int, classes: int) -> UInt8[np.ndarray, "b n"]:
    """The class that most pixels of each patch have, row-major; VOID where most have none."""
    b, h, w = truth.shape
    cells = truth.reshape(b, h // patch, patch, w // patch, patch)
    counts: Any = np.stack([(cells == c).sum(axis=(2, 4)) for c in (*range(classes), VOID)])
    most = counts.argmax(axis=0)
    return np.where(most == classes, VOID, most).astype(np.uint8).reshape(b, -1)


def choose_entries(
    classes: UInt8[np.ndarray, "frames n"], most: int, rng: np.random.Generator
) -> Int64[np.ndarray, " entries"]:
    """Indices, rising, into all patches laid end to end: at most `most`, drawn evenly from those with a
    class."""
    known = np.flatnonzero(classes.ravel() != VOID)
    return np.sort(rng.choice(known, min(most, len(known)), replace=False))
