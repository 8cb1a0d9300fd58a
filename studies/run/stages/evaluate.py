"""An evaluation: a tuned model is scored on the held-out frames of one set of houses.

It alone opens evaluation frames, proves that no pose of theirs was seen before, and refuses a model that was
tuned on labels of their houses, except in a run that is marked as an upper bound.
"""

from pathlib import Path
from typing import Any

from pydantic import Field

from engine.store.access import EvalFrames, Frames, UpperBoundFrames, unlabelled
from engine.store.held_out import least_distances
from engine.store.store import Store
from studies.run.stage import Stage, changed
from studies.run.stages.derive import DeriveStage
from studies.run.stages.store import StoreStage
from studies.run.stages.transfer import TransferStage
from studies.spec.config import MachineConfig
from training.transfer.evaluate import EvaluateConfig, Outputs, evaluate


class EvaluateStage(Stage):
    """Scores of one model in one set of houses."""

    kind = "evaluate"
    rank = 7
    unit = "frames"
    trains = True

    name: str = Field(exclude=True)
    """Name of the evaluation in its study: see `studies.run.pipeline.evaluation_name`."""
    evaluate: EvaluateConfig
    """How it is scored."""
    upper_bound: bool
    """Whether the model was tuned on labels of these houses."""
    store: StoreStage
    """The held-out frames."""
    model: TransferStage
    """The tuned model."""
    seen: tuple[StoreStage, ...]
    """Stores that the model was pre-trained on or took pseudo-labels of: their poses must differ."""
    labelled: StoreStage | None = None
    """Labelled frames of the same houses (upper bound): their poses must differ too."""
    derived: tuple[DeriveStage, ...] = Field(default=(), exclude_if=lambda stages: not stages)
    """What makes inputs beside the held-out frames, where networks do."""

    @property
    def label(self) -> str:
        return f"in {self.name}: {self.model.label.removeprefix('transfer ')}"

    def check_installed(self) -> None:
        self.model.check_installed()

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        return self.scored(root)

    def scored(self, root: Path, outputs_of: Outputs | None = None) -> dict[str, Any]:
        """The metrics. `outputs_of`: how the model comes to its outputs; none: as it is."""
        frames = EvalFrames(Store.open(self.store.path(root)))
        seen: list[Frames] = [unlabelled(store.path(root), store.unlabelled_role) for store in self.seen]
        seen += [UpperBoundFrames(self.labelled.path(root))] if self.labelled else []
        apart = least_distances(frames, seen)
        model, out = self.model.folder(root), self.folder(root)
        metrics = evaluate(
            self.evaluate, frames, model, out, upper_bound=self.upper_bound, outputs_of=outputs_of
        )
        return metrics | apart

    @property
    def units(self) -> int:
        return self.store.units

    @property
    def cost_settings(self) -> dict[str, Any]:
        return super().cost_settings | {"model": self.model.cost_settings}

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"evaluate": changed(self.evaluate, runtime=changed(self.evaluate.runtime, threads=1))}
