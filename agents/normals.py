"""Surface normals where a simulator gives depth alone: of the plane through a pixel and its neighbours."""

import numpy as np
from jaxtyping import Float, UInt8

from agents.cameras import Cameras

NOISE = 0.002
"""Depth by which two pixels may lie off a line that is still taken for one plane [m]: whole millimetres
do."""


def normals_from_depth(depth_m: Float[np.ndarray, "n h w"], cameras: Cameras) -> UInt8[np.ndarray, "n h w 3"]:
    """Normals in the encoding of `agents/modalities.py` from z-depth [m]; 0 and what is not finite =
    nothing hit.

    Along rows and along columns, the neighbour is taken whose inverse depth continues most straightly: 1/z
    is linear over a plane's image, so that a plane's normals are exact up to its edges, and a pixel at an
    edge takes those of its own side. The normals are of faces, not smoothed as a renderer's are.
    """
    depth = np.asarray(depth_m, np.float64)
    n, height, width = depth.shape
    if (n, height, width) != (len(cameras), cameras.height, cameras.width):
        raise ValueError(
            f"depth {depth.shape} is not of {len(cameras)} cameras {cameras.height} × {cameras.width}"
        )
    hit = np.isfinite(depth) & (depth > 0)
    w = np.where(hit, 1.0 / np.where(hit, depth, 1.0), np.nan)
    fx, fy, cx, cy = (k[:, None, None] for k in cameras.intrinsics.astype(np.float64).T)
    # A plane n·P = d seen at (u, v) has 1/z = (nx (u - cx)/fx + ny (v - cy)/fy + nz) / d: slopes give n.
    across, down = _slope(w, 2), _slope(w, 1)
    u, v = np.arange(width) + 0.5 - cx, (np.arange(height) + 0.5)[:, None] - cy
    x, y = across * fx, down * fy
    z = w - across * u - down * v
    length = np.sqrt(x * x + y * y + z * z)
    # Towards the viewer: n·P < 0; and y up, z to the viewer, where the camera's axes go down and ahead.
    normal = -np.stack([x, -y, -z], -1) / np.where(length > 0, length, 1.0)[..., None]
    good = hit & np.isfinite(length) & (length > 0)
    return np.where(good[..., None], np.round((np.nan_to_num(normal) * 0.5 + 0.5) * 255), 0).astype(np.uint8)


def _slope(w: np.ndarray, axis: int) -> np.ndarray:
    """Change per pixel along an axis, from the side where the two next pixels lie more nearly on a line;
    over all four where they do on both, which evens out depths of whole millimetres; zero where there is no
    neighbour."""
    (one, two), (back, back_two) = ((_shifted(w, axis, s), _shifted(w, axis, 2 * s)) for s in (-1, 1))
    bend, back_bend = (
        np.nan_to_num(np.abs(q - 2 * p + w), nan=np.inf) for p, q in ((one, two), (back, back_two))
    )
    slope = np.where(bend <= back_bend, one - w, w - back)
    alone = ~np.isfinite(np.minimum(bend, back_bend))
    slope = np.where(alone, np.where(np.isfinite(one), one - w, w - back), slope)
    slope = np.where(np.maximum(bend, back_bend) <= NOISE * w * w, (two - back_two) / 4, slope)
    return np.where(np.isfinite(slope), slope, np.where(np.isfinite(w), 0.0, np.nan))


def _shifted(w: np.ndarray, axis: int, shift: int) -> np.ndarray:
    out = np.roll(w, shift, axis)
    edge = [slice(None)] * w.ndim
    edge[axis] = slice(0, shift) if shift > 0 else slice(shift, None)
    out[tuple(edge)] = np.nan
    return out
