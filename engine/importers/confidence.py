"""Depth of ARKit with its confidence, one image each: what it is least sure of is taken for not measured."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Shaped, UInt8, UInt16

from engine.importers.capture import read_depth

LEAST_CONFIDENCE = 1  # of 0, 1 and 2


def trusted_depth(path: Path, confidence: Path) -> UInt16[np.ndarray, "h w"]:
    """Depth [mm] of a 16-bit image in millimetres, 0 where its confidence, where there is one, is lowest.

    Raises ValueError for images that are none or differ in size.
    """
    depth = read_depth(path, 1.0)
    if not confidence.is_file():
        return depth
    return trusted(depth, read_confidence(confidence), f"{confidence} beside {path}")


def trusted(
    depth: UInt16[np.ndarray, "h w"], confidence: Shaped[np.ndarray, "ch cw"], where: str
) -> UInt16[np.ndarray, "h w"]:
    """Depth [mm], 0 where its confidence is lowest. Raises ValueError where the two differ in size."""
    if confidence.shape != depth.shape:
        raise ValueError(
            f"{where}: confidence is of {list(confidence.shape)} pixels, depth of {list(depth.shape)}: copy "
            "the capture again"
        )
    return np.where(confidence >= LEAST_CONFIDENCE, depth, 0).astype(np.uint16)


def read_confidence(path: Path) -> UInt8[np.ndarray, "h w"]:
    """ARKit's confidence of each depth, 0, 1 or 2. Raises ValueError for another file."""
    image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if image is None:
        raise ValueError(
            f"{path} is no image that can be read: delete it, and its depth is taken as measured"
        )
    return image
