"""Frames of any size brought to a store's: the largest window of its shape about the centre, then scaled."""

import cv2
import numpy as np
from jaxtyping import Shaped

from engine.importers.capture import CapturedFrame


def fit(frame: CapturedFrame, height: int, width: int) -> dict[str, Shaped[np.ndarray, "..."]]:
    """The frame's modalities at a size [pixels].

    Colours are averaged over what becomes a pixel; depth is that of the nearest pixel, since the mean of two
    depths is neither surface. Intrinsics follow the window.
    """
    full_height, full_width = frame.rgb.shape[:2]
    top, left, tall, wide = _window(full_height, full_width, height, width)
    window = frame.rgb[top : top + tall, left : left + wide]
    shrinks = tall >= height
    resampled = cv2.resize(
        window, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    out: dict[str, np.ndarray] = {"rgb": resampled}
    if frame.depth is not None:
        out["depth"] = fit_map(frame.depth, (full_height, full_width), height, width)
    if frame.semantic is not None:
        out["semantic"] = fit_map(frame.semantic, (full_height, full_width), height, width)
    if frame.pose is not None:
        out["pose"] = frame.pose
    if frame.intrinsics is not None:
        fx, fy, cx, cy = frame.intrinsics.astype(np.float64)
        x, y = width / wide, height / tall
        out["intrinsics"] = np.array([fx * x, fy * y, (cx - left) * x, (cy - top) * y], np.float32)
    return out


def fit_map(
    values: Shaped[np.ndarray, "mh mw"], of: tuple[int, int], height: int, width: int
) -> Shaped[np.ndarray, "height width"]:
    """A map of the same view as an image `of` that height and width, at a size [pixels], each pixel that of
    the nearest."""
    top, left, tall, wide = _window(*of, height, width)
    rows = (top + (np.arange(height) + 0.5) * tall / height) * values.shape[0] / of[0]
    columns = (left + (np.arange(width) + 0.5) * wide / width) * values.shape[1] / of[1]
    return values[rows.astype(int)[:, None], columns.astype(int)]


def _window(full_height: int, full_width: int, height: int, width: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of the largest window of a shape about the centre."""
    scale = min(full_height / height, full_width / width)
    tall, wide = round(height * scale), round(width * scale)
    return (full_height - tall) // 2, (full_width - wide) // 2, tall, wide
