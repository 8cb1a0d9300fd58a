"""What a network made of RGB, as an input of a task's model: numbers for each patch of RGB."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

from engine.store.schema import OF_WHOLE_IMAGES, OutputKind
from engine.stream.order import View
from scenes.config import Config
from training.models.modality_transforms import MODALITY_TRANSFORMS


class NetworkInput(Config):
    """An array that a network made, as a model keeps it beside its configuration."""

    output: OutputKind
    """What it is."""
    channels: int
    """Of features their width, of labels and boxes the number of classes."""
    digest: str
    """Of the network."""


def network_inputs(frames: View, inputs: tuple[str, ...]) -> dict[str, NetworkInput]:
    """Of `inputs` those that networks made, by name.

    Raises ValueError for one that is neither sensed nor made by a network, such as labels, and for a vector
    or text of the whole image, which has no places."""
    found = {}
    for name in inputs:
        origin = frames.origin_of(name)
        if origin is None:
            if name not in MODALITY_TRANSFORMS:
                raise ValueError(
                    f"inputs name {name!r}, which is neither sensed ({', '.join(MODALITY_TRANSFORMS)}) nor "
                    "made by a network of rgb (tst derive --network)"
                )
            continue
        if origin.output in OF_WHOLE_IMAGES:
            raise ValueError(f"inputs name {name!r}, one {origin.output} of a frame: give what has places")
        channels = len(origin.classes) or frames.frame_shape(name)[-1]
        found[name] = NetworkInput(output=origin.output, channels=channels, digest=origin.digest)
    return found


class PlaceInput(nn.Module):
    """Feature maps, label maps or boxes as tokens without their places, one a patch of RGB: features resized
    and of unit variance; of labels the share of each class; of boxes the score of each class there."""

    def __init__(self, made: NetworkInput, dim: int, grid: int):
        """`dim`: of the tokens; `grid`: patches along a side."""
        super().__init__()
        self.made, self._grid = made, grid
        width = made.channels + (made.output == "labels")
        self.patches = nn.Linear(width, dim, bias=False)
        self.modality_embedding = nn.Parameter(torch.empty(dim))

    def forward(self, stored: Shaped[Tensor, "b ..."]) -> Float[Tensor, "b n d"]:
        """Tokens of stored arrays, row by row."""
        values = _OF_KIND[self.made.output](stored, self._grid, self.made.channels)
        return self.patches(values.flatten(1, 2)) + self.modality_embedding


def _features(stored: Shaped[Tensor, "b h w c"], grid: int, channels: int) -> Float[Tensor, "b grid grid c"]:
    maps = stored.float().permute(0, 3, 1, 2)
    if maps.shape[-2:] != (grid, grid):
        maps = F.interpolate(maps, (grid, grid), mode="bilinear", align_corners=False, antialias=True)
    return F.normalize(maps.permute(0, 2, 3, 1), dim=-1) * channels**0.5


def _labels(stored: Shaped[Tensor, "b h w"], grid: int, channels: int) -> Float[Tensor, "b grid grid c1"]:
    classes = F.one_hot(stored.long(), channels + 1).float().permute(0, 3, 1, 2)
    return F.adaptive_avg_pool2d(classes, grid).permute(0, 2, 3, 1)


def _boxes(stored: Float[Tensor, "b most 6"], grid: int, channels: int) -> Float[Tensor, "b grid grid c"]:
    at = (torch.arange(grid, device=stored.device) + 0.5) / grid
    x0, y0, x1, y1, name, score = stored[..., None].unbind(2)
    across, down = (at >= x0) & (at < x1), (at >= y0) & (at < y1)
    inside = down[:, :, :, None] & across[:, :, None, :] & (name > 0)[..., None]
    scores = torch.where(inside, score[..., None], 0.0)
    out = scores.new_zeros(len(stored), channels + 1, grid, grid)
    index = name.long()[..., None].expand_as(scores)
    return out.scatter_reduce(1, index, scores, "amax")[:, 1:].permute(0, 2, 3, 1)


_OF_KIND = {"features": _features, "labels": _labels, "boxes": _boxes}
