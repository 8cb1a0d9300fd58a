"""Heads of semantic segmentation: encoder features to logits of a class per pixel.

The head for fine-tuning is that of MultiMAE and 4M (Bachmann et al., ECCV 2022, arXiv:2204.01678; blocks of
Liu et al., arXiv:2201.03545): each token is projected and unfolded into a square of `upsample`² cells,
ConvNeXt blocks mix these, a 1×1 layer gives logits, and bilinear interpolation brings them to the image. The
probes (`LinearHead` here, `NeighbourHead` in knn.py) say a class per patch and are interpolated likewise."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.transfer.task import FeatureShape, Targets, TaskHead


class HeadConfig(Config):
    """A ConvNeXt head."""

    width: int = Field(default=64, ge=8)
    """Channels of the ConvNeXt blocks."""
    depth: int = Field(default=4, ge=1)
    """Number of ConvNeXt blocks."""
    upsample: int = Field(default=2, ge=1)
    """Cells along a side that each token unfolds into; cost grows with its square."""


class PixelHead(TaskHead):
    """A head that scores classes on a grid, which is interpolated to the pixels of the image."""

    def __init__(self, shape: FeatureShape):
        super().__init__()
        self.shape = shape

    @abstractmethod
    def scores(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k gh gw"]:
        """A score for each class at each cell of a grid over the image."""

    def forward(
        self, features: Float[Tensor, "b n d"], targets: Targets | None = None
    ) -> Float[Tensor, "b k h w"]:
        """Logits [classes] of every pixel."""
        side = self.shape.image
        scores = self.scores(features).float()
        return F.interpolate(scores, size=(side, side), mode="bilinear", align_corners=False)


class ConvNeXtBlock(nn.Module):
    """x += mlp(norm(depthwise 7×7 x)), channels last."""

    def __init__(self, width: int):
        super().__init__()
        self.mix = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        """Features after the block."""
        # Depthwise convolution in bf16 is slow on a CPU, and so is it channels-first: a permuted view of
        # channels-last memory in fp32 is 3 times faster than either way round.
        with torch.autocast(x.device.type, enabled=False):
            y = self.mix(x.float().permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x + self.down(F.gelu(self.up(self.norm(y)), approximate="tanh"))


class ConvNeXtHead(PixelHead):
    """Token features to logits at `upsample` times their resolution."""

    def __init__(self, config: HeadConfig, shape: FeatureShape, classes: int):
        super().__init__(shape)
        self.cells, self.width = config.upsample, config.width
        self.unfold = nn.Linear(shape.dim, config.width * config.upsample**2)
        self.blocks = nn.ModuleList(ConvNeXtBlock(config.width) for _ in range(config.depth))
        self.classes = nn.Linear(config.width, classes)

    def scores(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k gh gw"]:
        b, grid, s, c = len(features), self.shape.grid, self.cells, self.width
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


class LinearHead(PixelHead):
    """Linear probe: a batch norm without affine weights, as MAE has before its linear probes (He et al.,
    arXiv:2111.06377, app. A.1), and one layer from a token's features to logits."""

    def __init__(self, shape: FeatureShape, classes: int):
        super().__init__(shape)
        self.norm = nn.BatchNorm1d(shape.dim, eps=1e-6, affine=False)
        self.classes = nn.Linear(shape.dim, classes)

    def scores(self, features: Float[Tensor, "b n d"]) -> Float[Tensor, "b k gh gw"]:
        logits = self.classes(self.norm(features.float().flatten(0, 1)))
        return logits.view(len(features), self.shape.grid, self.shape.grid, -1).permute(0, 3, 1, 2)

    def initialise(self, generator: torch.Generator) -> None:
        """As MAE's probes: N(0, 0.01)."""
        nn.init.normal_(self.classes.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.classes.bias)
