"""What stands between the encoder of a tokenizer and its decoder: latents become codes, codes become rows.

Two implementations of it: `training.tokenizers.vq.CosineVQ`, a codebook that is learned, and
`training.tokenizers.fsq.FSQ`, a grid that is not. `tests/training/quantiser_kit.py` says by test what both
promise."""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class Quantiser(nn.Module, ABC):
    """`codes`: how many there are. `dim`: length of a latent and of a row."""

    codes: int
    dim: int

    @abstractmethod
    def ids(self, z: Float[Tensor, "*n d"]) -> Int[Tensor, " *n"]:
        """The code of each latent, in fp32 whatever autocast says (ties would differ)."""

    @abstractmethod
    def rows(self, ids: Int[Tensor, " *n"]) -> Float[Tensor, "*n d"]:
        """What the decoder is given for codes."""

    @abstractmethod
    def start(self, z: Float[Tensor, "n d"], generator: torch.Generator) -> None:
        """Take first latents, at least `codes` of them, as what the codes begin with."""

    @abstractmethod
    def forward(
        self, z: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n d"], Int[Tensor, " n"], Float[Tensor, ""]]:
        """(rows of the latents, through which gradients pass to them; their codes; a loss that keeps latents
        near their rows). In training mode codes may move, and `generator` then decides what is left to
        chance."""


def usage(counts: Float[Tensor, " k"]) -> tuple[float, float]:
    """(share of codes used at all, perplexity of their distribution), from how often each was used."""
    p = counts.double() / counts.sum()
    entropy = -(p * p.clamp_min(1e-300).log()).sum()
    return float((counts > 0).double().mean()), float(entropy.exp())
