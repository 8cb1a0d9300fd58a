"""Edges of a frame: OpenCV's Canny detector (Canny, 1986) on the grey image of rgb, as in the paper."""

import cv2
import numpy as np
from jaxtyping import UInt8

LOW, HIGH = 50, 150
"""Thresholds on the L1 gradient of 8-bit grey (Sobel 3 × 3), the 1 : 3 that Canny advises: a pixel above
HIGH is an edge, one above LOW is one where it touches an edge. No blur goes before: frames are free of
sensor noise."""


def canny_edges(rgb: UInt8[np.ndarray, "n h w 3"]) -> UInt8[np.ndarray, "n h w"]:
    """0 or 255 for each pixel of each frame."""
    edges = np.zeros(rgb.shape[:3], np.uint8)
    for i, frame in enumerate(rgb):
        edges[i] = cv2.Canny(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), LOW, HIGH)
    return edges
