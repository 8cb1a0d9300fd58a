"""Boxes as networks yield them: the best ones, in rows of `BOX_COLUMNS`."""

import torch
from jaxtyping import Float, Int64
from torch import Tensor


def best_boxes(
    corners: Float[Tensor, "b n 4"], scores: Float[Tensor, "b n classes"], most: int, least: float
) -> Float[Tensor, "b most 6"]:
    """Pairs of box and class by falling score; rows of a score below `least` are 0.

    `corners`: x0, y0, x1, y1 as shares of the image's width and height; they are clipped to it."""
    count, classes = scores.shape[1:]
    best, index = scores.flatten(1).topk(min(most, count * classes), dim=1)
    box = corners.gather(1, (index // classes)[..., None].expand(-1, -1, 4)).clamp(0, 1)
    rows = torch.cat([box, (index % classes + 1)[..., None].to(box.dtype), best[..., None]], -1)
    rows = rows * (best >= least)[..., None]
    return torch.nn.functional.pad(rows, (0, 0, 0, most - rows.shape[1]))


def kept_boxes(
    corners: Float[Tensor, "n 4"], scores: Float[Tensor, " n"], overlap: float
) -> Int64[Tensor, " kept"]:
    """Indices of boxes by falling score, without those whose intersection over union with a better one is
    above `overlap` (non-maximum suppression)."""
    order = scores.argsort(descending=True, stable=True)
    boxes = corners[order]
    sides = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    area = sides.prod(-1)
    inner = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    inner = (inner - torch.maximum(boxes[:, None, :2], boxes[None, :, :2])).clamp(min=0).prod(-1)
    covers = inner > overlap * (area[:, None] + area[None] - inner)
    kept = torch.ones(len(boxes), dtype=torch.bool, device=boxes.device)
    for i in range(len(boxes)):
        if kept[i]:
            kept[i + 1 :] &= ~covers[i, i + 1 :]
    return order[kept]
