"""Segmentation scores from one confusion matrix over a whole data set."""

from collections.abc import Iterable, Iterator

import numpy as np
from jaxtyping import Bool, Integer

VOID = 255
"""Class of pixels that count nowhere."""
LEAST_SUPPORT = 0.001
"""Share of the counted pixels below which a class is left out of `miou_supported`. Fixed before any study was
evaluated with it: of 300 frames of 64 × 64 pixels it is some three frames full of the class."""


class Confusion:
    """Counts of (truth, prediction) pixels, added up batch by batch; void truth is left out."""

    def __init__(self, classes: int):
        self.matrix = np.zeros((classes, classes), dtype=np.int64)

    def add(self, truth: Integer[np.ndarray, "*n"], prediction: Integer[np.ndarray, "*n"]) -> None:
        """`truth` in 0..classes-1 or VOID, `prediction` in 0..classes-1, of one shape."""
        n = len(self.matrix)
        counted = truth != VOID
        pairs = truth[counted].astype(np.int64) * n + prediction[counted]
        self.matrix += np.bincount(pairs, minlength=n * n).reshape(n, n)

    @classmethod
    def sum(cls, parts: "Iterable[Confusion]") -> "Confusion":
        """Of parts of a data set (at least one), that of the whole."""
        matrices = [part.matrix for part in parts]
        whole = cls(len(matrices[0]))
        whole.matrix = np.sum(matrices, axis=0)
        return whole

    def without(self, part: "Confusion") -> "Confusion":
        """That of the data set less one of its parts."""
        rest = Confusion(len(self.matrix))
        rest.matrix = self.matrix - part.matrix
        return rest

    def miou_of_present(self) -> float:
        """Mean IoU over the classes in the truth, in [0, 1]: `miou_truth` of `scores`."""
        return dict(self.scores([]))["miou_truth"]

    def too_small(self) -> Bool[np.ndarray, " classes"]:
        """The classes in the truth that have less than LEAST_SUPPORT of the counted pixels."""
        true = self.matrix.sum(axis=1)
        return (true > 0) & (true < LEAST_SUPPORT * true.sum())

    def scores(self, names: list[str]) -> Iterator[tuple[str, float]]:
        """(name, value), values in [0, 1].

        `iou/<class>` = intersection / union, for classes in the truth or in a prediction (of a counted
        pixel). `miou` is the mean of these: a class that is predicted but nowhere true counts as 0, one
        that is in neither does not count. `miou_truth` is the mean over classes in the truth only,
        `miou_supported` over those of them that are not `too_small`, `mean_accuracy` their mean recall.
        Raises ValueError when no pixel was counted."""
        hits = np.diag(self.matrix).astype(np.float64)
        true, predicted = self.matrix.sum(axis=1), self.matrix.sum(axis=0)
        if not true.any():
            raise ValueError("no pixel has a label other than void: nothing to score")
        union = true + predicted - hits
        iou = hits / np.maximum(union, 1)
        yield "miou", float(iou[union > 0].mean())
        yield "miou_truth", float(iou[true > 0].mean())
        yield "miou_supported", float(iou[(true > 0) & ~self.too_small()].mean())
        yield "mean_accuracy", float((hits / np.maximum(true, 1))[true > 0].mean())
        yield "pixel_accuracy", float(hits.sum() / true.sum())
        for i, name in enumerate(names):
            if union[i]:
                yield f"iou/{name}", float(iou[i])
