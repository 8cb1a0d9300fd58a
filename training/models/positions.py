"""Fixed positions of 4M (Mizrahi et al., arXiv:2312.06647): sines and cosines of place, nothing learned."""

import torch
from jaxtyping import Float
from torch import Tensor


def sincos_1d(length: int, dim: int) -> Float[Tensor, "n dim"]:
    """Positions of a sequence: sin and cos of n·10000^(-i/(dim/2)), dim/2 each.

    Angles are in fp32, as in 4M: at place 500 that moves the sines by 1e-5. Raises ValueError for an odd
    width."""
    if dim % 2:
        raise ValueError(f"a width of {dim} cannot carry sin-cos positions: choose an even one")
    angle = torch.arange(length, dtype=torch.float32)[:, None] * _omega(dim // 2).float()
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def sincos_2d(height: int, width: int, dim: int) -> Float[Tensor, "n dim"]:
    """Positions of the `height` x `width` tokens of a grid: sin a, cos a, sin b, cos b, dim/4 each.

    Token n stands at a = n // height, b = n % height. On a square grid, which is what 4M trains on, that is
    (row, column) in row-major order. On another it is not, yet every token has a place of its own; 4M's
    checkpoints know it so, hence so do we. Raises ValueError for a width that is no multiple of 4."""
    n = torch.arange(height * width)
    return _sines((n // height).double(), (n % height).double(), dim)


def sincos_2d_across(grid: int, whole: int, dim: int) -> Float[Tensor, "n dim"]:
    """Positions of the `grid` x `grid` tokens of a smaller image, laid over all of a grid of `whole` x
    `whole`: token i of a side stands where its middle comes to lie, (i + 0.5)·whole/grid - 0.5.

    With `grid` equal to `whole` that is `sincos_2d`. Raises ValueError as that does."""
    side = (torch.arange(grid, dtype=torch.float64) + 0.5) * whole / grid - 0.5
    return _sines(side.repeat_interleave(grid), side.repeat(grid), dim)


def _sines(a: Float[Tensor, " n"], b: Float[Tensor, " n"], dim: int) -> Float[Tensor, "n dim"]:
    if dim % 4:
        raise ValueError(f"a width of {dim} cannot carry 2-D sin-cos positions: choose a multiple of 4")
    a, b = (place[:, None] * _omega(dim // 4) for place in (a, b))
    return torch.cat([a.sin(), a.cos(), b.sin(), b.cos()], dim=-1).float()


def _omega(count: int) -> Float[Tensor, " count"]:
    return 10000.0 ** (-torch.arange(count, dtype=torch.float64) / count)
