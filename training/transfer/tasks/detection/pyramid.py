"""The simple feature pyramid of ViTDet (Li et al., arXiv:2203.16527): maps of several resolutions, all of the
encoder's last features."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from training.transfer.task import FeatureShape


class ChannelNorm(nn.Module):
    """Layer norm over the channels of each place of a map."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        """The map after the norm."""
        return self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convolution(inputs: int, outputs: int, size: int) -> nn.Sequential:
    """A convolution that keeps the resolution, without bias, and a norm."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False), ChannelNorm(outputs)
    )


def mixing(channels: int, depth: int) -> list[nn.Module]:
    """So many 3×3 convolutions with their norms, each before a ReLU."""
    return [layer for _ in range(depth) for layer in (convolution(channels, channels, 3), nn.ReLU())]


class SimplePyramid(nn.Module):
    """Features of patches to maps with `scales` times their resolution (powers of two), finest first, of
    `width` channels each."""

    def __init__(self, shape: FeatureShape, width: int, scales: tuple[float, ...]):
        super().__init__()
        self.grid = shape.grid
        self.strides = [shape.patch / scale for scale in scales]
        self.sides = [math.ceil(shape.grid * scale) for scale in scales]
        self.levels = nn.ModuleList(_level(shape.dim, width, scale) for scale in scales)

    def forward(self, features: Float[Tensor, "b n d"]) -> list[Float[Tensor, "b width _h _w"]]:
        """The maps."""
        whole = features.transpose(1, 2).unflatten(2, (self.grid, self.grid))
        return [level(whole) for level in self.levels]


class _Half(nn.Module):
    """Half the resolution, rounded up: the maximum of each square of four."""

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c _h _w"]:
        return F.max_pool2d(x, 2, ceil_mode=True)


def _level(dim: int, width: int, scale: float) -> nn.Sequential:
    steps = round(math.log2(scale))
    layers: list[nn.Module] = [_Half() for _ in range(-steps)]
    for step in range(steps):
        if step:
            layers += [ChannelNorm(dim), nn.GELU()]
        layers.append(nn.ConvTranspose2d(dim, dim // 2, 2, stride=2))
        dim //= 2
    return nn.Sequential(*layers, convolution(dim, width, 1), convolution(width, width, 3))


def draw_weights(module: nn.Module, generator: torch.Generator) -> None:
    """Weights for layers before a ReLU (He et al., arXiv:1502.01852), biases of 0; norms as they are."""
    for child in module.modules():
        if isinstance(child, nn.Conv2d | nn.Linear | nn.ConvTranspose2d):
            # Of a transposed convolution with equal stride and size, each output is of one weight a channel.
            inputs = child.in_channels if isinstance(child, nn.ConvTranspose2d) else child.weight[0].numel()
            nn.init.normal_(child.weight, std=math.sqrt(2 / inputs), generator=generator)
            if child.bias is not None:
                nn.init.zeros_(child.bias)
