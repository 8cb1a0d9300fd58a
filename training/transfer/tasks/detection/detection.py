"""Detection of objects: their boxes and classes, and with a mask head their pixels.

A Cascade R-CNN on a simple feature pyramid of the encoder's features, as ViTDet has it (Li et al.,
arXiv:2203.16527), with none of what is drawn in training: its step is a function of weights and images."""

from typing import Any

import torch
from pydantic import Field
from torch import nn

from training.transfer.objects.instances import object_classes
from training.transfer.task import (
    Arrays,
    Facts,
    FeatureShape,
    LabelledData,
    LabelTable,
    Targets,
    Task,
    TaskConfig,
    TaskHead,
    TrainingProtocol,
)
from training.transfer.tasks.detection.average_precision import Found, check_installed
from training.transfer.tasks.detection.detector import (
    Detections,
    DetectorConfig,
    DetectorHead,
    DetectorLoss,
)
from training.transfer.tasks.detection.evaluator import DetectionEvaluator
from training.transfer.tasks.detection.labels import ObjectReader, objects_of, padded
from training.transfer.tasks.detection.masks import pasted

_AT_ONCE = 128  # frames whose objects are counted together


class DetectionConfig(TaskConfig):
    """Fields of the task `detection`."""

    head: DetectorConfig = DetectorConfig()
    """The detector."""
    least_area: int = Field(default=16, ge=1)
    """Visible pixels from which an object counts, in training and in evaluation."""

    def check_installed(self) -> None:
        check_installed()

    def label_reader(self, label_table: LabelTable) -> ObjectReader:
        return ObjectReader(label_table)

    def learn_facts(self, label_table: LabelTable, data: LabelledData) -> Facts:
        """The names of the classes, which the label table has, and the number of objects of each. Raises
        ValueError where there are none."""
        names = object_classes(label_table)[0]
        counts = dict.fromkeys(names, 0)
        for labels in data.labels(_AT_ONCE):
            for objects in objects_of(labels, len(names), self.least_area):
                for kind in objects.classes.tolist():
                    counts[names[kind]] += 1
        if not any(counts.values()):
            raise ValueError(
                f"no transfer frame shows {self.least_area} pixels of an object: nothing to learn from; "
                "lower detection.least_area, or take frames with furniture"
            )
        return {"classes": names, "objects": counts}

    def build(self, facts: Facts) -> "Detection":
        return Detection(self, facts)


class Detection(Task):
    """`facts`: the names of the classes, and how many objects of each the transfer frames show."""

    def __init__(self, config: DetectionConfig, facts: Facts):
        super().__init__(facts)
        self.config = config
        self.classes: list[str] = facts["classes"]

    def check(self, label_table: LabelTable, where: str) -> None:
        """Raises ValueError where the label table has other classes."""
        names = object_classes(label_table)[0]
        if names != self.classes:
            raise ValueError(
                f"{where} knows the objects {self.classes}, the frames have {names}: use stores of one label "
                "table"
            )

    def summary(self) -> dict[str, Any]:
        return {"objects": self.facts["objects"]}

    def build_head(self, protocol: TrainingProtocol, shape: FeatureShape) -> TaskHead:
        return DetectorHead(self.config.head, shape, len(self.classes))

    def targets(self, labels: Arrays) -> Targets:
        """The fields of `TrueObjects`."""
        return padded(labels, len(self.classes), self.config.least_area)

    def criterion(self, data: LabelledData) -> nn.Module:
        return DetectorLoss(self.config.head)

    def predict(self, output: Detections) -> list[Found]:
        """What was found in each frame of the batch."""
        boxes, scores, classes = output.boxes.cpu(), output.scores.cpu(), output.classes.cpu()
        every = None if output.masks is None else output.masks.cpu()
        found = []
        for i, there in enumerate(scores > -torch.inf):
            masks = None if every is None else pasted(every[i, there], boxes[i, there], output.image)
            found.append(
                Found(boxes[i, there].numpy(), scores[i, there].numpy(), classes[i, there].numpy(), masks)
            )
        return found

    def evaluator(self, pictured: frozenset[int]) -> DetectionEvaluator:
        masks = self.config.head.masks is not None
        return DetectionEvaluator(self.classes, self.config.least_area, masks, pictured)
