"""Noise of range cameras: depth as uint16 millimetres [h, w] in and out, 0 where there is no measurement.

Errors have the size of the instruments' in metres and angles, whatever the resolution and field of view.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt16

# The first Kinect (Khoshelham and Elberink, 2012): focal length [px], baseline [m], disparity steps a pixel.
FOCAL, BASELINE, STEPS = 585.6, 0.075, 8
NEAREST, FARTHEST = 0.5, 5.0
"""Range in which the first Kinect measures [m] (ibid.)."""
GRAZING = np.radians(82.0)
"""Beyond this angle to a surface's normal it measures nothing (Nguyen, Izadi and Lovell, 2012)."""
JITTER = 0.5
"""Standard deviation of a measurement's lateral offset [pixels of the Kinect] (Barron and Malik, 2013)."""

LIDAR_SIGMA = 0.01
"""Standard deviation of a time-of-flight range at 0 m [m], after data sheets of indoor scanners."""
LIDAR_PER_METRE = 0.002
"""Its increase per metre of range."""
LIDAR_FULL = 0.02
"""Smallest returned light that gives a measurement; a facing white wall at 1 m returns 1, and it falls with
cos / r²."""
LIDAR_LOST = 0.005
"""Fraction of rays that are lost whatever light they return."""


def kinect(
    depth: UInt16[np.ndarray, "h w"], lens: Float32[np.ndarray, "4"], rng: np.random.Generator
) -> UInt16[np.ndarray, "h w"]:
    """Structured light: lateral and axial noise, quantised disparity, projector shadows, a limited range.

    Jitter as of Barron and Malik (2013), axial noise by distance and angle as of Nguyen, Izadi and Lovell
    (2012), quantised disparity and range as of Khoshelham and Elberink (2012). There is no
    measurement where the projector, beside the camera, does not shine.
    """
    height, width = depth.shape
    angle = incidence(depth, lens)
    scale = lens[0] / FOCAL
    y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    dy, dx = rng.normal(0.0, JITTER * scale, (2, height, width))
    row = np.clip(np.rint(y + dy).astype(int), 0, height - 1)
    column = np.clip(np.rint(x + dx).astype(int), 0, width - 1)
    z = depth[row, column] / 1000.0
    theta = np.minimum(angle, GRAZING)
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = 0.0012 + 0.0019 * (z - 0.4) ** 2
        sigma += 0.0001 / np.sqrt(z) * theta**2 / (np.pi / 2 - theta) ** 2
        z = z + np.where(z > 0, sigma, 0.0) * rng.normal(size=depth.shape)
        steps = STEPS * FOCAL * BASELINE
        z = steps / np.rint(steps / z)
    lost = (depth == 0) | (angle > GRAZING) | in_shadow(depth, lens) | ~((z > NEAREST) & (z < FARTHEST))
    return np.where(lost, 0, np.rint(np.where(lost, 0, z) * 1000)).astype(np.uint16)


def lidar(
    depth: UInt16[np.ndarray, "h w"], lens: Float32[np.ndarray, "4"], rng: np.random.Generator
) -> UInt16[np.ndarray, "h w"]:
    """Time of flight: noise along the ray that grows with range; no return where too little light comes back.

    Light that comes back from a diffuse surface falls with its angle and the square of its distance (Wagner
    et al., 2006); rays lost at random stand for what models of scanners call ray drop (Manivasagam et al.,
    2020). The magnitudes are ours, after data sheets.
    """
    slant = np.linalg.norm(_rays(depth.shape, lens), axis=-1)
    reach = depth / 1000.0 * slant
    light = np.cos(incidence(depth, lens)) / np.maximum(reach, 0.1) ** 2
    noisy = reach + (LIDAR_SIGMA + LIDAR_PER_METRE * reach) * rng.normal(size=depth.shape)
    lost = (depth == 0) | (light < LIDAR_FULL * rng.uniform(0.5, 1.5, depth.shape))
    lost |= rng.random(depth.shape) < LIDAR_LOST
    millimetres = np.clip(np.rint(noisy / slant * 1000), 1, 65535)
    return np.where(lost, 0, millimetres).astype(np.uint16)


DEPTH_NOISE: dict[str, Callable[[np.ndarray, np.ndarray, np.random.Generator], np.ndarray]] = {
    "kinect": kinect,
    "lidar": lidar,
}


def incidence(depth: UInt16[np.ndarray, "h w"], lens: Float32[np.ndarray, "4"]) -> Float[np.ndarray, "h w"]:
    """Angle between each pixel's ray and the surface's normal, from the depth about it [radians].

    The smaller of the differences to both neighbours is used, so that an edge does not count as a slope.
    """
    rays = _rays(depth.shape, lens)
    points = rays * (depth[..., None] / 1000.0)
    normal = np.cross(_least_difference(points, 1), _least_difference(points, 0))
    length = np.linalg.norm(normal, axis=-1) * np.linalg.norm(rays, axis=-1)
    cos = np.abs((normal * rays).sum(-1)) / np.maximum(length, 1e-12)
    return np.arccos(np.clip(cos, 0.0, 1.0))


def in_shadow(depth: UInt16[np.ndarray, "h w"], lens: Float32[np.ndarray, "4"]) -> Bool[np.ndarray, "h w"]:
    """Where a nearer surface hides the point from the projector, BASELINE to the camera's right, bool [h, w].

    Seen from there a point lies f·b/z pixels further left; it is hidden if anything right of it in the
    picture comes to lie left of it. (Behind thin objects this hides a little too much.)
    """
    with np.errstate(divide="ignore"):
        shift = np.where(depth > 0, lens[0] * BASELINE * 1000.0 / depth, 0.0)
    seen_at = np.arange(depth.shape[1]) - shift
    from_right = np.minimum.accumulate(seen_at[:, ::-1], axis=1)[:, ::-1]
    hidden = np.zeros(depth.shape, bool)
    hidden[:, :-1] = from_right[:, 1:] < seen_at[:, :-1] - 0.5
    return hidden


def _least_difference(points: np.ndarray, axis: int) -> np.ndarray:
    ahead = np.diff(points, axis=axis)
    first, last = np.take(ahead, [0], axis), np.take(ahead, [-1], axis)
    after, before = np.concatenate([ahead, last], axis), np.concatenate([first, ahead], axis)
    nearer = np.abs(after[..., 2:]) <= np.abs(before[..., 2:])
    return np.where(nearer, after, before)


def _rays(shape: tuple[int, int], lens: np.ndarray) -> np.ndarray:
    """Camera rays with z = 1 [h, w, 3]."""
    fx, fy, cx, cy = (float(v) for v in lens)
    y, x = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    return np.stack([(x - cx) / fx, (y - cy) / fy, np.ones(shape)], axis=-1)
