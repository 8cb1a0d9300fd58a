"""Features of transfer and held-out frames in every modality, for modality generalization, without labels."""

from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.access import EvalFrames, UnlabelledTransferFrames
from engine.store.store import Store
from studies.run.stage import Stage, changed
from studies.run.stages.derive import DeriveStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.store import StoreStage
from studies.spec.config import MachineConfig
from training.generalization.perceive import PerceptorConfig, perceive


class PerceiveStage(Stage):
    """Features of the frames of two stores."""

    kind = "perceive"
    rank = 6
    unit = "frames"
    trains = True

    perceptor: PerceptorConfig
    """What turns a modality into features."""
    learned: StoreStage
    """Transfer frames; perceptors that learn, learn of these."""
    shown: StoreStage
    """The held-out frames."""
    model: PretrainStage | None = None
    """The pre-trained model that is the perceptor, where one is."""
    derived: tuple[DeriveStage, ...] = Field(default=(), exclude_if=lambda stages: not stages)
    """What makes modalities beside the frames, where networks do."""

    @property
    def label(self) -> str:
        by = self.model.label if self.model else self.perceptor.kind
        return f"features of {self.learned.houses.name} and {self.shown.houses.name} by {by}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        tokenizers = self.model.tokenizers if self.model else {}
        return perceive(
            self.perceptor,
            UnlabelledTransferFrames(self.learned.path(root)),
            EvalFrames(Store.open(self.shown.path(root))),
            self.model.folder(root) if self.model else None,
            {name: stage.folder(root) for name, stage in tokenizers.items()},
            self.folder(root),
        )

    @property
    def units(self) -> int:
        return self.learned.units + self.shown.units

    @property
    def cost_settings(self) -> dict[str, Any]:
        model = {"model": self.model.cost_settings} if self.model else {}
        # Networks that learn take as long for any number of frames: `views.steps` is the amount of work.
        return super().cost_settings | {"views": self.perceptor.views.steps} | model

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"perceptor": changed(self.perceptor, runtime=changed(self.perceptor.runtime, threads=1))}
