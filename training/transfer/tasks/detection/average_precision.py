"""COCO's average precision (Lin et al., arXiv:1405.0312), through the package faster-coco-eval.

It is imported when scores are computed, so that nothing else needs it; `check_installed` says how to get
it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float32, Int64

from training.transfer.objects.instances import Instances

MOST = 100
"""Detections of a frame and class that count, the likeliest first."""
SMALL, MEDIUM = 32**2, 96**2
"""COCO's bounds of area [pixels] of small and medium objects, in images of `COCO_IMAGE` pixels."""
COCO_IMAGE = 640 * 480
_LARGEST = 1e10


@dataclass(frozen=True)
class Found:
    """What was found in a frame."""

    boxes: Float32[np.ndarray, "n 4"]
    scores: Float32[np.ndarray, " n"]
    classes: Int64[np.ndarray, " n"]
    masks: Bool[np.ndarray, "n h w"] | None = None


@dataclass(frozen=True)
class Frame:
    """A frame of `size` (height, width) [pixels]: what is true and what was found."""

    size: tuple[int, int]
    true: Instances
    found: Found
    true_masks: Bool[np.ndarray, "n h w"] | None = None
    """Visible pixels, where masks are found too."""


def check_installed() -> None:
    """Raises ValueError where faster-coco-eval is missing."""
    if find_spec("faster_coco_eval") is None:
        raise ValueError(
            "detection is scored by the package faster-coco-eval, which is not installed: "
            "pip install -e '.[detection]'"
        )


def average_precision(
    frames: Sequence[Frame], classes: Sequence[str], masks: bool = False
) -> dict[str, float]:
    """Scores of frames of one size, in [0, 1]; `masks`: by the overlap of masks and not of boxes.

    `map` is the mean of the average precision over the classes that are true somewhere and over the overlaps
    .5, .55, ... .95 from which a detection counts; `ap50` and `ap75` are of one overlap; `ap_small`,
    `ap_medium` and `ap_large` of objects by their visible area, COCO's bounds scaled to the frame; `ar` the
    mean recall of at most 100 detections; `ap/CLASS` of a class over all overlaps. What no object is of has
    no score.

    Raises ValueError where no frame has an object."""
    from faster_coco_eval import COCO, COCOeval_faster

    if not any(len(frame.true) for frame in frames):
        raise ValueError("no frame shows an object: nothing to score")
    height, width = frames[0].size
    scale = height * width / COCO_IMAGE
    ranges = {
        "small": [0, SMALL * scale],
        "medium": [SMALL * scale, MEDIUM * scale],
        "large": [MEDIUM * scale, _LARGEST],
    }
    truth = COCO(
        {
            "images": [{"id": i, "height": height, "width": width} for i in range(len(frames))],
            "categories": [{"id": i, "name": name} for i, name in enumerate(classes)],
            "annotations": [own | {"id": n} for n, own in enumerate(_truth(frames, masks), 1)],
        }
    )
    found = truth.loadRes(list(_results(frames, masks)))
    scoring = COCOeval_faster(truth, found, iouType="segm" if masks else "bbox", ranges=ranges)
    scoring.params.maxDets = [1, 10, MOST]
    scoring.evaluate()
    scoring.accumulate()
    return dict(_scores(scoring.eval["precision"], scoring.eval["recall"], classes))


def _scores(
    precision: Float[np.ndarray, "t r k a m"], recall: Float[np.ndarray, "t k a m"], classes: Sequence[str]
) -> Iterator[tuple[str, float]]:
    """By threshold of overlap (.5, .55, ...), recall, class, range of areas (all, small, medium, large) and
    number of detections; -1 where there is no object."""
    every = precision[:, :, :, 0, -1]
    parts = [("map", every), ("ap50", every[0]), ("ap75", every[5])]
    parts += [(f"ap_{n}", precision[:, :, :, a, -1]) for a, n in enumerate(("small", "medium", "large"), 1)]
    parts += [("ar", recall[:, :, 0, -1])]
    parts += [(f"ap/{name}", every[:, :, k]) for k, name in enumerate(classes)]
    for name, values in parts:
        if (values > -1).any():
            yield name, float(values[values > -1].mean())


def _truth(frames: Sequence[Frame], masks: bool) -> Iterator[dict[str, Any]]:
    """The true objects in COCO's format."""
    for i, frame in enumerate(frames):
        for n, box in enumerate(frame.true.boxes):
            own: dict[str, Any] = {"image_id": i, "category_id": int(frame.true.classes[n])}
            own |= {"bbox": _corner_and_size(box), "area": int(frame.true.areas[n]), "iscrowd": 0}
            if masks:
                assert frame.true_masks is not None, "masks are scored where the true ones are given"
                own["segmentation"] = _run_lengths(frame.true_masks[n])
            yield own


def _results(frames: Sequence[Frame], masks: bool) -> Iterator[dict[str, Any]]:
    """What was found in COCO's format."""
    for i, frame in enumerate(frames):
        for n, box in enumerate(frame.found.boxes):
            own: dict[str, Any] = {"image_id": i, "category_id": int(frame.found.classes[n])}
            own["score"] = float(frame.found.scores[n])
            if masks:
                assert frame.found.masks is not None, "masks are scored where some are found"
                # Without its box: of a result with one the area would be the box's.
                own["segmentation"] = _run_lengths(frame.found.masks[n])
            else:
                own["bbox"] = _corner_and_size(box)
            yield own


def _corner_and_size(box: Float32[np.ndarray, "4"]) -> list[float]:
    x0, y0, x1, y1 = box.tolist()
    return [x0, y0, x1 - x0, y1 - y0]


def _run_lengths(mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    from faster_coco_eval.core.mask import encode

    return encode(np.asfortranarray(mask.astype(np.uint8)))
