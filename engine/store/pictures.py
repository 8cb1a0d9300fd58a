"""Arrays of a store as pictures: what was sensed, labels, and what networks made of rgb."""

import colorsys
from collections.abc import Sequence

import matplotlib
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image, ImageDraw

from engine.store.schema import OF_WHOLE_IMAGES, ModalitySpec

_SHOWN_SCORE = 0.3  # of the boxes that are drawn


def tiles(
    spec: ModalitySpec,
    values: Shaped[np.ndarray, "n ..."],
    size: tuple[int, int],
    rgb: UInt8[np.ndarray, "n h w 3"] | None = None,
) -> list[Image.Image]:
    """A modality of n frames as pictures of `size` (width, height) [pixels]. Feature maps are drawn by their
    first three principal components over these frames; boxes on the frames' `rgb`, those with a score of at
    least 0.3."""
    output = spec.origin.output if spec.origin else ""
    if is_on_rgb(spec):
        assert spec.origin is not None
        assert rgb is not None
        pairs = zip(values, rgb, strict=True)
        return [_boxes(value, spec.origin.classes, frame, size) for value, frame in pairs]
    drawn = principal_components(values) if output == "features" else [picture(spec, v) for v in values]
    sharp = is_class_map(spec) or output == "features"
    resampling = Image.Resampling.NEAREST if sharp else Image.Resampling.BILINEAR
    return [Image.fromarray(pixels).resize(size, resampling) for pixels in drawn]


def is_drawn(spec: ModalitySpec) -> bool:
    """Whether an array has a picture: cameras, tokens, and one vector or text of a whole image have none."""
    return spec.kind not in ("camera", "token") and not (
        spec.origin and spec.origin.output in OF_WHOLE_IMAGES
    )


def is_class_map(spec: ModalitySpec) -> bool:
    """Whether the array's numbers are classes or instances, which are drawn by `palette`."""
    return spec.kind == "label" or (spec.origin is not None and spec.origin.output == "labels")


def is_on_rgb(spec: ModalitySpec) -> bool:
    """Whether the array is drawn on the frames: boxes."""
    return spec.origin is not None and spec.origin.output == "boxes"


def picture(spec: ModalitySpec, value: Shaped[np.ndarray, "h w *c"]) -> UInt8[np.ndarray, "h w 3"]:
    """A frame's modality as an sRGB image."""
    if is_class_map(spec):
        return palette()[value.astype(np.int64) % 256]
    if spec.name == "depth" or (spec.origin is not None and spec.origin.output == "depth"):
        metres = value.astype(np.float32) / 1000
        # Near is bright. An eighth of a metre and eight metres are the ends, on a logarithmic scale.
        nearness = 1 - (np.log2(np.clip(metres, 1 / 8, 8)) + 3) / 6
        colours = matplotlib.colormaps["viridis"](nearness)[..., :3]
        return np.where((value == 0)[..., None], 0, colours * 255).astype(np.uint8)
    if value.ndim == 2:
        return np.repeat(value[..., None], 3, axis=2)
    return value


def principal_components(features: Float[np.ndarray, "n h w c"]) -> UInt8[np.ndarray, "n h w 3"]:
    """The first three principal components of feature maps as red, green and blue: from the first to the
    99th hundredth of what occurs in these maps. A component that there is not is black."""
    vectors = features.reshape(-1, features.shape[-1]).astype(np.float64)
    vectors -= vectors.mean(axis=0)
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    axes = axes[:, ::-1][:, :3]
    # An axis has no direction: the largest of its entries is taken to be positive.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    projected = vectors @ axes
    low, high = np.percentile(projected, (1, 99), axis=0)
    scaled = np.clip((projected - low) / np.maximum(high - low, 1e-12), 0, 1) * 255
    colours = np.zeros((len(vectors), 3), np.uint8)
    colours[:, : scaled.shape[1]] = scaled.astype(np.uint8)
    return colours.reshape(*features.shape[:3], 3)


def palette() -> UInt8[np.ndarray, "256 3"]:
    """256 sRGB colours: 0 is black, neighbours differ by the golden angle of hue."""
    colours = [(0.0, 0.0, 0.0)]
    for i in range(1, 256):
        colours.append(
            colorsys.hsv_to_rgb((i * 0.61803398875) % 1, (0.45, 0.75, 0.95)[i % 3], (0.95, 0.7)[i % 2])
        )
    return (np.asarray(colours) * 255).astype(np.uint8)


def _boxes(
    boxes: Float[np.ndarray, "most 6"],
    classes: Sequence[str],
    rgb: UInt8[np.ndarray, "h w 3"],
    size: tuple[int, int],
) -> Image.Image:
    """A frame with its boxes [x0, y0, x1, y1 as shares, class, score] and the names of their classes."""
    image = Image.fromarray(rgb).resize(size, Image.Resampling.BILINEAR)
    draw = ImageDraw.Draw(image)
    colours = palette()
    for x0, y0, x1, y1, label, score in boxes.tolist()[::-1]:  # the surest last, on top of the others
        number = int(label)
        if number < 1 or score < _SHOWN_SCORE:
            continue
        colour = tuple(colours[number % 256].tolist())
        corner = (x0 * size[0], y0 * size[1])
        draw.rectangle((*corner, x1 * size[0] - 1, y1 * size[1] - 1), outline=colour, width=2)
        name = classes[number - 1]
        draw.rectangle(draw.textbbox((corner[0] + 2, corner[1]), name), fill="black")
        draw.text((corner[0] + 2, corner[1]), name, fill="white")
    return image
