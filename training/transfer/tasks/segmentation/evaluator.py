"""Scores of a segmentation: one confusion matrix over the whole evaluation set, and one of each space."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from training.common.checkpoint import save_arrays, write_json
from training.transfer.task import EvaluatedBatch, Evaluator
from training.transfer.tasks.segmentation.labels import CLASS_MAP
from training.transfer.tasks.segmentation.metrics import VOID, Confusion

PREDICTIONS = "predictions.npz"
CONFUSION = "confusion.json"
GROUPS = 20
"""Groups of frames for `jackknife_miou`."""


class SegmentationEvaluator(Evaluator):
    """Scores of `Confusion.scores` over all frames; `left_out`, the classes that `miou_supported` leaves out;
    and `space_miou`: for each space the mean IoU over the classes in its truth, none for one of void alone.
    `jackknife_miou`: `miou` without each of GROUPS groups of frames, the i-th of every GROUPS frames; what it
    varies by tells how far another draw of frames would move it. None where a group is all that has labels.

    `save` writes CONFUSION, the matrices with rows truth and columns prediction: `matrix` of all frames and
    `spaces` by space id; and of the pictured frames PREDICTIONS: rgb uint8 [n, h, w, 3], truth and prediction
    uint8 [n, h, w], 0 for void, else class + 1."""

    def __init__(self, classes: list[str], pictured: frozenset[int]):
        self.classes, self.pictured = classes, pictured
        self.of_space: dict[str, Confusion] = {}
        self.of_group: dict[int, Confusion] = {}
        self.of_frame: list[float | None] = []
        self._pictures: list[tuple[UInt8[np.ndarray, "h w *c"], ...]] = []

    def add(self, batch: EvaluatedBatch) -> None:
        truth, prediction = batch.labels[CLASS_MAP], batch.prediction
        spaces = np.array(batch.spaces)
        for space in np.unique(spaces).tolist():
            confusion = self.of_space.setdefault(space, Confusion(len(self.classes)))
            confusion.add(truth[spaces == space], prediction[spaces == space])
        for group in np.unique(batch.ids % GROUPS).tolist():
            confusion = self.of_group.setdefault(group, Confusion(len(self.classes)))
            confusion.add(truth[batch.ids % GROUPS == group], prediction[batch.ids % GROUPS == group])
        for i, frame in enumerate(batch.ids.tolist()):
            alone = Confusion(len(self.classes))
            alone.add(truth[i], prediction[i])
            self.of_frame.append(alone.miou_of_present() if alone.matrix.any() else None)
            if frame in self.pictured:
                # Void is a fact of the truth, so the picture shows it in the truth alone.
                shown = np.where(truth[i] == VOID, 0, truth[i] + 1)
                self._pictures.append((batch.images["rgb"][i], shown, prediction[i] + 1))

    def metrics(self) -> dict[str, Any]:
        whole = Confusion.sum(self.of_space.values())
        scores: dict[str, Any] = dict(whole.scores(self.classes))
        scores["left_out"] = [self.classes[i] for i in np.flatnonzero(whole.too_small())]
        of_space = {s: c.miou_of_present() for s, c in self.of_space.items() if c.matrix.any()}
        left = [whole.without(self.of_group[g]) for g in sorted(self.of_group)]
        if all(c.matrix.any() for c in left):
            scores["jackknife_miou"] = [dict(c.scores([]))["miou"] for c in left]
        return {**scores, "space_miou": of_space, "classes": self.classes}

    def frame_scores(self) -> dict[str, list[float | None]]:
        """`frame_miou`: of each frame alone, over the classes in its truth."""
        return {"frame_miou": list(self.of_frame)}

    def save(self, out: Path) -> None:
        matrices = {space: c.matrix.tolist() for space, c in self.of_space.items()}
        whole = Confusion.sum(self.of_space.values()).matrix.tolist()
        write_json(out / CONFUSION, {"classes": self.classes, "matrix": whole, "spaces": matrices})
        if self._pictures:
            columns = zip(*self._pictures, strict=True)
            stacked = [np.stack(column).astype(np.uint8) for column in columns]
            save_arrays(out / PREDICTIONS, dict(zip(("rgb", "truth", "prediction"), stacked, strict=True)))
