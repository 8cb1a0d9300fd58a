"""How many steps a jointly trained model takes on each batch of frames (TTT-MMR).

The number is chosen on labelled frames of houses that nothing is evaluated in. The stage has no store of
evaluation, so that no label of one can play a part."""

from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.access import TransferFrames, spaces_under_test
from studies.run.stage import Stage, changed
from studies.run.stages.derive import DeriveStage
from studies.run.stages.store import StoreStage
from studies.run.stages.test_time.floor_plans import rooms_of
from studies.run.stages.transfer import TransferStage
from studies.spec.config import MachineConfig
from training.adaptation.batch_adapted import MmrConfig, choose_steps
from training.transfer.evaluate import EvaluateConfig


class ChooseStepsStage(Stage):
    """The number of steps of one model with one kind of batches."""

    kind = "choose_steps"
    rank = 6
    unit = "frame steps"
    trains = True

    mmr: MmrConfig
    """How it adapts."""
    evaluate: EvaluateConfig
    """How it is scored."""
    model: TransferStage
    """The jointly trained model."""
    labelled: StoreStage
    """Labelled frames of other houses than those that the task was learned from."""
    derived: tuple[DeriveStage, ...] = Field(default=(), exclude_if=lambda stages: not stages)
    """What makes inputs beside the frames, where networks do."""
    guarded: tuple[StoreStage, ...] = Field(default=(), exclude=True)
    """Stores of the houses whose labels are refused."""

    @property
    def label(self) -> str:
        model = self.model.label.removeprefix("transfer ")
        return f"steps for {self.mmr.batching} batches, chosen in {self.labelled.houses.name}: {model}"

    def check_installed(self) -> None:
        self.model.check_installed()

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        spaces = [space for store in self.guarded for space in spaces_under_test(store.path(root))]
        frames = TransferFrames(self.labelled.path(root), spaces)
        by_room = self.mmr.batching == "room"
        rooms = rooms_of(frames, self.labelled.houses.files(root)) if by_room else None
        return choose_steps(self.mmr, self.evaluate, frames, self.model.folder(root), rooms)

    @property
    def units(self) -> int:
        return self.labelled.units * (1 + self.mmr.most_steps)

    @property
    def cost_settings(self) -> dict[str, Any]:
        return super().cost_settings | {"model": self.model.cost_settings}

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"evaluate": changed(self.evaluate, runtime=changed(self.evaluate.runtime, threads=1))}
