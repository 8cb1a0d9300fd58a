"""Masks of COCO's JSON: run lengths, compressed or not, and polygons (Lin et al., arXiv:1405.0312)."""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Bool

_FINER = 5  # cells along a pixel in which polygons are drawn; odd, so that one lies at the pixel's centre


def encode_mask(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    """COCO's run lengths, not compressed: of zeros and ones in turn, column by column, zeros first."""
    line = mask.ravel(order="F")
    changes = np.flatnonzero(np.diff(line, prepend=False, append=~line[-1:]))
    return {"size": list(mask.shape), "counts": np.diff(changes, prepend=0).tolist()}


def decode_mask(segmentation: Any, height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """A mask of an image of that size [pixels], from run lengths or polygons.

    Raises ValueError for run lengths of another image or that do not fill it, and for what is neither.
    """
    if isinstance(segmentation, list):
        return _of_polygons(segmentation, height, width)
    try:
        size, counts = list(segmentation["size"]), segmentation["counts"]
        runs = np.array(_decompress(counts) if isinstance(counts, str) else counts, np.int64)
    except (KeyError, TypeError, ValueError, IndexError, OverflowError) as error:
        raise ValueError(f"a mask is neither polygons nor run lengths ({error!r})") from error
    if size != [height, width]:
        raise ValueError(f"a mask is of {size} pixels, its image of {[height, width]}")
    if (runs < 0).any() or runs.sum() != height * width:
        raise ValueError(f"run lengths of a mask fill {runs.sum()} pixels, its image has {height * width}")
    line = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return line.reshape(height, width, order="F")


def _of_polygons(polygons: list[Any], height: int, width: int) -> Bool[np.ndarray, "h w"]:
    """The pixels whose centre lies in one of the polygons: lists x0, y0, x1, y1 ... along pixels' edges."""
    mask = np.zeros((height, width), bool)
    for polygon in polygons:
        try:
            corners = np.array(polygon, np.float64).reshape(-1, 2)
        except (TypeError, ValueError) as error:
            raise ValueError(f"a polygon is no list of x and y in turn ({error})") from error
        if len(corners) < 3 or not np.isfinite(corners).all():
            raise ValueError(f"a polygon has {len(corners)} corners: it needs three, all of finite numbers")
        corners = np.clip(corners, (-width, -height), (2 * width, 2 * height))
        left, top = np.clip(np.floor(corners.min(0)), 0, (width, height)).astype(int)
        right, bottom = np.clip(np.ceil(corners.max(0)), 0, (width, height)).astype(int)
        if right <= left or bottom <= top:
            continue
        cells = np.zeros(((bottom - top) * _FINER, (right - left) * _FINER), np.uint8)
        # A cell's centre is a whole number to OpenCV; pixels' edges are whole numbers to COCO.
        places = np.rint((corners - (left, top)) * _FINER - 0.5).astype(np.int32)
        cv2.fillPoly(cells, [places], 1)
        mask[top:bottom, left:right] |= cells[_FINER // 2 :: _FINER, _FINER // 2 :: _FINER] > 0
    return mask


def _decompress(text: str) -> list[int]:
    """COCO's compressed run lengths: five bits a character and a sixth that says that more follow; from the
    fourth run on what is kept is the difference to the run two before."""
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value, shift = 0, 0
    return runs
