"""The table of tasks: to add one, add a line to `TASKS`. `tests/training/task_kit.py` holds what every task
must fulfil.

| name | what is predicted | metrics |
|---|---|---|
| segmentation | a class for every pixel | mIoU and others of one confusion matrix |
| detection | boxes and classes of objects, and masks | COCO's average precision |
| captioning | a sentence on what the frame shows | CIDEr-D, BLEU-4, F1 of tuples, SPICE where installed |
"""

from typing import Annotated

from pydantic import AfterValidator

from training.transfer.task import TaskConfig
from training.transfer.tasks.captioning.captioning import CaptioningConfig
from training.transfer.tasks.detection.detection import DetectionConfig
from training.transfer.tasks.segmentation.segmentation import SegmentationConfig

TASKS: dict[str, type[TaskConfig]] = {
    "segmentation": SegmentationConfig,
    "detection": DetectionConfig,
    "captioning": CaptioningConfig,
}


def known_task(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no task has it."""
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; choose from {', '.join(TASKS)}")
    return name


TaskName = Annotated[str, AfterValidator(known_task)]
"""The type of a configuration's field that names a task."""
