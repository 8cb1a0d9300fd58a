"""Semantic segmentation: a class for every pixel (a task of MultiMAE and 4M, arXiv:2204.01678, 2312.06647).

Fine-tuned with a ConvNeXt head, or probed by a linear layer or by the nearest neighbours of each patch."""

from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int64, UInt8
from pydantic import Field
from torch import Tensor, nn

from training.transfer.task import (
    Arrays,
    EncodedData,
    Facts,
    FeatureShape,
    LabelledData,
    LabelTable,
    PseudoLabeller,
    Targets,
    Task,
    TaskConfig,
    TaskHead,
    TrainingProtocol,
)
from training.transfer.tasks.segmentation.evaluator import SegmentationEvaluator
from training.transfer.tasks.segmentation.heads import ConvNeXtHead, HeadConfig, LinearHead
from training.transfer.tasks.segmentation.knn import (
    NeighbourConfig,
    NeighbourHead,
    choose_entries,
    patch_classes,
)
from training.transfer.tasks.segmentation.labels import CLASS_MAP, ClassMapReader, class_table, class_weights
from training.transfer.tasks.segmentation.metrics import VOID

AT_ONCE = 128  # frames whose patches get their classes together


class SegmentationConfig(TaskConfig):
    """Fields of the task `segmentation`."""

    protocols: ClassVar[tuple[TrainingProtocol, ...]] = ("finetune", "linear", "knn")
    teaches: ClassVar[bool] = True

    head: HeadConfig = HeadConfig()
    """The head (finetune)."""
    knn: NeighbourConfig = NeighbourConfig()
    """The vote of the nearest neighbours (knn)."""
    balance: float = Field(default=0.0, ge=0, le=1)
    """Exponent of the inverse frequency by which a class's pixels weigh in the loss (knn: its votes); 0: all
    alike, 0.5: a class a hundred times rarer weighs ten times as much."""

    def label_reader(self, label_table: LabelTable) -> ClassMapReader:
        return ClassMapReader(label_table)

    def learn_facts(self, label_table: LabelTable, data: LabelledData) -> Facts:
        """The names of the classes, which the label table has."""
        return {"classes": class_table(label_table)[0]}

    def build(self, facts: Facts) -> "Segmentation":
        return Segmentation(self, facts)


class Segmentation(Task):
    """`facts`: the names of the classes."""

    def __init__(self, config: SegmentationConfig, facts: Facts):
        super().__init__(facts)
        self.config = config
        self.classes: list[str] = facts["classes"]

    def check(self, label_table: LabelTable, where: str) -> None:
        """Raises ValueError where the label table has other classes."""
        names = class_table(label_table)[0]
        if names != self.classes:
            raise ValueError(
                f"{where} knows the classes {self.classes}, the frames have {names}: use stores of one label "
                "table"
            )

    def summary(self) -> dict[str, Any]:
        return {"classes": self.classes}

    def build_head(self, protocol: TrainingProtocol, shape: FeatureShape) -> TaskHead:
        if protocol == "knn":
            return NeighbourHead(self.config.knn, shape, len(self.classes))
        if protocol == "linear":
            return LinearHead(shape, len(self.classes))
        return ConvNeXtHead(self.config.head, shape, len(self.classes))

    def targets(self, labels: Arrays) -> Targets:
        """`classes`: int64 [b, h, w]."""
        return {"classes": torch.from_numpy(labels[CLASS_MAP]).long()}

    def criterion(self, data: LabelledData) -> nn.Module:
        return PixelCrossEntropy(class_weights(data, len(self.classes), self.config.balance))

    def fit_head(self, head: TaskHead, data: EncodedData, rng: np.random.Generator) -> dict[str, Any]:
        """Fill the bank with the patches of all frames, thinned out by lot. Raises ValueError where no patch
        has a class."""
        assert isinstance(head, NeighbourHead), "the other heads are trained"
        weight = class_weights(data, len(self.classes), self.config.balance)
        labels = np.concatenate(
            [
                patch_classes(some[CLASS_MAP], head.shape.patch, len(self.classes))
                for some in data.labels(AT_ONCE)
            ]
        )
        chosen = choose_entries(labels, self.config.knn.entries, rng)
        if not len(chosen):
            raise ValueError("no patch has a label other than void: nothing to compare with")
        frame, patch = np.divmod(chosen, labels.shape[1])
        keys = []
        for ids, features in data.features():
            here = slice(*np.searchsorted(frame, [ids[0], ids[-1] + 1]))
            keys.append(features[frame[here] - ids[0], patch[here]])
        head.fill(torch.cat(keys), torch.from_numpy(labels.ravel()[chosen]), weight)
        return {"entries": len(chosen)}

    def predict(self, output: Float[Tensor, "b k h w"]) -> UInt8[np.ndarray, "b h w"]:
        """The likeliest class of every pixel."""
        return output.argmax(1).byte().cpu().numpy()

    def evaluator(self, pictured: frozenset[int]) -> SegmentationEvaluator:
        return SegmentationEvaluator(self.classes, pictured)

    def pseudo_labeller(self, confidence: float, shape: FeatureShape) -> "ConfidentClasses":
        return ConfidentClasses(self.classes, confidence, shape.image)


class PixelCrossEntropy(nn.Module):
    """Cross-entropy [nat] of every pixel that is not void, weighted by its class; their mean."""

    def __init__(self, weight: Float[Tensor, " k"]):
        super().__init__()
        self.weight: Tensor
        self.register_buffer("weight", weight)

    def forward(self, logits: Float[Tensor, "b k h w"], targets: Targets) -> Float[Tensor, ""]:
        """The loss of logits of k classes; 0 where every pixel is void."""
        truth: Int64[Tensor, "b h w"] = targets["classes"]
        # Sum over counted pixels, so that a batch of nothing but void gives 0 and not a division by 0.
        loss = F.cross_entropy(logits, truth, self.weight, ignore_index=VOID, reduction="sum")
        return loss / (truth != VOID).sum().clamp_min(1)


class ConfidentClasses(PseudoLabeller):
    """The likeliest class of every pixel, VOID where its probability is below `confidence`."""

    def __init__(self, classes: list[str], confidence: float, image: int):
        self.classes, self.confidence = classes, confidence
        self.arrays = {CLASS_MAP: ((image, image), "uint8")}
        self._counts = np.zeros(256, dtype=np.int64)

    def add(self, output: Float[Tensor, "b k h w"]) -> Arrays:
        sure, guess = output.float().softmax(1).max(1)
        kept = torch.where(sure >= self.confidence, guess, VOID).byte().cpu().numpy()
        self._counts += np.bincount(kept.ravel(), minlength=256)
        return {CLASS_MAP: kept}

    def metrics(self) -> dict[str, Any]:
        """`kept`: share of the pixels that have a class; `share`: of all pixels, by class."""
        of_class = self._counts[: len(self.classes)]
        return {
            "kept": float(of_class.sum() / self._counts.sum()),
            "share": dict(zip(self.classes, (of_class / self._counts.sum()).tolist(), strict=True)),
            "classes": self.classes,
        }
