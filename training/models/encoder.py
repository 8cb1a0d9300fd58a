"""The encoder that every method shares: RGB patches, and whatever else is embedded, to features.

Scratch, TST-MAE and TST-MM all end as this same module; it is the encoder of 4M (Mizrahi et al.,
arXiv:2312.06647), and fed with RGB alone it is a plain ViT."""

from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn

from scenes.config import Config
from training.models.blocks import (
    Block,
    SelfAttnMask,
    Style,
    attention_flops,
    heads_of,
    initialise,
    linear_flops,
    norm,
)
from training.models.positions import sincos_2d

# RGB reaches the encoder as (x/255 - mean)/std. "plain" is of constants, so that no statistics of other data
# come in; "imagenet" is what 4M's checkpoints were trained with.
PIXELS = {
    "plain": ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}


class EncoderConfig(Config):
    """An encoder, whatever it is trained for. In YAML the name of a size of 4M's (`encoder: S`) does too."""

    dim: int = Field(default=192, ge=16)
    """Width. A multiple of 192 keeps products aligned."""
    depth: int = Field(default=6, ge=1)
    """Number of blocks."""
    patch: int = Field(default=8, ge=1)
    """Side of a square RGB patch [pixels]."""
    heads: int = Field(default=0, ge=0)
    """Attention heads; 0: as many as there are 64 channels."""
    mlp: Literal["swiglu", "gelu"] = "swiglu"
    """swiglu, of 8/3 of the width (4M-21's), or gelu, of four times the width."""
    bias: bool = False
    """Biases in linears and norms."""
    registers: int = Field(default=0, ge=0)
    """Learned tokens without a place (a ViT's class token is one); the encoder gives no features of them."""
    qk_norm: bool = False
    """Layer norms on the queries and keys of every head, in the decoder too."""
    pixels: Literal["plain", "imagenet"] = "plain"
    """How RGB is normalised; imagenet: as 4M's checkpoints know it."""

    @model_validator(mode="before")
    @classmethod
    def _by_name(cls, data: Any) -> Any:
        """The name of one of `SIZES` stands for its encoder."""
        if not isinstance(data, str):
            return data
        if data not in SIZES:
            raise ValueError(f"no encoder is called {data!r}; choose from {', '.join(SIZES)}, or give fields")
        return dict(SIZES[data].encoder)

    def grid(self, image: int) -> int:
        """Patches along a side of a square image of `image` pixels. Raises ValueError where they do not
        come out even."""
        if image % self.patch:
            raise ValueError(
                f"images of {image} px do not divide into patches of {self.patch} px: choose encoder.patch "
                "(or the frames' size) so that they do"
            )
        return image // self.patch

    @property
    def style(self) -> Style:
        """What its blocks, and those of a decoder around it, have in common."""
        return Style(self.heads or heads_of(self.dim), self.mlp == "swiglu", self.bias, qk_norm=self.qk_norm)


class Size(NamedTuple):
    """A size of 4M's: `encoder` and the number of the decoder's blocks."""

    encoder: EncoderConfig
    decoder_depth: int


SIZES = {
    "Ti": Size(EncoderConfig(dim=384, depth=6, patch=16), 6),
    "S": Size(EncoderConfig(dim=512, depth=8, patch=16), 8),
    "B": Size(EncoderConfig(dim=768, depth=12, patch=16), 12),
    "L": Size(EncoderConfig(dim=1024, depth=24, patch=16), 24),
}


def patchify(rgb: Shaped[Tensor, "b h w c"], patch: int) -> Shaped[Tensor, "b n d"]:
    """Patches in row-major order, each flattened (row, column, channel)."""
    b, h, w, c = rgb.shape
    x = rgb.view(b, h // patch, patch, w // patch, patch, c).transpose(2, 3)
    return x.reshape(b, (h // patch) * (w // patch), patch * patch * c)


class Encoder(nn.Module):
    """`image`: side of the square images [pixels]; only the fixed positions depend on it."""

    def __init__(self, config: EncoderConfig, image: int):
        super().__init__()
        self.config = config
        self.grid = config.grid(image)
        self.patches = nn.Linear(3 * config.patch**2, config.dim, bias=False)
        self.rgb_embedding = nn.Parameter(torch.empty(config.dim))
        self.register_embedding = (
            nn.Parameter(torch.empty(config.registers, config.dim)) if config.registers else None
        )
        self.blocks = nn.ModuleList(Block(config.dim, config.style) for _ in range(config.depth))
        self.norm = norm(config.dim, config.style)
        self.positions: Tensor
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("positions", sincos_2d(self.grid, self.grid, config.dim), persistent=False)
        for name, value in zip(("mean", "std"), PIXELS[config.pixels], strict=True):
            repeated = 255.0 * torch.tensor(value).repeat(config.patch**2)
            self.register_buffer(name, repeated, persistent=False)

    def content(self, patches: Shaped[Tensor, "... p"]) -> Float[Tensor, "... d"]:
        """Patches without their places: uint8 as stored, or float normalised already."""
        if patches.dtype == torch.uint8:
            patches = (patches.float() - self.mean) / self.std
        return self.patches(patches)

    def embed(self, patches: Shaped[Tensor, "b n p"]) -> Float[Tensor, "b n d"]:
        """All patches of an image, row-major, with their places."""
        return self.content(patches) + (self.positions + self.rgb_embedding)

    def run(
        self,
        x: Float[Tensor, "b n d"],
        attn_mask: SelfAttnMask | None = None,
        return_registers: bool = False,
        drop_path_scale: Float[Tensor, "depth 2 b"] | None = None,
    ) -> Float[Tensor, "b m d"]:
        """Features of n embedded tokens after all blocks and the last norm.

        `attn_mask`: True where a token (row) attends to another (column); registers are attended to by all.
        `return_registers`: put the features of the registers in front, so that m = registers + n.
        `drop_path_scale`: factors of the residual branches of every block, see `Block`."""
        registers = self.config.registers
        if self.register_embedding is not None:
            x = torch.cat([self.register_embedding.expand(len(x), -1, -1), x], dim=1)
            attn_mask = None if attn_mask is None else F.pad(attn_mask, (registers, 0), value=True)
        for i, block in enumerate(self.blocks):
            x = block(x, attn_mask, None if drop_path_scale is None else drop_path_scale[i])
        return self.norm(x if return_registers else x[:, registers:])

    def forward(self, rgb: UInt8[Tensor, "b h w 3"]) -> Float[Tensor, "b n d"]:
        """Features of all patches of whole images, row-major: how transfer uses the encoder."""
        return self.run(self.embed(patchify(rgb, self.config.patch)))

    def flops(self, tokens: float, patches: float) -> dict[str, float]:
        """Forward FLOPs of one sample by part, for `tokens` visible tokens, `patches` of them of RGB."""
        dim, depth = self.config.dim, self.config.depth
        tokens = tokens + self.config.registers
        linears = [m for m in self.blocks.modules() if isinstance(m, nn.Linear)]
        return {
            "encoder.patches": linear_flops(self.patches, patches),
            "encoder.linears": sum(linear_flops(m, tokens) for m in linears),
            "encoder.attention": depth * attention_flops(tokens, tokens, dim),
        }


def build_encoder(config: EncoderConfig, image: int, seed: int) -> Encoder:
    """A freshly initialised encoder; the same seed gives the same weights, whatever is built around it."""
    encoder = Encoder(config, image)
    initialise(encoder, torch.Generator().manual_seed(seed))
    return encoder


def build_around(model: nn.Module, encoder: Encoder, seed: int) -> None:
    """Initialise `model` in place, then give its `encoder` exactly the weights of `build_encoder`."""
    initialise(model, torch.Generator().manual_seed(seed + 1))
    fresh = build_encoder(encoder.config, encoder.grid * encoder.config.patch, seed)
    encoder.load_state_dict(fresh.state_dict())
