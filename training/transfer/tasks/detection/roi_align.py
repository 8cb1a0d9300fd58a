"""RoIAlign (He et al., Mask R-CNN, arXiv:1703.06870) in pure torch: features of boxes, sampled at points that
are not rounded to the grid."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor


def roi_align(
    features: Float[Tensor, "b c h w"],
    boxes: Sequence[Float[Tensor, "_n 4"]],
    stride: float,
    size: int,
    samples: int = 2,
) -> Float[Tensor, "n c size size"]:
    """Features of the boxes of each image, one image after another, on a grid of `size` by `size` cells.

    `stride`: side of what a feature stands for [pixels]. A cell is the mean of `samples`² points, evenly
    spaced, each interpolated bilinearly between the centres of features (aligned, as in Detectron2); a point
    more than one feature outside of them counts 0."""
    height, width = features.shape[2:]
    across = (torch.arange(size * samples, device=features.device) + 0.5) / (size * samples)
    found = []
    for image, own in enumerate(boxes):
        low, extent = own[:, :2] / stride - 0.5, (own[:, 2:] - own[:, :2]) / stride
        x = low[:, :1] + extent[:, :1] * across
        y = low[:, 1:] + extent[:, 1:] * across
        inside = ((y >= -1) & (y <= height))[:, :, None] & ((x >= -1) & (x <= width))[:, None, :]
        grid_x = ((2 * x + 1) / width - 1)[:, None, :].expand(-1, len(across), -1)
        grid_y = ((2 * y + 1) / height - 1)[:, :, None].expand(-1, -1, len(across))
        grid = torch.stack([grid_x, grid_y], dim=-1).flatten(0, 1)[None]
        values = F.grid_sample(features[image : image + 1], grid, padding_mode="border", align_corners=False)
        values = values[0].unflatten(1, (len(own), len(across))).transpose(0, 1) * inside[:, None]
        found.append(F.avg_pool2d(values, samples))
    return torch.cat(found)
