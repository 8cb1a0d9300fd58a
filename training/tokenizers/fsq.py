"""Finite scalar quantisation (Mentzer et al., arXiv:2309.15505): a latent of few numbers, each rounded to one
of a few levels. The codes are all combinations, so there is no codebook to learn and none to die; the encoder
must learn to use the grid."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from training.tokenizers.quantiser import Quantiser

# Levels by number of codes: for 256, 1,024, 16,384 and 65,536 the paper's, the others by its rule (as few
# numbers as leave each 5 levels or more, where so few codes can). Never more codes than asked for.
LEVELS: dict[int, tuple[int, ...]] = {
    16: (4, 4),
    64: (8, 8),
    256: (8, 6, 5),
    512: (8, 8, 8),
    1024: (8, 5, 5, 5),
    4096: (8, 8, 8, 8),
    16384: (8, 8, 8, 6, 5),
    65536: (8, 8, 8, 5, 5, 5),
}


def levels_for(codes: int) -> tuple[int, ...]:
    """Levels whose combinations are `codes`, or a few less. Raises ValueError where the table has none."""
    if codes not in LEVELS:
        raise ValueError(f"no levels are known for {codes} codes: set tokenizer.levels, or codes to one of "
                         f"{', '.join(map(str, LEVELS))}")  # fmt: skip
    return LEVELS[codes]


class FSQ(Quantiser):
    """`levels`: into how many the range of each number is cut, at least 3."""

    def __init__(self, levels: tuple[int, ...]):
        super().__init__()
        self.codes, self.dim = math.prod(levels), len(levels)
        self.levels: Tensor  # [dim]
        self.places: Tensor  # [dim], worth of a step of each number in a code
        self.register_buffer("levels", torch.tensor(levels), persistent=False)
        places = torch.tensor((1, *levels[:-1])).cumprod(0)
        self.register_buffer("places", places, persistent=False)

    def ids(self, z: Float[Tensor, "*n d"]) -> Int[Tensor, " *n"]:
        with torch.autocast(z.device.type, enabled=False):
            steps = self._bounded(z.float()).round().long() + self.levels // 2
            return (steps * self.places).sum(-1)

    def rows(self, ids: Int[Tensor, " *n"]) -> Float[Tensor, "*n d"]:
        half = self.levels // 2
        return (ids[..., None] // self.places % self.levels - half) / half

    def start(self, z: Float[Tensor, "n d"], generator: torch.Generator) -> None:
        """The grid is what it is."""

    def forward(
        self, z: Float[Tensor, "n d"], generator: torch.Generator | None = None
    ) -> tuple[Float[Tensor, "n d"], Int[Tensor, " n"], Float[Tensor, ""]]:
        """Rows are within ±1. Nothing is learned that latents would have to stay near: no loss."""
        with torch.autocast(z.device.type, enabled=False):
            bounded = self._bounded(z.float())
            ids = self.ids(z)
            # Rounding has no gradient of its own: that of the bound stands for it.
            soft = bounded / (self.levels // 2)
            return soft + (self.rows(ids) - soft).detach(), ids, soft.new_zeros(())

    def _bounded(self, z: Float[Tensor, "*n d"]) -> Float[Tensor, "*n d"]:
        """Each number within the range that rounds to its levels: symmetric where they are odd; where they
        are even, half a level lower, with 0 still at 0."""
        half = (self.levels - 1) * (1 - 1e-3) / 2
        offset = torch.where(self.levels % 2 == 0, 0.5, 0.0)
        return (z + torch.atanh(offset / half)).tanh() * half - offset
