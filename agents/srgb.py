"""sRGB bytes, as frames and textures hold them."""

import numpy as np
from jaxtyping import Float, UInt8

from scenes.srgb import to_linear, to_srgb

SRGB_TO_LINEAR = to_linear(np.arange(256) / 255).astype(np.float32)


def to_srgb8(linear: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    """The sRGB bytes of linear light; what lies outside [0, 1] is cut off."""
    return np.round(to_srgb(linear) * 255).astype(np.uint8)
