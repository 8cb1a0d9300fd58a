"""Textures and their mip levels on a device.

Mip levels are a function of the image alone and take some 20 ms for 512 × 512 texels, so they are kept on
disk for the next process (`scenes/disk_cache.py`).
"""

from pathlib import Path

import cv2
import numpy as np
import warp as wp
from jaxtyping import UInt8, UInt32

import scenes.srgb
from agents import srgb
from agents.raycast import kernel_types as kt
from agents.srgb import SRGB_TO_LINEAR, to_srgb8
from scenes.disk_cache import Entry, default_cache, source_digest

MAX_TEXTURE = 1024
"""Longest side of a texture on the device [texels]; larger ones are scaled down."""
_CODE = tuple(Path(str(module)) for module in (__file__, srgb.__file__, scenes.srgb.__file__))


class DeviceTexture:
    """A texture and its mip levels on a device. `digest` is that of the image's content."""

    def __init__(self, image: UInt8[np.ndarray, "h w 3"], digest: str, device: str) -> None:
        key = f"mip levels {digest} {source_digest(*_CODE)} opencv {cv2.__version__}"
        levels = default_cache().fetch(key, lambda: _mip_entry(image)).arrays
        sizes = levels["sizes"].astype(np.int64)
        row = kt.Texture()
        row.texels = wp.array(levels["texels"], dtype=wp.uint32, device=device)
        starts = np.cumsum([0, *sizes.prod(1)])[:-1]
        row.starts = wp.array(starts.astype(np.int32), dtype=wp.int32, device=device)
        row.height, row.width = sizes[0].tolist()
        row.levels = len(sizes)
        self.row = row
        self.bytes = levels["texels"].nbytes


def mip_levels(image: UInt8[np.ndarray, "h w 3"]) -> list[UInt8[np.ndarray, "_ _ 3"]]:
    """Mip levels of an sRGB image, averaged in linear light, from MAX_TEXTURE at most down to one texel.

    Raises ValueError for anything but uint8 [h, w, 3].
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"a texture is uint8 [h, w, 3], got {image.dtype} {image.shape}")
    height, width = image.shape[:2]
    linear = SRGB_TO_LINEAR[image]
    shrink = MAX_TEXTURE / max(height, width)
    if shrink < 1.0:
        height, width = max(int(height * shrink), 1), max(int(width * shrink), 1)
        linear = cv2.resize(linear, (width, height), interpolation=cv2.INTER_AREA)
    levels = [to_srgb8(linear)]
    while height > 1 or width > 1:
        height, width = max(height >> 1, 1), max(width >> 1, 1)
        linear = cv2.resize(linear, (width, height), interpolation=cv2.INTER_AREA)
        levels.append(to_srgb8(linear))
    return levels


def packed(image: UInt8[np.ndarray, "*n 3"]) -> UInt32[np.ndarray, "_"]:
    """Pack sRGB bytes 0x00BBGGRR, as the kernels read them; flat."""
    red, green, blue = (image[..., c].astype(np.uint32).ravel() for c in range(3))
    return red | green << 8 | blue << 16


def _mip_entry(image: np.ndarray) -> Entry:
    levels = mip_levels(image)
    sizes = np.array([level.shape[:2] for level in levels], np.int32)
    return Entry({"texels": np.concatenate([packed(level) for level in levels]), "sizes": sizes})
