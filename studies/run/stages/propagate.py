"""Label propagation: what a teacher takes the pixels of unlabelled frames for."""

from pathlib import Path
from typing import Any

from engine.store.access import PretrainFrames
from studies.run.stage import Stage
from studies.run.stages.store import StoreStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import MachineConfig
from training.transfer.propagate import PropagateConfig, propagate


class PropagateStage(Stage):
    """Pseudo-labels of the frames of one store."""

    kind = "propagate"
    rank = 6
    unit = "frames"
    trains = True

    propagate: PropagateConfig
    """How the teacher labels."""
    store: StoreStage
    """The unlabelled frames."""
    teacher: TransferStage
    """The model that labels them."""

    @property
    def label(self) -> str:
        return f"labels for {self.store.label.removeprefix('pretrain frames of ')} by {self.teacher.label}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        frames = PretrainFrames(self.store.path(root))
        return propagate(self.propagate, self.teacher.folder(root), frames, self.folder(root))

    @property
    def units(self) -> int:
        return self.store.units

    @property
    def cost_settings(self) -> dict[str, Any]:
        return super().cost_settings | {"model": self.teacher.cost_settings}
