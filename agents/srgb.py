"""sRGB and linear light."""

import numpy as np


def srgb_to_linear(srgb: np.ndarray) -> np.ndarray:
    """Linear light of sRGB values in [0, 1] (IEC 61966-2-1)."""
    srgb = np.asarray(srgb, np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.0) + 0.055) / 1.055) ** 2.4)


SRGB_TO_LINEAR = srgb_to_linear(np.arange(256) / 255).astype(np.float32)


def linear_to_srgb(linear: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] of linear light; what is beyond [0, 1] is cut off."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def to_srgb8(linear: np.ndarray) -> np.ndarray:
    """The sRGB bytes of linear light in [0, 1]."""
    return np.round(linear_to_srgb(linear) * 255).astype(np.uint8)
