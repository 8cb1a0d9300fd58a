"""What a camera does to a picture: exposure, motion blur, grain. uint8 sRGB [h, w, 3] in and out."""

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from agents.srgb import SRGB_TO_LINEAR, to_srgb8

MID_GREY = 0.18
"""Linear."""
READ = 0.25
"""Share of a mid-grey pixel's variance that is read noise; the rest is the photons'."""


def exposed(
    rgb: UInt8[np.ndarray, "h w 3"], stops: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Over- or underexposed by a normal number of stops of that width; what is too bright stays white."""
    return to_srgb8(SRGB_TO_LINEAR[rgb] * 2.0 ** rng.normal(0.0, stops))


def grainy(
    rgb: UInt8[np.ndarray, "h w 3"], sigma: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Noise whose variance grows with the light: a·x + b (Foi, Trimeche, Katkovnik and Egiazarian, 2008).

    `sigma`: of a mid-grey pixel's linear value, as a share of white.
    """
    linear = SRGB_TO_LINEAR[rgb]
    variance = sigma**2 * ((1 - READ) * linear / MID_GREY + READ)
    return to_srgb8(linear + rng.normal(size=rgb.shape) * np.sqrt(variance))


def moved(
    rgb: UInt8[np.ndarray, "h w 3"], share: float, rng: np.random.Generator
) -> UInt8[np.ndarray, "h w 3"]:
    """Blurred along a line in a random direction, as a camera that turns evenly while its shutter is open.

    The line's half axes are normal with `share` of the width: a turn moves all of a narrow picture alike.
    Linear light is what adds up on a chip, so that is what is averaged.
    """
    x, y = rng.normal(0.0, share * rgb.shape[1], 2)
    kernel = line_kernel(x, y)
    if kernel.size == 1:
        return rgb
    linear = cv2.filter2D(SRGB_TO_LINEAR[rgb], -1, kernel, borderType=cv2.BORDER_REFLECT)
    return to_srgb8(linear)


def line_kernel(x: float, y: float) -> Float32[np.ndarray, "k k"]:
    """Weights [k, k], k odd, of a line of x by y pixels through the middle, float32; they sum to 1."""
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
