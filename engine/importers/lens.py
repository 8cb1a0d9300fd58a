"""Images straightened: the distortion of a lens taken out, so that the camera is a pinhole.

Coefficients are OpenCV's, of its model with radial and tangential terms or of its fisheye model.
"""

from collections.abc import Sequence
from functools import lru_cache, partial

import cv2
import numpy as np
from jaxtyping import Float32, Shaped, UInt8, UInt16

from engine.importers.capture import FrameSource


def undistorted(
    rgb: UInt8[np.ndarray, "h w 3"],
    depth: UInt16[np.ndarray, "dh dw"] | None,
    lens: Float32[np.ndarray, "4"],
    coefficients: Sequence[float],
) -> tuple[UInt8[np.ndarray, "h w 3"], UInt16[np.ndarray, "_ _"] | None]:
    """Colours and depth as a pinhole camera with the same fx, fy, cx, cy [pixels] sees them.

    `coefficients` are OpenCV's, in its order: k1, k2, p1, p2, k3 and, where there are, k4, k5, k6. Where all
    are 0 the frame stays as it is. Depth becomes as large as the colours, each pixel that of the nearest.
    """
    if not any(coefficients):
        return rgb, depth
    height, width = rgb.shape[:2]
    maps = _maps(height, width, lens, coefficients)
    straight = cv2.remap(rgb, *maps, interpolation=cv2.INTER_LINEAR)
    if depth is None:
        return straight, None
    whole = cv2.resize(depth, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    return straight, cv2.remap(whole, *maps, interpolation=cv2.INTER_NEAREST)


def straightened(
    source: FrameSource, lens: Float32[np.ndarray, "4"], coefficients: Sequence[float]
) -> FrameSource:
    """The source of a frame whose colours `undistorted` straightened."""
    if not any(coefficients):
        return source
    return source.after(partial(_straight_map, lens=lens, coefficients=tuple(coefficients)))


def _straight_map(
    values: Shaped[np.ndarray, "h w"], lens: Float32[np.ndarray, "4"], coefficients: Sequence[float]
) -> Shaped[np.ndarray, "h w"]:
    maps = _maps(values.shape[0], values.shape[1], lens, coefficients)
    return cv2.remap(values, *maps, interpolation=cv2.INTER_NEAREST)


def _maps(
    height: int, width: int, lens: Float32[np.ndarray, "4"], coefficients: Sequence[float]
) -> tuple[Float32[np.ndarray, "h w"], Float32[np.ndarray, "h w"]]:
    """Column and row of the distorted image that each pixel of the straight one shows."""
    fx, fy, cx, cy = lens.tolist()
    # OpenCV's pixel centres are whole numbers, a store's lie half a pixel further.
    matrix = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]])
    size = (width, height)
    return cv2.initUndistortRectifyMap(matrix, np.array(coefficients), np.eye(3), matrix, size, cv2.CV_32FC1)


class Fisheye:
    """A fisheye camera (Kannala and Brandt, PAMI 2006) and a pinhole that sees nothing that it does not.

    `lens` is fx, fy, cx, cy of the pinhole [pixels]."""

    def __init__(
        self, height: int, width: int, lens: tuple[float, ...], coefficients: tuple[float, ...]
    ) -> None:
        """Of an image [pixels] with fx, fy, cx, cy [pixels] and k1, k2, k3, k4. Raises ValueError where they
        are of no camera."""
        fx, fy, cx, cy = lens
        matrix, bent = np.array([[fx, 0, cx - 0.5], [0, fy, cy - 0.5], [0, 0, 1]]), np.array(coefficients)
        straight = cv2.fisheye.estimateNewCameraMatrixForUndistortRectify(
            matrix, bent, (width, height), np.eye(3), balance=0.0
        )
        self.lens = np.array(
            [straight[0, 0], straight[1, 1], straight[0, 2] + 0.5, straight[1, 2] + 0.5], np.float32
        )
        if not (np.isfinite(self.lens).all() and (self.lens[:2] > 0).all()):
            raise ValueError(f"fisheye intrinsics {lens} with k1 to k4 {coefficients} are of no camera")
        self._maps = cv2.fisheye.initUndistortRectifyMap(
            matrix, bent, np.eye(3), straight, (width, height), cv2.CV_32FC1
        )

    def straight(self, rgb: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """The image as the pinhole sees it."""
        return cv2.remap(rgb, *self._maps, interpolation=cv2.INTER_LINEAR)

    def straight_map(self, values: Shaped[np.ndarray, "mh mw"]) -> Shaped[np.ndarray, "h w"]:
        """A map of the same view, of any size, as the pinhole sees it, each pixel that of the nearest."""
        size = self._maps[0].shape[::-1]
        whole = cv2.resize(values, size, interpolation=cv2.INTER_NEAREST_EXACT)
        return cv2.remap(whole, *self._maps, interpolation=cv2.INTER_NEAREST)


fisheye = lru_cache(maxsize=4)(Fisheye)
"""The same, kept for the last few cameras: maps of a camera are as large as its images."""
