"""The shared encoder, with what others' vision transformers have beside it: learned positions, a norm before
the blocks, CLIP's activation. For transfers that start from such weights (training/transfer/starts)."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from training.models.blocks import Gelu
from training.models.encoder import Encoder, EncoderConfig


@dataclass(frozen=True)
class Kind:
    """What a family of vision transformers has that the shared encoder has not."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    """Of RGB from 0 to 1."""
    eps: float
    """Of its norms."""
    norm_before: bool = False
    """Whether tokens are normalised before the first block."""
    quick_gelu: bool = False
    """Whether MLPs have x·sigmoid(1.702 x) in place of GELU."""
    registers: int = 1
    """Its class token, where it has one."""
    norm_after: bool = True
    """Whether tokens are normalised after the last block."""


class OutsideEncoder(Encoder):
    """All its weights are 0 until they are loaded."""

    def __init__(self, config: EncoderConfig, image: int, kind: Kind):
        """`image`: side of the square images [pixels]. Raises ValueError for a configuration that no such
        transformer has."""
        own = (config.mlp, config.bias, config.registers, config.qk_norm)
        if own != ("gelu", True, kind.registers, False):
            token = " (its class token)" if kind.registers else ""
            raise ValueError(
                "an encoder that starts from a vision transformer of others has mlp: gelu, bias: true, "
                f"registers: {kind.registers}{token} and qk_norm: false"
            )
        super().__init__(config, image)
        self.positions = nn.Parameter(self._buffers.pop("positions").clone())  # pyright: ignore
        self._non_persistent_buffers_set.discard("positions")
        for buffer, value in ((self.mean, kind.mean), (self.std, kind.std)):
            buffer.copy_(255 * torch.tensor(value).repeat(config.patch**2))
        self.norm_before = nn.LayerNorm(config.dim) if kind.norm_before else nn.Identity()
        if not kind.norm_after:
            self.norm = nn.Identity()
        if kind.quick_gelu:
            for block in self.blocks:
                block.mlp = QuickGelu(config.dim)
        for module in self.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = kind.eps
        for parameter in self.parameters():
            nn.init.zeros_(parameter)

    def embed(self, patches: Shaped[Tensor, "b n p"]) -> Float[Tensor, "b n d"]:
        return self.norm_before(super().embed(patches))


class QuickGelu(Gelu):
    """out(x·sigmoid(1.702 x)) of up x, of four times the width: CLIP's."""

    def forward(self, x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
        hidden = self.up(x)
        return self.out(hidden * torch.sigmoid(1.702 * hidden))


def resized_positions(positions: Float[Tensor, "n d"], grid: int) -> Float[Tensor, "m d"]:
    """Learned positions of a square grid for one of `grid` × `grid`, bicubic as in DINOv2 and ViT."""
    side = math.isqrt(len(positions))
    if side == grid:
        return positions
    square = positions.unflatten(0, (side, side)).permute(2, 0, 1)[None].float()
    square = F.interpolate(square, (grid, grid), mode="bicubic", align_corners=False)
    return square[0].flatten(1).T.contiguous()
