"""A transfer: the task is learned from labels of other houses, and of a teacher's where there is one.

Labels of the houses that are evaluated or pre-trained in are refused (`TransferFrames`), except in a run that
is marked as an upper bound.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.access import PretrainFrames, TransferFrames, UpperBoundFrames, spaces_under_test
from studies.run.drawing import Curve, Drawing, StageRecord
from studies.run.stage import Stage, changed
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.store import REDUCED_FRAMES, StoreStage
from studies.spec.config import MachineConfig
from training.transfer.config import TransferConfig
from training.transfer.transfer import transfer


class TransferStage(Stage):
    """A model that was tuned for the task."""

    kind = "transfer"
    rank = 5
    trains = True

    transfer: TransferConfig
    """How the task is learned."""
    upper_bound: bool
    """Whether the labels may be of the houses that are evaluated in."""
    labelled: StoreStage
    """The frames with labels."""
    start: PretrainStage | None = None
    """The pre-training whose encoder is taken over; none: scratch."""
    pseudo: Stage | None = None
    """Pseudo-labels of the unlabelled frames (label propagation): a stage with a teacher."""
    unlabelled: StoreStage | None = None
    """The frames that the pseudo-labels are of."""
    derived: tuple[Stage, ...] = Field(default=(), exclude_if=lambda stages: not stages)
    """What makes inputs beside the frames (`DeriveStage`), where networks do."""
    guarded: tuple[StoreStage, ...] = Field(default=(), exclude=True)
    """Stores of the houses whose labels are refused."""

    @property
    def label(self) -> str:
        start = self.start.label.removeprefix("pre-training ") if self.start else "scratch"
        student = ", a student" if self.pseudo else ""
        task = "" if self.transfer.task == "segmentation" else f"{self.transfer.task}, "
        return f"transfer ({task}{self.transfer.protocol}) from {start}, seed {self.transfer.seed}{student}"

    def check_installed(self) -> None:
        self.transfer.own.check_installed()

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        labelled = self.labelled.path(root)
        spaces = [space for store in self.guarded for space in spaces_under_test(store.path(root))]
        frames = UpperBoundFrames(labelled) if self.upper_bound else TransferFrames(labelled, spaces)
        return transfer(
            self.transfer,
            frames,
            self.start.folder(root) if self.start else None,
            self.folder(root),
            pseudo=self.pseudo.folder(root) if self.pseudo else None,
            pseudo_frames=PretrainFrames(self.unlabelled.path(root)) if self.unlabelled else None,
        )

    @property
    def units(self) -> int:
        config = self.transfer
        if config.epochs is not None:
            return round(config.epochs * self.labelled.units)
        return self.labelled.units if config.protocol == "knn" else config.samples

    @property
    def frames_encoded_once(self) -> int:
        """Of a linear probe; its head is then trained on samples of the features."""
        return self.labelled.units if self.transfer.protocol == "linear" else 0

    def reduced(self, steps: int) -> dict[str, Any]:
        batch = min(REDUCED_FRAMES, self.transfer.batch)
        few: dict[str, Any] = {"samples": steps * batch, "batch": batch, "epochs": None}
        few["runtime"] = changed(self.transfer.runtime, threads=1)
        return {"transfer": changed(self.transfer, **few)}

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        """Loss curves, a panel a task and protocol: their losses are different quantities."""
        learned = re.match(r"transfer \(([\w, ]+)\)", record.label)
        if curve := record.metrics.get("curve"):
            yield Curve("Learning", "Transfer loss", curve, panel=learned[1] if learned else "")
