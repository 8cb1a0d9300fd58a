"""Semantic segmentation: encoder features to a class per pixel, by a ConvNeXt head of depth 4.

The head of MultiMAE and 4M (Bachmann et al., ECCV 2022, arXiv:2204.01678; blocks of Liu et al.,
arXiv:2201.03545): each token is projected and unfolded into a square of `upsample`² cells, four ConvNeXt
blocks mix these, a 1×1 layer gives logits, and bilinear interpolation brings them to the image."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from pydantic import Field
from torch import Tensor, nn

from training.config import Config
from training.encoder import Encoder


class HeadConfig(Config):
    width: int = Field(default=64, ge=8)
    """Channels of the ConvNeXt blocks."""
    depth: int = Field(default=4, ge=1)
    """Number of ConvNeXt blocks."""
    upsample: int = Field(default=2, ge=1)
    """Cells along a side that each token unfolds into; cost grows with its square."""


class ConvNeXtBlock(nn.Module):
    """x += mlp(norm(depthwise 7×7 x)), channels last."""

    def __init__(self, width: int):
        super().__init__()
        self.mix = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        # Depthwise convolution in bf16 is slow on a CPU, and so is it channels-first: a permuted view of
        # channels-last memory in fp32 is 3 times faster than either way round.
        with torch.autocast(x.device.type, enabled=False):
            y = self.mix(x.float().permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.down(F.gelu(self.up(self.norm(y)), approximate="tanh"))


class Head(nn.Module):
    """Token features on a grid to logits at `upsample` times its resolution."""

    def __init__(self, dim: int, config: HeadConfig, classes: int):
        super().__init__()
        self.cells, self.width = config.upsample, config.width
        self.unfold = nn.Linear(dim, config.width * config.upsample**2)
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.width) for _ in range(config.depth))
        self.classes = nn.Linear(config.width, classes)

    def forward(self, features: Float[Tensor, "b n d"], grid: int) -> Float[Tensor, "b k h w"]:
        b, s, c = len(features), self.cells, self.width
        x = self.unfold(features).view(b, grid, grid, s, s, c)
        x = x.transpose(2, 3).reshape(b, grid * s, grid * s, c)
        for block in self.blocks:
            x = block(x)
        return self.classes(x).permute(0, 3, 1, 2)

    def initialise(self, generator: torch.Generator) -> None:
        """Truncated normals of 0.02 and zero biases, as ConvNeXt has them."""
        for child in self.modules():
            if isinstance(child, nn.Conv2d | nn.Linear):
                nn.init.trunc_normal_(child.weight, std=0.02, generator=generator)
                if child.bias is not None:
                    nn.init.zeros_(child.bias)


class Segmenter(nn.Module):
    """Encoder and head: uint8 images to class logits."""

    def __init__(self, encoder: Encoder, config: HeadConfig, classes: int, seed: int):
        super().__init__()
        self.encoder = encoder
        self.head = Head(encoder.config.dim, config, classes)
        self.head.initialise(torch.Generator().manual_seed(seed + 2))

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b k h w"]:
        """Logits [classes] of every pixel."""
        logits = self.head(self.encoder(rgb), self.encoder.grid).float()
        return F.interpolate(logits, size=rgb.shape[1:3], mode="bilinear", align_corners=False)
