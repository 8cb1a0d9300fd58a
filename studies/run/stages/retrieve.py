"""Retrieval across modalities: a pre-trained model, as it is, finds the depth map of an image and the reverse
among held-out frames of one set of houses. No label is read."""

from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.access import EvalFrames, unlabelled
from engine.store.held_out import least_distances
from engine.store.store import Store
from studies.run.stage import Stage, changed
from studies.run.stages.derive import DeriveStage
from studies.run.stages.pretrain import PretrainStage
from studies.run.stages.store import StoreStage
from studies.spec.config import MachineConfig
from training.retrieval.retrieve import RetrieveConfig, retrieve


class RetrieveStage(Stage):
    """Scores of one pre-trained model in one set of houses."""

    kind = "retrieve"
    rank = 7
    unit = "frames"
    trains = True

    name: str = Field(exclude=True)
    """Name of the evaluation in its study."""
    retrieve: RetrieveConfig
    """What is retrieved, and how."""
    store: StoreStage
    """The held-out frames."""
    model: PretrainStage
    """The last phase of pre-training."""
    seen: tuple[StoreStage, ...]
    """Stores that the model was pre-trained on: their poses must differ."""
    derived: tuple[DeriveStage, ...] = Field(default=(), exclude_if=lambda stages: not stages)
    """What makes inputs beside the held-out frames, where networks do."""

    @property
    def label(self) -> str:
        return f"in {self.name}: {self.model.label}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        frames = EvalFrames(Store.open(self.store.path(root)))
        seen = [unlabelled(store.path(root), store.unlabelled_role) for store in self.seen]
        apart = least_distances(frames, seen)
        tokenizers = {name: stage.folder(root) for name, stage in self.model.tokenizers.items()}
        model, out = self.model.folder(root), self.folder(root)
        metrics = retrieve(self.retrieve, frames, model, tokenizers, out)
        return metrics | apart

    @property
    def units(self) -> int:
        return min(self.retrieve.frames, self.store.units) or self.store.units

    @property
    def cost_settings(self) -> dict[str, Any]:
        return super().cost_settings | {"model": self.model.cost_settings}

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"retrieve": changed(self.retrieve, runtime=changed(self.retrieve.runtime, threads=1))}
