"""What every task is: its configuration (`TaskConfig`), the head, loss, prediction and metrics (`Task`).

To add one, write both in a folder of training/transfer/tasks and add a line to
`training.transfer.tasks.registry.TASKS`; `tests/training/task_kit.py` holds by test what each must fulfil.

A task never holds a view of a store. Labels reach it as arrays: in transfer those of `TransferFrames` (which
refuse the test space) and pseudo-labels, in evaluation those of `EvalFrames`. So no task can learn from a
label of the test space.

Order of calls. Transfer: `label_reader`, `learn_facts`, `build`, `Task.build_head`, then `criterion` and
`targets` in training by gradient, or `fit_head`. Evaluation: `build` from the facts in the model's folder,
`check`, `build_head`, `predict`, `evaluator`. Label propagation: the same, with `pseudo_labeller`."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int64, Shaped
from torch import Tensor, nn

from engine.store.schema import LabelRow
from scenes.config import Config
from training.common.external_access import Sources

TrainingProtocol = Literal["finetune", "linear", "knn"]
"""How a task is learned, see `TransferConfig.protocol`."""
Arrays = dict[str, Shaped[np.ndarray, "b ..."]]
"""Arrays of b frames by name. One of shape [b, height, width, ...] is a map of pixels: mirrors and windows of
the image apply to it. Any other stays as it is; its values may be Python objects, one a frame."""
Targets = dict[str, Any]
"""What a loss compares with, by name: tensors, or lists of tensors, one a frame."""
Facts = dict[str, Any]
"""What a task learned of the labels before training, as JSON values: the names of classes, a vocabulary,
statistics. It is kept in the model's folder, and a task is built from it."""
LabelTable = Sequence[LabelRow]
"""What the indices in `semantic` stand for."""


class FeatureShape(NamedTuple):
    """Features of the patches of RGB, [b, grid², dim] in row-major order, as a head gets them."""

    dim: int
    grid: int
    """Patches along a side of the image."""
    patch: int
    """Side of a patch [pixels]."""

    @property
    def image(self) -> int:
        """Side of the image [pixels]."""
        return self.grid * self.patch


class LabelledData(Protocol):
    """Labels of a set of frames."""

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def labels(self, at_once: int) -> Iterator[Arrays]:
        """What the task's label reader makes of all frames in order, so many frames at a time."""
        ...


class EncodedData(LabelledData, Protocol):
    """Labels and features of a set of frames; the encoder does not change."""

    def features(self) -> Iterator[tuple[Int64[np.ndarray, " b"], Float[Tensor, "b n d"]]]:
        """Indices and features, in half precision on the CPU, of all frames in order."""
        ...


class LabelReader(ABC):
    """Turns what a store keeps into a task's labels, before mirrors and windows are applied."""

    reads: tuple[str, ...]
    """Arrays of a frame that the labels are made of."""

    @abstractmethod
    def __call__(self, arrays: Arrays) -> Arrays:
        """Labels by name, of `reads` and `id` (int64 [b], the frames' indices). A pure function."""

    def for_view(self, frames_digest: str) -> "LabelReader":
        """The reader of one view of a store, by `Frames.digest`, for labels that stand beside a store and not
        in it; by default the same for all. Raises ValueError where there are none of the view."""
        return self


class TaskHead(nn.Module, ABC):
    """From the encoder's features to whatever the task's loss and prediction take."""

    @abstractmethod
    def forward(self, features: Float[Tensor, "b n d"], targets: Targets | None = None) -> Any:
        """`targets` are given in training alone, to a head that needs them there (teacher forcing, sampling
        of proposals)."""

    @abstractmethod
    def initialise(self, generator: torch.Generator) -> None:
        """Draw the initial weights."""


@dataclass(frozen=True)
class EvaluatedBatch:
    """Frames with what is true of them and what was predicted."""

    ids: Int64[np.ndarray, " b"]
    spaces: tuple[str, ...]
    """Id of the space that each frame is of."""
    images: Arrays
    """The modalities that the model sees, `rgb` among them."""
    labels: Arrays
    prediction: Any
    """What `Task.predict` returned."""


class Evaluator(ABC):
    """Metrics over a whole evaluation set, from its batches."""

    @abstractmethod
    def add(self, batch: EvaluatedBatch) -> None:
        """Take account of a batch. Every frame comes once, in order of `ids`."""

    @abstractmethod
    def metrics(self) -> dict[str, Any]:
        """Scores by name, JSON values. Raises ValueError where nothing can be scored."""

    def frame_scores(self) -> dict[str, list[float | None]]:
        """Scores of each frame by name, `frame_` and the name of a metric, in order of ids; None for a frame
        that has no labels. Nothing for a task without such scores."""
        return {}

    @abstractmethod
    def save(self, out: Path) -> None:
        """Write what a report needs beside metrics, such as some predictions, into the folder `out`."""


class PseudoLabeller(ABC):
    """A teacher's predictions as labels for a student: arrays as a `LabelReader` makes them."""

    arrays: Mapping[str, tuple[tuple[int, ...], str]]
    """Shape of a frame's array, and dtype, by name."""

    @abstractmethod
    def add(self, output: Any) -> Arrays:
        """The labels of a batch, from the head's output."""

    @abstractmethod
    def metrics(self) -> dict[str, Any]:
        """What the labels of all batches are like, JSON values."""


class Task(ABC):
    """A task whose facts are known."""

    def __init__(self, facts: Facts):
        self.facts = facts

    @abstractmethod
    def check(self, label_table: LabelTable, where: str) -> None:
        """Raises ValueError where the task cannot be done on frames with this label table; `where` names the
        model's folder."""

    def outside(self) -> Sources:
        """What of the outside its labels hold, beside what was sensed; nothing where a store's labels are all
        that it learns from."""
        return ()

    def summary(self) -> dict[str, Any]:
        """What of the facts stands among the metrics."""
        return {}

    @abstractmethod
    def build_head(self, protocol: TrainingProtocol, shape: FeatureShape) -> TaskHead:
        """A head for a protocol of the task's; its weights are drawn or loaded afterwards."""

    @abstractmethod
    def targets(self, labels: Arrays) -> Targets:
        """What the loss compares with, on the CPU, of labels that were mirrored and cropped with their
        images. A pure function."""

    @abstractmethod
    def criterion(self, data: LabelledData) -> nn.Module:
        """The loss: a module of (the head's output, targets) that returns the mean over the batch. `data`:
        all labels of the transfer frames, for weights of classes and the like."""

    def fit_head(self, head: TaskHead, data: EncodedData, rng: np.random.Generator) -> dict[str, Any]:
        """Make a head ready that is not trained by gradient, and return metrics (protocol `knn`)."""
        raise NotImplementedError(f"{type(self).__name__} has no protocol without training")

    @abstractmethod
    def predict(self, output: Any) -> Any:
        """The prediction for a batch, on the CPU, from the head's output."""

    @abstractmethod
    def evaluator(self, pictured: frozenset[int]) -> Evaluator:
        """What collects scores; `pictured`: indices of the frames whose predictions `save` keeps."""

    def pseudo_labeller(self, confidence: float, shape: FeatureShape) -> PseudoLabeller:
        """What makes labels of predictions, of those that are at least so sure. Raises ValueError where the
        task has none."""
        raise ValueError(f"{type(self).__name__} has no pseudo-labels: propagate another task's")


class TaskConfig(Config, ABC):
    """The fields of one task, and what is done before there is a model."""

    protocols: ClassVar[tuple[TrainingProtocol, ...]] = ("finetune",)
    """The protocols it can be learned by."""
    teaches: ClassVar[bool] = False
    """Whether its predictions can be pseudo-labels: its `Task` then has a `pseudo_labeller`."""

    @property
    def of_whole_frames(self) -> bool:
        """Whether labels are of whole frames alone, so that mirrors and windows would make them false."""
        return False

    def check_installed(self) -> None:
        """Raises ValueError, with the line that installs it, where a package is missing that the task needs
        for its training or its metrics. Called before anything is trained."""

    @abstractmethod
    def label_reader(self, label_table: LabelTable) -> LabelReader:
        """What reads labels of stores with this label table."""

    @abstractmethod
    def learn_facts(self, label_table: LabelTable, data: LabelledData) -> Facts:
        """The facts, from labels of transfer frames."""

    @abstractmethod
    def build(self, facts: Facts) -> Task:
        """The task with facts that `learn_facts` returned."""
