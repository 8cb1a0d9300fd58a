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
    scale = min(full_height / height, full_width / width)
    tall, wide = round(height * scale), round(width * scale)
    top, left = (full_height - tall) // 2, (full_width - wide) // 2
    window = frame.rgb[top : top + tall, left : left + wide]
    shrinks = tall >= height
    resampled = cv2.resize(
        window, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    out: dict[str, np.ndarray] = {"rgb": resampled}
    if frame.depth is not None:
        rows = (top + (np.arange(height) + 0.5) * tall / height) * frame.depth.shape[0] / full_height
        columns = (left + (np.arange(width) + 0.5) * wide / width) * frame.depth.shape[1] / full_width
        out["depth"] = frame.depth[rows.astype(int)[:, None], columns.astype(int)]
    if frame.pose is not None:
        out["pose"] = frame.pose
    if frame.intrinsics is not None:
        fx, fy, cx, cy = frame.intrinsics.astype(np.float64)
        x, y = width / wide, height / tall
        out["intrinsics"] = np.array([fx * x, fy * y, (cx - left) * x, (cy - top) * y], np.float32)
    return out
