"""Which patches of an image are hidden: blocks, as iBOT and DINOv2 hide them (arXiv:2111.07832, 2304.07193).

A share of the images is masked, and of these the first hides few patches and the last many, in even steps of
chance. Patches are hidden rectangle by rectangle until the number is reached; the last one is cut at random,
where upstream stops short of the number. Vectorised; everything from a generator that is passed in."""

import math

import numpy as np
from jaxtyping import Bool, Int

RECTANGLES = 8
"""Tried per image; what they leave to be hidden is hidden anywhere."""
SMALLEST = 4
"""Patches of a rectangle, at least."""
RATIO = (0.3, 1 / 0.3)


def draw_blocks(
    images: int, grid: int, share: float, hidden: tuple[float, float], rng: np.random.Generator
) -> Bool[np.ndarray, "images n"]:
    """True where a patch of the `grid` x `grid` of an image is hidden. `share` of the images have any,
    `hidden` is the least and the most of their patches, as a share."""
    counts = draw_counts(images, grid, share, hidden, rng)
    area = rng.uniform(0, 1, (images, RECTANGLES)) * (counts[:, None] - SMALLEST).clip(0) + SMALLEST
    ratio = np.exp(rng.uniform(math.log(RATIO[0]), math.log(RATIO[1]), (images, RECTANGLES)))
    height, width = (np.round(np.sqrt(a)).clip(1, grid) for a in (area * ratio, area / ratio))
    inside = []
    for size in (height, width):
        start = np.floor(rng.random(size.shape) * (grid - size + 1))[..., None]
        place = np.arange(grid)
        inside.append((place >= start) & (place < start + size[..., None]))
    covered = (inside[0][..., :, None] & inside[1][..., None, :]).reshape(images, RECTANGLES, grid**2)
    # Patches in the order of the first rectangle that covers them, those that none covers last.
    first = np.where(covered.any(axis=1), covered.argmax(axis=1), RECTANGLES)
    order = np.argsort(first + rng.random(first.shape), axis=1)
    hide = np.zeros(first.shape, dtype=bool)
    np.put_along_axis(hide, order, np.arange(grid**2) < counts[:, None], axis=1)
    return hide


def draw_counts(
    images: int, grid: int, share: float, hidden: tuple[float, float], rng: np.random.Generator
) -> Int[np.ndarray, " images"]:
    """Patches to hide in each image: at least one where any, and at least one image with any."""
    masked = max(1, round(images * share))
    steps = np.linspace(*hidden, masked + 1)
    counts = np.zeros(images, dtype=np.int64)
    drawn = np.floor(grid**2 * rng.uniform(steps[:-1], steps[1:])).clip(1).astype(np.int64)
    counts[rng.permutation(images)[:masked]] = drawn
    return counts
