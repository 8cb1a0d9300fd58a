"""Semantic segmentation: encoder features to a class per pixel, by a ConvNeXt head of depth 4, or a probe.

The head is that of MultiMAE and 4M (Bachmann et al., ECCV 2022, arXiv:2204.01678; blocks of Liu et al.,
arXiv:2201.03545): each token is projected and unfolded into a square of `upsample`² cells, four ConvNeXt
blocks mix these, a 1×1 layer gives logits, and bilinear interpolation brings them to the image. The probes
(`LinearHead` here, `NeighbourHead` in knn.py) say a class per patch and are interpolated likewise."""

from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.models.encoder import Encoder, patchify
from training.models.knn import NeighbourHead
from training.models.modality_transforms import modality_transform


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


class SegmentationHead(nn.Module):
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


def drop_path(
    rate: float, depth: int, batch: int, rng: np.random.Generator
) -> Float[Tensor, "depth 2 batch"] | None:
    """The `drop_path_scale` of `Encoder.run`: stochastic depth (Huang et al., arXiv:1603.09382), drawn for
    each sample as in timm.

    A branch is left out with a probability that grows linearly from 0 in the first block to `rate` in the
    last, and counts 1 / (1 - probability) otherwise. None for a rate of 0."""
    if rate == 0:
        return None
    chance = np.linspace(0, rate, depth)[:, None, None]
    return torch.from_numpy((rng.random((depth, 2, batch)) >= chance) / (1 - chance)).float()


class LinearHead(nn.Module):
    """Linear probe: a batch norm without affine weights, as MAE has before its linear probes (He et al.,
    arXiv:2111.06377, app. A.1), and one layer from a token's features to logits."""

    def __init__(self, dim: int, classes: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(dim, eps=1e-6, affine=False)
        self.classes = nn.Linear(dim, classes)

    def forward(self, features: Float[Tensor, "b n d"], grid: int) -> Float[Tensor, "b k h w"]:
        logits = self.classes(self.norm(features.float().flatten(0, 1)))
        return logits.view(len(features), grid, grid, -1).permute(0, 3, 1, 2)

    def initialise(self, generator: torch.Generator) -> None:
        """As MAE's probes: N(0, 0.01)."""
        nn.init.normal_(self.classes.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.classes.bias)


class ModalityInput(nn.Module):
    """A modality that the encoder was not made for, as tokens without their places: patches of what
    training/models/modality_transforms.py makes of it (depth as its logarithm, and where there is none),
    through a projection of its own, plus a vector that says which modality it is (MultiMAE,
    arXiv:2204.01678)."""

    def __init__(self, modality: str, dim: int, patch: int):
        super().__init__()
        self.transform, self.patch = modality_transform(modality), patch
        self.patches = nn.Linear(self.transform.channels * patch**2, dim, bias=False)
        self.modality_embedding = nn.Parameter(torch.empty(dim))

    def forward(self, images: Shaped[Tensor, "b h w *c"]) -> Float[Tensor, "b n d"]:
        values = self.transform.to_input(images).permute(0, 2, 3, 1).contiguous()
        return self.patches(patchify(values, self.patch)) + self.modality_embedding


class Segmenter(nn.Module):
    """Encoder and head: images as stored to class logits. `inputs`: the modalities it sees, rgb first.

    Tokens of all modalities attend to each other in the encoder. The head reads those of RGB alone: what the
    others know reaches it through attention, and the head is the same, at the same cost, whatever there is
    to see."""

    def __init__(
        self,
        encoder: Encoder,
        head: SegmentationHead | LinearHead | NeighbourHead,
        inputs: tuple[str, ...] = ("rgb",),
    ):
        super().__init__()
        self.encoder, self.head, self.inputs = encoder, head, inputs
        config = encoder.config
        self.further = nn.ModuleDict({m: ModalityInput(m, config.dim, config.patch) for m in inputs[1:]})

    def features(
        self, images: Mapping[str, Tensor], drop_path_scale: Float[Tensor, "depth 2 b"] | None = None
    ) -> Float[Tensor, "b n d"]:
        """Of the patches of RGB, row-major; `images`: each modality as stored, rgb uint8 [b, h, w, 3].
        `drop_path_scale`: of drop path, given in training only."""
        encoder = self.encoder
        tokens = encoder.embed(patchify(images["rgb"], encoder.config.patch))
        patches = tokens.shape[1]
        further = [embed(images[name]) + encoder.positions for name, embed in self.further.items()]
        return encoder.run(torch.cat([tokens, *further], dim=1), drop_path_scale=drop_path_scale)[:, :patches]

    def decode(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k h w"]:
        """Logits [classes] of every pixel."""
        grid = self.encoder.grid
        side = grid * self.encoder.config.patch
        at_patches = self.head(features, grid).float()
        logits = F.interpolate(at_patches, size=(side, side), mode="bilinear", align_corners=False)
        # Votes are mixed as the shares that they are; their logarithms are logits.
        return logits.clamp_min(1e-6).log() if isinstance(self.head, NeighbourHead) else logits

    def forward(
        self, images: Mapping[str, Tensor], drop_path_scale: Float[Tensor, "depth 2 b"] | None = None
    ) -> Float[Tensor, "b k h w"]:
        """Logits [classes] of every pixel."""
        return self.decode(self.features(images, drop_path_scale))
