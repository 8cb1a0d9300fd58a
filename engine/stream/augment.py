"""Random crops and mirrors of a batch, the same for all modalities of a frame.

    batch = crop_and_flip(batch, size=192, generator=np.random.default_rng((seed, 7, number_of_batch)))

What a mirror does to a modality is decided here, once: normals point the other way in x, a camera's centre
moves to the other side. A mirrored room has no rigid pose, and tokens are of the image that was not cropped:
both are refused.
"""

import numpy as np

from engine.stream.stream import Batch


def crop_and_flip(batch: Batch, size: int, generator: np.random.Generator, *, flip: bool = True) -> Batch:
    """Windows of `size` by `size` pixels, each frame's at its own place, and mirrored one time in two.

    Images of the batch, [n, height, width, ...], become [n, size, size, ...]; `intrinsics` follow; `id` and
    anything else without pixels stays. Raises ValueError for a size that does not fit, images of several
    sizes, tokens, and for `pose` where frames may be mirrored.
    """
    images = {name: v for name, v in batch.items() if name != "id" and _has_pixels(name, v)}
    shapes = {v.shape[:3] for v in images.values()}
    if len(shapes) != 1:
        sizes = {name: v.shape[1:3] for name, v in images.items()}
        raise ValueError(f"a batch to crop needs images, all of one size, not {sizes}: leave the others out")
    count, height, width = shapes.pop()
    if not 1 <= size <= min(height, width):
        raise ValueError(f"size {size} must be between 1 and {min(height, width)}")
    if flip and "pose" in batch:
        raise ValueError("a mirrored frame has no rigid pose: leave out `pose`, or ask for flip=False")
    top = generator.integers(0, height - size + 1, count)
    left = generator.integers(0, width - size + 1, count)
    mirrored = generator.random(count) < 0.5 if flip else np.zeros(count, dtype=bool)
    along = np.arange(size)
    rows = top[:, None] + along
    columns = left[:, None] + np.where(mirrored[:, None], along[::-1], along)
    out = dict(batch)
    for name, values in images.items():
        cut = values[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
        if name.startswith("normals"):
            cut[mirrored] = _mirror_normals(cut[mirrored])
        out[name] = cut
    if "intrinsics" in batch:
        fx, fy, cx, cy = batch["intrinsics"].T
        cx = np.where(mirrored, size - (cx - left), cx - left)
        out["intrinsics"] = np.stack([fx, fy, cx, cy - top], axis=1).astype(batch["intrinsics"].dtype)
    return out


def _has_pixels(name: str, values: np.ndarray) -> bool:
    # Told by shape and not by the table of agents/modalities.py, which training, who crops, must not reach.
    # The one array with two axes a frame that is no image is the camera's pose.
    return values.ndim >= 3 and name != "pose"


def _mirror_normals(normals: np.ndarray) -> np.ndarray:
    """uint8 [..., 3] with x negated; (0, 0, 0) stays, it is no direction."""
    x = np.where(normals.any(axis=-1), 255 - normals[..., 0], 0)
    return np.concatenate([x[..., None].astype(np.uint8), normals[..., 1:]], axis=-1)
