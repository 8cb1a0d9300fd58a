"""The sRGB transfer function (IEC 61966-2-1) and its inverse."""

import numpy as np
from jaxtyping import Float, Real


def to_linear(srgb: Real[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """Linear light of sRGB values, both in [0, 1]."""
    srgb = np.asarray(srgb, np.float64)
    return np.where(srgb <= 0.04045, srgb / 12.92, ((np.maximum(srgb, 0.0) + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: Real[np.ndarray, "*n"]) -> Float[np.ndarray, "*n"]:
    """sRGB values of linear light, both in [0, 1]; what lies outside is cut off."""
    x = np.clip(linear, 0.0, 1.0)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)
