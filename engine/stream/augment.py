"""Random crops and mirrors of a batch, the same for all modalities of a frame.

    batch = crop_and_flip(batch, size=192, generator=np.random.default_rng((seed, 7, number_of_batch)))

The effect of mirroring on each modality is defined here: normals have x negated, a camera's optical centre
moves to the other side. A mirrored room has no rigid pose, and tokens belong to the uncropped image: both
raise.
"""

import numpy as np
from jaxtyping import Bool, Int64, Integer, Shaped, UInt8

from engine.stream.stream import Batch

TRIES = 10
"""Random boxes drawn for one that fits in the frame, before the whole frame is taken."""


def draw_box_sizes(
    shape: tuple[int, ...],
    frame: tuple[int, int],
    area: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Int64[np.ndarray, "*shape 2"]:
    """Heights and widths [pixels] of random boxes in frames of `frame` (height, width) pixels.

    `area`: least and largest share of the frame; `ratio`: least and largest width to height, drawn evenly in
    its logarithm. Of `TRIES` boxes the first that fits, else the whole frame, as torchvision's
    RandomResizedCrop has it.
    """
    height, width = frame
    areas = rng.uniform(*area, (TRIES, *shape)) * height * width
    ratios = np.exp(rng.uniform(np.log(ratio[0]), np.log(ratio[1]), (TRIES, *shape)))
    sizes = np.round(np.sqrt(np.stack([areas / ratios, areas * ratios], axis=-1))).clip(1).astype(np.int64)
    sizes = np.concatenate([sizes, np.broadcast_to(frame, (1, *shape, 2))])
    first = (sizes <= frame).all(axis=-1).argmax(axis=0)
    return np.take_along_axis(sizes, first[None, ..., None], axis=0)[0]


def take_pixels(
    images: Shaped[np.ndarray, "n h w *c"],
    rows: Integer[np.ndarray, "n a"],
    columns: Integer[np.ndarray, "n b"],
    mirrored: Bool[np.ndarray, " n"],
    normals: bool,
) -> Shaped[np.ndarray, "n a b *c"]:
    """Pixels of each image by row and column, those of some images mirrored left to right.

    `normals`: the images are surface normals, uint8 [n, h, w, 3], of which mirrored ones point the other way
    in x.
    """
    columns = np.where(mirrored[:, None], columns[:, ::-1], columns)
    out = images[np.arange(len(images))[:, None, None], rows[:, :, None], columns[:, None, :]]
    if normals:
        out[mirrored] = _mirror_normals(out[mirrored])
    return out


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
    columns = left[:, None] + along
    out = dict(batch)
    for name, values in images.items():
        out[name] = take_pixels(values, rows, columns, mirrored, name.startswith("normals"))
    if "intrinsics" in batch:
        fx, fy, cx, cy = batch["intrinsics"].T
        cx = np.where(mirrored, size - (cx - left), cx - left)
        out["intrinsics"] = np.stack([fx, fy, cx, cy - top], axis=1).astype(batch["intrinsics"].dtype)
    return out


def mirror(batch: Batch, mirrored: Bool[np.ndarray, " n"]) -> Batch:
    """Images [n, height, width, ...] of the frames where `mirrored` is True, left to right; anything without
    pixels stays. Raises ValueError for `pose` and `intrinsics`."""
    if stray := {"pose", "intrinsics"} & batch.keys():
        raise ValueError(f"no mirror of {', '.join(sorted(stray))}: use crop_and_flip, or leave it out")
    out = dict(batch)
    for name, values in batch.items():
        if name != "id" and _has_pixels(name, values):
            rows, columns = (np.broadcast_to(np.arange(n), (len(values), n)) for n in values.shape[1:3])
            out[name] = take_pixels(values, rows, columns, mirrored, normals=name.startswith("normals"))
    return out


def _has_pixels(name: str, values: Shaped[np.ndarray, "..."]) -> bool:
    # Told by shape and not by the table of agents/modalities.py, which training, who crops, must not reach.
    # The one array with two axes a frame that is no image is the camera's pose.
    return values.ndim >= 3 and name != "pose"


def _mirror_normals(normals: UInt8[np.ndarray, "*n 3"]) -> UInt8[np.ndarray, "*n 3"]:
    """Normals with x negated; (0, 0, 0) stays, it is no direction."""
    x = np.where(normals.any(axis=-1), 255 - normals[..., 0], 0)
    return np.concatenate([x[..., None].astype(np.uint8), normals[..., 1:]], axis=-1)
