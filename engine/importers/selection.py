"""Which frames of a capture are worth keeping: not the blurred ones, and none twice."""

from collections import deque

import cv2
import numpy as np
from jaxtyping import UInt8

_WINDOW = 15  # frames whose median says how sharp frames are here


class FrameSelection:
    """Decides frame by frame, in order, and counts what it dropped."""

    def __init__(self, min_sharpness: float, min_change: float) -> None:
        """`min_sharpness`: least variance of the Laplacian, as a share of the median of the last frames.
        `min_change`: least mean difference from the frame kept last [steps of 255]. 0 drops none."""
        self.min_sharpness, self.min_change = min_sharpness, min_change
        self.blurred = self.repeated = 0
        self._sharpness: deque[float] = deque(maxlen=_WINDOW)
        self._last: np.ndarray | None = None

    def keeps(self, rgb: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Whether the frame is kept."""
        grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
        sharpness = float(cv2.Laplacian(grey, cv2.CV_64F).var())
        self._sharpness.append(sharpness)
        if sharpness < self.min_sharpness * float(np.median(self._sharpness)):
            self.blurred += 1
            return False
        if self._last is not None and np.abs(grey - self._last).mean() < self.min_change:
            self.repeated += 1
            return False
        self._last = grey.astype(np.float32)
        return True

    @property
    def rule(self) -> str:
        """The rule and what it did, in a line."""
        return (
            f"{self.blurred} frames dropped as blurred (variance of the Laplacian below "
            f"{self.min_sharpness:g} of the median of the last {_WINDOW}), {self.repeated} as repeated "
            f"(mean change below {self.min_change:g} of 255)"
        )
