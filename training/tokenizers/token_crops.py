"""Crops of frames, drawn once and stored: tokens are of a crop, so its pixels must be cropped alike.

The whole frame comes first, then `count` random crops: a share of the area, a ratio of the sides, one in two
mirrored, resized to the frame's size, as 4M does before it computes tokens (`apple/ml-4m/save_vq_tokens.py`).
Boxes are a pure function of the configuration and the part's name, so all modalities of a frame share them; a
store keeps them as `crops_<digest>`, int16 [1 + count, 5] per frame: top, left, height, width [pixels],
mirrored (0 or 1).
"""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from jaxtyping import Float32, Int16, Int64, Shaped
from pydantic import Field

from engine.store.schema import OF_WHOLE_IMAGES, OutputKind
from engine.stream.augment import draw_box_sizes, take_pixels
from scenes.config import Config


class TokenCropConfig(Config):
    """Which crops of every frame are tokenized. The ranges are 4M's."""

    count: int = Field(default=0, ge=0, le=1000)
    """Random crops of every frame besides the whole; 0: the whole alone."""
    scale: tuple[float, float] = (0.8, 1.0)
    """Share of the frame's area, least and most."""
    ratio: tuple[float, float] = (0.75, 4 / 3)
    """Width to height, least and most."""
    flip: float = Field(default=0.5, ge=0, le=1)
    """Share of the random crops that is mirrored."""
    seed: int = 0
    """Of the boxes."""

    @property
    def digest(self) -> str:
        """Eight hex digits that name these crops."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    @property
    def array(self) -> str:
        """Name in a store of the boxes."""
        return f"crops_{self.digest}"


WHOLE = TokenCropConfig()
"""No crop but the whole frame."""


def draw_boxes(
    config: TokenCropConfig, part: str, frames: int, height: int, width: int
) -> Int16[np.ndarray, "frames crops 5"]:
    """The boxes of a part of so many frames of a size [pixels]. Raises ValueError for ranges out of order."""
    for name, (low, high) in (("scale", config.scale), ("ratio", config.ratio)):
        if not 0 < low <= high or (name == "scale" and high > 1):
            raise ValueError(
                f"crops.{name} must go from above 0 upwards, scale to 1 at most, not {low} to {high}"
            )
    rng = np.random.default_rng((config.seed, zlib.crc32(part.encode())))
    shape = (frames, config.count)
    size = draw_box_sizes(shape, (height, width), config.scale, config.ratio, rng)
    tall, wide = size[..., 0], size[..., 1]
    top, left = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    mirrored = rng.random(shape) < config.flip
    drawn = np.stack([top, left, tall, wide, mirrored], axis=-1)
    whole = np.broadcast_to([0, 0, height, width, 0], (frames, 1, 5))
    return np.concatenate([whole, drawn], axis=1).astype(np.int16)


def crop(
    images: Shaped[np.ndarray, "n ..."],
    boxes: Int16[np.ndarray, "n 5"],
    modality: str,
    frame: tuple[int, int] | None = None,
    output: OutputKind | None = None,
) -> Shaped[np.ndarray, "n ..."]:
    """A crop of each image, stretched to the images' size: rgb bilinearly, anything else by its nearest
    pixel. Mirrored normals point the other way in x.

    `frame`: height and width that `boxes` are of [pixels], where images are not as large. `output`: of the
    network that made the images. Of what it said of whole frames, features are taken by place, boxes
    [n, most, 6] are cut at the crop's sides, a vector or text stays: the network has not seen the crop."""
    if output in OF_WHOLE_IMAGES:
        return images
    if output == "boxes":
        assert frame is not None
        return _crop_boxes(images, boxes, frame)
    height, width = images.shape[1:3]
    tall_frame, wide_frame = frame or (height, width)
    if modality == "rgb":
        out = np.empty_like(images)
        for i, (top, left, tall, wide, mirrored) in enumerate(boxes.tolist()):
            box = images[i, top : top + tall, left : left + wide]
            stretched = cv2.resize(box, (width, height), interpolation=cv2.INTER_LINEAR)
            out[i] = stretched[:, ::-1] if mirrored else stretched
        return out
    top, left, tall, wide = boxes[:, :4].astype(np.float64).T[:, :, None]
    rows = (top + (np.arange(height) + 0.5) * tall / height) * (height / tall_frame)
    columns = (left + (np.arange(width) + 0.5) * wide / width) * (width / wide_frame)
    rows, columns = np.floor(rows).astype(int), np.floor(columns).astype(int)
    return take_pixels(images, rows, columns, boxes[:, 4] > 0, modality == "normals")


def _crop_boxes(
    boxes: Float32[np.ndarray, "n most 6"], crops: Int16[np.ndarray, "n 5"], frame: tuple[int, int]
) -> Float32[np.ndarray, "n most 6"]:
    """Those with an area in the crop, with sides as shares of it, in their order."""
    top, left, tall, wide, mirrored = crops.astype(np.float64).T[:, :, None]
    x = ((boxes[..., [0, 2]] * frame[1] - left[..., None]) / wide[..., None]).clip(0, 1)
    y = ((boxes[..., [1, 3]] * frame[0] - top[..., None]) / tall[..., None]).clip(0, 1)
    x = np.where(mirrored[..., None] > 0, 1 - x[..., ::-1], x)
    there = (boxes[..., 4] > 0) & (x[..., 1] > x[..., 0]) & (y[..., 1] > y[..., 0])
    sides = np.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], axis=-1)
    out = np.where(there[..., None], np.concatenate([sides, boxes[..., 4:]], axis=-1), 0)
    order = np.argsort(~there, axis=1, kind="stable")
    return np.take_along_axis(out, order[..., None], axis=1).astype(np.float32)


def choose_crops(
    batch: Mapping[str, Shaped[np.ndarray, "n ..."]],
    chosen: Int64[np.ndarray, " n"],
    boxes: str,
    pixels: Sequence[str],
    tokens: Sequence[str],
) -> dict[str, Shaped[np.ndarray, "n ..."]]:
    """The `chosen` crop of every frame of a batch, 0 the whole: `tokens` [n, crops, gh, gw] become those of
    it, `pixels` are cropped like it, `boxes` (the name of the array) is left out."""
    held = batch[boxes]
    each = np.arange(len(held))
    out = {name: values for name, values in batch.items() if name != boxes}
    out |= {name: batch[name][each, chosen] for name in tokens}
    out |= {name: crop(batch[name], held[each, chosen], name) for name in pixels}
    return out
