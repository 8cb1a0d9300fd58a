"""The small convolutional autoencoder behind our own tokenizers, and its configuration.

The encoder looks at patches and their neighbours; the decoder works at twice the tokens' resolution at the
end, which takes the edge off the blocks. Between them stands a quantiser
(`training.tokenizers.quantiser`)."""

import math
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from pydantic import Field, model_validator
from torch import Tensor, nn

from engine.store.schema import OutputKind
from training.common.config import StageConfig
from training.models.modality_transforms import modality_transform
from training.tokenizers.fsq import FSQ, levels_for
from training.tokenizers.image_tokenizer import StoredImages
from training.tokenizers.quantiser import Quantiser
from training.tokenizers.vq import CosineVQ


class TokenizerConfig(StageConfig):
    patch: int = Field(default=8, ge=2, multiple_of=2)
    """Side of the square of pixels that one token stands for [pixels]."""
    quantiser: Literal["vq", "fsq"] = "vq"
    """vq: a cosine codebook that is learned; fsq: finite scalar quantisation, a grid that is not."""
    codes: int = Field(default=512, ge=2, le=65536)
    """Size of the codebook; fsq has a few codes less where its levels do not multiply to it."""
    code_dim: int = Field(default=16, ge=2)
    """Length of a code (vq; fsq has a number for each of its levels)."""
    levels: tuple[int, ...] = ()
    """Steps of each number of a code (fsq), 3 or more, together no more than `codes`; none: what the paper
    found best for so many codes."""
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
    held_out: float = Field(default=0.1, ge=0, le=0.5)
    """Share of the frames (whole chunks of the store) kept from training, to measure on; 0, or a store of
    fewer chunks: measured on what was trained on."""
    check_frames: int = Field(default=512, ge=1)
    """Frames, at most, on which error and usage are measured at the end."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints."""
    seed: int = 0
    """Of weights, batch order and codebook."""
    bf16: bool = True
    """Products of training in bfloat16 where the device is made for it (encoding is in fp32 always)."""

    @model_validator(mode="after")
    def _levels_make_the_codes(self) -> "TokenizerConfig":
        if self.levels and self.quantiser == "vq":
            raise ValueError("levels are for quantiser fsq: leave them out, or set quantiser to fsq")
        if self.quantiser == "fsq":
            levels = self.levels or levels_for(self.codes)
            if min(levels) < 3 or math.prod(levels) > self.codes:
                raise ValueError(
                    f"levels {list(levels)} make {math.prod(levels)} codes: each must be 3 or more, and "
                    f"their product no more than codes, {self.codes}"
                )
        return self

    def make_quantiser(self) -> Quantiser:
        """The quantiser that the fields describe, its codes not yet started."""
        if self.quantiser == "fsq":
            return FSQ(self.levels or levels_for(self.codes))
        return CosineVQ(self.codes, self.code_dim, self.decay)


class Residual(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.mix = nn.Conv2d(width, width, 3, padding=1)
        self.out = nn.Conv2d(width, width, 1)

    def forward(self, x: Float[Tensor, "b width gh gw"]) -> Float[Tensor, "b width gh gw"]:
        """x + conv(silu(conv(silu(norm x)))), at the same resolution."""
        return x + self.out(F.silu(self.mix(F.silu(self.norm(x)))))


class Tokenizer(nn.Module):
    """Of one modality: stored images to tokens and back. `output`: of the network that made the images; None
    for what is sensed."""

    def __init__(self, modality: str, config: TokenizerConfig, output: OutputKind | None = None):
        super().__init__()
        self.modality, self.config = modality, config
        self.transform = modality_transform(modality, output)
        width, patch = config.width, config.patch
        self.quantiser = config.make_quantiser()
        self.encoder = nn.Sequential(
            nn.Conv2d(self.transform.channels, width, patch, stride=patch),
            *(Residual(width) for _ in range(config.depth)),
            nn.GroupNorm(1, width),
            nn.Conv2d(width, self.quantiser.dim, 1),
        )
        self.decoder = nn.Sequential(
            nn.Conv2d(self.quantiser.dim, width, 1),
            *(Residual(width) for _ in range(config.depth)),
            nn.Conv2d(width, 2 * width, 1),
            nn.PixelShuffle(2),  # twice the resolution, half the width
            Residual(width // 2),
            nn.Conv2d(width // 2, self.transform.outputs * (patch // 2) ** 2, 1),
            nn.PixelShuffle(patch // 2),
        )

    @property
    def codes(self) -> int:
        """Tokens are below this."""
        return self.quantiser.codes

    @property
    def patch(self) -> int:
        """Side of the square of pixels that one token stands for [pixels]."""
        return self.config.patch

    @property
    def decodes(self) -> bool:
        """Always: there is a decoder."""
        return True

    def latents(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b gh gw d"]:
        """The encoder's output, before it is quantised."""
        return self.encoder(x).permute(0, 2, 3, 1)

    def forward(
        self, x: Float[Tensor, "b c h w"], generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "b o h w"], Int[Tensor, "b gh gw"], Float[Tensor, ""]]:
        """(output, tokens, commitment loss)."""
        z = self.latents(x)
        quantised, ids, commitment = self.quantiser(z.flatten(0, 2), generator)
        y = self.decoder(quantised.view(z.shape).permute(0, 3, 1, 2))
        return y.float(), ids.view(z.shape[:3]), commitment

    @torch.no_grad()
    def encode(self, images: StoredImages) -> Int[Tensor, "b gh gw"]:
        """Tokens of stored images, uint8 or uint16."""
        return self.quantiser.ids(self.latents(self.input(images)))

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> Shaped[np.ndarray, "b h w *c"]:
        """Images of the stored dtype from tokens."""
        z = self.quantiser.rows(tokens).permute(0, 3, 1, 2)
        return self.transform.to_image(self.decoder(z).float().cpu())

    def input(self, images: StoredImages) -> Float[Tensor, "b c h w"]:
        """Stored images as the encoder sees them, where the weights are."""
        device = next(self.parameters()).device
        return self.transform.to_input(torch.as_tensor(images).to(device))
