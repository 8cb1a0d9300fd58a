"""Noise of colour cameras: exposure, motion blur, sensor noise. uint8 sRGB [h, w, 3] in and out."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from agents.srgb import SRGB_TO_LINEAR, to_srgb8

MID_GREY = 0.18
"""Linear value."""
READ = 0.25
"""Fraction of a mid-grey pixel's variance that is read noise; the rest is shot noise."""


def with_exposure(
    rgb: UInt8[np.ndarray, "h w 3"], stops: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Expose by a normal deviate of standard deviation `stops` more or less; overexposed pixels clip."""
    return exposed(rgb, rng.normal(0.0, stops))


def exposed(rgb: UInt8[np.ndarray, "h w 3"], stops: float) -> UInt8[np.ndarray, "h w 3"]:
    """Expose by `stops` more; overexposed pixels clip."""
    return to_srgb8(SRGB_TO_LINEAR[rgb] * 2.0**stops)


def with_sensor_noise(
    rgb: UInt8[np.ndarray, "h w 3"], sigma: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Add shot and read noise, of variance a·x + b (Foi, Trimeche, Katkovnik and Egiazarian, 2008).

    `sigma` is the standard deviation of a mid-grey pixel's linear value, as a fraction of white.
    """
    linear = SRGB_TO_LINEAR[rgb]
    variance = sigma**2 * ((1 - READ) * linear / MID_GREY + READ)
    return to_srgb8(linear + rng.normal(size=rgb.shape) * np.sqrt(variance))


def motion_blurred(
    rgb: UInt8[np.ndarray, "h w 3"], sigma: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Blur along a line in a random direction, as of a camera that turns evenly while its shutter is open.

    The line's extents along x and y are normal with standard deviation `sigma`, a fraction of the width.
    Linear light is averaged, as on a sensor.
    """
    x, y = rng.normal(0.0, sigma * rgb.shape[1], 2)
    kernel = line_kernel(x, y)
    if kernel.size == 1:
        return rgb
    linear = cv2.filter2D(SRGB_TO_LINEAR[rgb], -1, kernel, borderType=cv2.BORDER_REFLECT)
    return to_srgb8(linear)


def line_kernel(x: float, y: float) -> Float32[np.ndarray, "k k"]:
    """Filter kernel [k, k], k odd, of a line of x by y pixels through the centre; its weights sum to 1."""
    reach = int(np.ceil(max(abs(x), abs(y)) / 2))
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1), np.float32)
    steps = 8 * (2 * reach + 1)
    at = (np.arange(steps) + 0.5) / steps - 0.5
    px, py = at * x + reach, at * y + reach
    i, j = np.floor(py).astype(int), np.floor(px).astype(int)
    fy, fx = py - i, px - j
    for di, dj, weight in (
        (0, 0, (1 - fy) * (1 - fx)),
        (0, 1, (1 - fy) * fx),
        (1, 0, fy * (1 - fx)),
        (1, 1, fy * fx),
    ):
        inside = (i + di <= 2 * reach) & (j + dj <= 2 * reach)
        np.add.at(kernel, (i[inside] + di, j[inside] + dj), weight[inside])
    return kernel / kernel.sum()
