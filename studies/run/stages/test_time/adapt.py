"""An evaluation of a model that adapts to every image before it predicts (test-time training). The steps see
no label."""

from pathlib import Path
from typing import Any

from studies.run.stage import changed
from studies.run.stages.evaluate import EvaluateStage
from studies.spec.config import MachineConfig
from training.adaptation.adapted import AdaptConfig, AdaptedOutputs


class AdaptStage(EvaluateStage):
    """Scores of one model in one set of houses, after adapting."""

    kind = "adapt"
    unit = "image steps"

    adapt: AdaptConfig
    """How it adapts."""

    @property
    def label(self) -> str:
        how = "online" if self.adapt.online else "to each image"
        return f"{super().label}, adapted {how}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        assert self.model.start is not None
        outputs = AdaptedOutputs(self.adapt, self.model.start.folder(root))
        return self.scored(root, outputs) | outputs.measured

    @property
    def units(self) -> int:
        return self.store.units * max(1, self.adapt.mae.steps)

    def reduced(self, steps: int) -> dict[str, Any]:
        few = changed(self.adapt.mae, steps=min(2, self.adapt.mae.steps))
        return super().reduced(steps) | {"adapt": changed(self.adapt, mae=few)}
