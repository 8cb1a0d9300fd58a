"""Scores of a detection: COCO's average precision over the whole evaluation set, and over each space."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Shaped

from training.common.checkpoint import save_arrays
from training.transfer.task import EvaluatedBatch, Evaluator
from training.transfer.tasks.detection.average_precision import Frame, average_precision
from training.transfer.tasks.detection.labels import INSTANCES, objects_of

DETECTIONS = "detections.npz"
LEAST_SHOWN = 0.3
"""Score from which on a detection is kept for pictures."""


class DetectionEvaluator(Evaluator):
    """Scores of `average_precision` over all frames, those of masks as `mask_map` and so on; and `space_map`:
    for each space its own `map`, none for one without objects.

    `save` writes DETECTIONS, of the pictured frames: rgb uint8 [n, h, w, 3]; and of all their objects, frame
    by frame, `true_` and `found_` `frame` int64 [k], `box` float32 [k, 4] [pixels], `class` int64 [k], and
    `found_score` float32 [k], of those with at least LEAST_SHOWN; where masks are found, `true_mask` and
    `found_mask` bool [k, h, w]."""

    def __init__(self, classes: list[str], least_area: int, masks: bool, pictured: frozenset[int]):
        self.classes, self.least_area, self.masks, self.pictured = classes, least_area, masks, pictured
        self.of_space: dict[str, list[Frame]] = {}
        self._pictures: list[tuple[Shaped[np.ndarray, "h w c"], Frame]] = []

    def add(self, batch: EvaluatedBatch) -> None:
        found = objects_of(batch.labels, len(self.classes), self.least_area)
        for i, (space, objects) in enumerate(zip(batch.spaces, found, strict=True)):
            instances = batch.labels[INSTANCES][i]
            masks = objects.masks(instances) if self.masks else None
            frame = Frame(instances.shape, objects, batch.prediction[i], masks)
            self.of_space.setdefault(space, []).append(frame)
            if batch.ids[i] in self.pictured:
                self._pictures.append((batch.images["rgb"][i], frame))

    def metrics(self) -> dict[str, Any]:
        every = [frame for frames in self.of_space.values() for frame in frames]
        scores: dict[str, Any] = average_precision(every, self.classes)
        if self.masks:
            scores |= {f"mask_{k}": v for k, v in average_precision(every, self.classes, masks=True).items()}
        of_space = {
            space: average_precision(frames, self.classes)["map"]
            for space, frames in self.of_space.items()
            if any(len(frame.true) for frame in frames)
        }
        objects = sum(len(frame.true) for frame in every)
        return {**scores, "space_map": of_space, "objects": objects, "classes": self.classes}

    def save(self, out: Path) -> None:
        if self._pictures:
            save_arrays(out / DETECTIONS, self._arrays())

    def _arrays(self) -> dict[str, Shaped[np.ndarray, "..."]]:
        arrays = {"rgb": np.stack([image for image, _ in self._pictures])}
        columns: dict[str, list[Shaped[np.ndarray, ...]]] = {}
        for i, (_, frame) in enumerate(self._pictures):
            true, found = frame.true, frame.found
            own = {"true_frame": np.full(len(true), i), "true_box": true.boxes, "true_class": true.classes}
            shown = found.scores >= LEAST_SHOWN
            own |= {"found_frame": np.full(shown.sum(), i), "found_box": found.boxes[shown]}
            own |= {"found_class": found.classes[shown], "found_score": found.scores[shown]}
            if frame.true_masks is not None and found.masks is not None:
                own |= {"true_mask": frame.true_masks, "found_mask": found.masks[shown]}
            for name, values in own.items():
                columns.setdefault(name, []).append(values)
        return arrays | {name: np.concatenate(values) for name, values in columns.items()}
