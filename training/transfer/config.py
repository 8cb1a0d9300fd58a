"""What a transfer is: every field of `tst transfer`."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from training.common.config import LoopConfig, fields_of, gather_others
from training.models.encoder import EncoderConfig
from training.models.modality_transforms import MODALITY_TRANSFORMS
from training.reconstruction.joint import JointConfig
from training.transfer.starts.start import StartConfig
from training.transfer.task import TaskConfig, TrainingProtocol
from training.transfer.tasks.registry import TASKS, TaskName
from training.transfer.tasks.segmentation.segmentation import SegmentationConfig


class TransferConfig(LoopConfig):
    """How an encoder is given a task."""

    renamed: ClassVar[Mapping[str, str]] = {
        "head": "segmentation.head",
        "knn": "segmentation.knn",
        "balance": "segmentation.balance",
    }

    task: TaskName = "segmentation"
    """segmentation: a class for every pixel. detection: boxes and classes of objects. captioning: a sentence
    on what the frame shows."""
    protocol: TrainingProtocol = "finetune"
    """finetune: encoder and head are tuned. linear: the encoder stays as it is, and one linear layer on its
    patches is trained. knn: nothing is trained, patches take the class of the labelled patches that look most
    like them; of the fields below only encoder, the task's own, draws and those of the machine count."""
    encoder: EncoderConfig = EncoderConfig()
    """The encoder; must be that of the pre-training where there is one."""
    # Fields that came later are not written where they say nothing: stages without them keep their keys.
    start: StartConfig | None = Field(default=None, exclude_if=lambda start: start is None)
    """A model of others that the encoder starts from, as knowledge of the internet; none: a pre-training of
    ours, or random weights."""
    inputs: tuple[str, ...] = ("rgb",)
    """What the model sees, rgb first, then any of depth, normals and edges, and of what networks made of RGB
    (docs/networks.md), vectors apart; evaluation reads them too. Each
    enters the encoder through a projection of its own, which starts from random weights (finetune)."""
    segmentation: SegmentationConfig = SegmentationConfig()
    """What the task segmentation has for itself."""
    others: dict[str, SerializeAsAny[TaskConfig]] = {}
    """Fields of tasks that were added to the table by others; in YAML under the task's name, like
    `segmentation`."""
    samples: int = Field(default=16384, ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    epochs: float | None = Field(default=None, gt=0)
    """The same budget as passes over the transfer frames; where given, it says what `samples` are. With
    pseudo-labels, as many images are seen in all, of both kinds together."""
    batch: int = Field(default=32, ge=1)
    """Images per step."""
    lr: float = Field(default=5e-4, gt=0)
    """Peak learning rate of the head; linear probes want some ten times as much."""
    milestones: tuple[float, ...] = Field(default=(), exclude_if=lambda given: not given)
    """Shares of the steps from each of which on the learning rate is a tenth of what it was; none: after the
    warm-up it falls to 0 along half a cosine."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Factor of the learning rate from the head to the encoder's last block, and from each block to the one
    below it; 1: full rate everywhere."""
    drop_path: float = Field(default=0.0, ge=0, lt=1)
    """Probability that a sample skips a branch of the encoder's last block, falling linearly to 0 in the
    first (finetune); in training only."""
    flip: bool = True
    """Mirror half of the images left to right."""
    crop: float = Field(default=1.0, gt=0, le=1)
    """Smallest side of a random square crop, as a share of the image, scaled back to full size; 1: no
    crops."""
    joint: JointConfig | None = Field(default=None, exclude_if=lambda joint: joint is None)
    """Sensors that a linear decoder reconstructs from the features, in the same training (finetune); a model
    that adapts at test time needs it. None: the task alone."""
    pseudo_share: float = Field(default=0.5, gt=0, lt=1)
    """Share of each batch that are frames of the test space with pseudo-labels, where such are given (all but
    knn); the rest are transfer frames."""
    keep_gb: float = Field(default=2.0, ge=0)
    """Memory for features [GB] (linear, without crops): each frame is then encoded once. Where they take
    more, every batch is encoded anew."""
    seed: int = 0
    """Of head and scratch weights."""
    draws: int | None = None
    """Of augmentation, drop path and order, and of which patches the bank of knn has; none: as seed."""

    @model_validator(mode="before")
    @classmethod
    def _gather_others(cls, data: Any) -> Any:
        """What a model depends on stands in its configuration: the learned task's fields, defaults too."""
        if isinstance(data, dict) and (task := data.get("task")) in TASKS.keys() - cls.model_fields.keys():
            data = {task: data.get("others", {}).get(task, {})} | data
        return gather_others(cls, TASKS, data)

    @model_validator(mode="after")
    def _protocol_is_the_tasks(self) -> "TransferConfig":
        if self.protocol not in self.own.protocols:
            raise ValueError(
                f"task {self.task} has no protocol {self.protocol}; it has: {', '.join(self.own.protocols)}"
            )
        return self

    @model_validator(mode="after")
    def _labels_follow_the_image(self) -> "TransferConfig":
        if self.own.of_whole_frames and (self.flip or self.crop < 1):
            raise ValueError(
                f"the labels of {self.task} are of whole frames (captions of files): set flip to false and "
                "crop to 1"
            )
        return self

    @field_validator("milestones")
    @classmethod
    def _milestones_rise(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if list(milestones) != sorted(set(milestones)) or not all(0 < m < 1 for m in milestones):
            raise ValueError(f"{list(milestones)}: shares of the steps between 0 and 1, rising")
        return milestones

    @model_validator(mode="after")
    def _inputs_fit(self) -> "TransferConfig":
        if self.inputs[:1] != ("rgb",) or len(set(self.inputs)) < len(self.inputs):
            raise ValueError(
                f"inputs {list(self.inputs)}: rgb first, then any others, once each, of "
                f"{', '.join(MODALITY_TRANSFORMS)} and of what networks made"
            )
        if len(self.inputs) > 1 and self.protocol != "finetune":
            raise ValueError(
                f"protocol {self.protocol} trains no projection for {', '.join(self.inputs[1:])}: inputs "
                "must be rgb alone, or the protocol finetune"
            )
        if self.joint is not None and self.protocol != "finetune":
            raise ValueError(
                f"joint trains the encoder, which protocol {self.protocol} leaves as it is: take the "
                "protocol finetune, or leave joint out"
            )
        return self

    @property
    def own(self) -> TaskConfig:
        """The fields of the task that is learned."""
        return fields_of(self, self.others, TASKS, self.task)

    @property
    def draw_seed(self) -> int:
        """What all draws but those of weights are seeded with."""
        return self.seed if self.draws is None else self.draws

    def for_frames(self, frames: int) -> "TransferConfig":
        """This, with `samples` of so many epochs where epochs are given."""
        if self.epochs is None:
            return self
        return self.model_copy(update={"samples": math.ceil(self.epochs * frames)})

    @property
    def pseudo_count(self) -> int:
        """Frames with pseudo-labels in a batch, if there are any. Raises ValueError where there can be
        none."""
        count = round(self.pseudo_share * self.batch)
        if self.protocol == "knn" or not 0 < count < self.batch:
            raise ValueError(
                "pseudo-labels need a protocol that trains (not knn) and at least one frame of either kind "
                f"in a batch: protocol {self.protocol}, batch {self.batch}, pseudo_share {self.pseudo_share}"
            )
        return count
