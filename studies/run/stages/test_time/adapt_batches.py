"""An evaluation of a jointly trained model that adapts to every batch of frames before it predicts it
(TTT-MMR). The steps see no label, and their number was chosen elsewhere."""

from pathlib import Path
from typing import Any

from engine.store.access import EvalFrames
from engine.store.store import Store
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.test_time.choose_steps import ChooseStepsStage
from studies.run.stages.test_time.floor_plans import rooms_of
from studies.spec.config import MachineConfig
from training.adaptation.batch_adapted import BatchAdaptedOutputs, MmrConfig


class AdaptBatchesStage(EvaluateStage):
    """Scores of one model in one set of houses, after adapting to each batch."""

    kind = "adapt_batches"
    unit = "frame steps"

    mmr: MmrConfig
    """How it adapts."""
    chosen: ChooseStepsStage
    """Where the number of steps is from."""

    @property
    def label(self) -> str:
        return f"{super().label}, adapted to {self.mmr.batching} batches"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        chosen = self.chosen.done(root)
        assert chosen is not None
        rooms = None
        if self.mmr.batching == "room":
            frames = EvalFrames(Store.open(self.store.path(root)))
            rooms = rooms_of(frames, self.store.houses.files(root))
        outputs = BatchAdaptedOutputs(self.mmr, chosen["metrics"]["steps"], rooms)
        return self.scored(root, outputs) | outputs.measured

    @property
    def units(self) -> int:
        return self.store.units * (1 + self.mmr.most_steps)
