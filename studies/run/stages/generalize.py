"""Modality generalization: a search for one algorithm, judged on held-out frames in modalities never seen.

It reads labels of transfer frames, of which houses that are evaluated or pre-trained in are refused, and of
held-out frames for the score alone."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field

from engine.store.access import EvalFrames, TransferFrames, spaces_under_test, unlabelled
from engine.store.held_out import least_distances
from engine.store.store import Store
from studies.run.stage import Stage, changed, without_amounts
from studies.run.stages.perceive import PerceiveStage
from studies.run.stages.store import StoreStage
from studies.spec.config import MachineConfig
from training.common.external_access import as_facts, sources_in
from training.generalization.sweep import GeneralizeConfig, generalize


class GeneralizeStage(Stage):
    """Scores of one algorithm."""

    kind = "generalize"
    rank = 7
    unit = "model steps"
    trains = True

    name: str = Field(exclude=True)
    """Name of the evaluation in its study."""
    generalize: GeneralizeConfig
    """The search."""
    features: PerceiveStage
    """Features of the frames, and through it the frames."""
    seen: tuple[StoreStage, ...]
    """Stores that the perceptor was pre-trained on: their poses must differ from the held-out ones."""
    guarded: tuple[StoreStage, ...] = Field(default=(), exclude=True)
    """Stores of the houses whose labels are refused."""

    @property
    def label(self) -> str:
        published = ", as published" if self.generalize.as_published else ""
        return f"in {self.name}: {self.generalize.algorithm}{published}, seed {self.generalize.seed}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        tested = EvalFrames(Store.open(self.features.shown.path(root)))
        spaces = [space for store in self.guarded for space in spaces_under_test(store.path(root))]
        labelled = TransferFrames(self.features.learned.path(root), [*spaces, *tested.spaces])
        seen = [unlabelled(store.path(root), store.unlabelled_role) for store in self.seen]
        apart = least_distances(tested, seen)
        folder = self.features.folder(root)
        metrics = generalize(self.generalize, labelled, tested, folder, self.folder(root))
        perceived = self.features.done(root)
        assert perceived is not None
        metrics |= as_facts(sources_in(perceived["metrics"], str(folder)))
        return metrics | apart

    @property
    def units(self) -> int:
        modalities = len(self.generalize.perceptor.modalities)
        pairs = modalities * (modalities - 1)
        pairs //= 1 if self.generalize.perceptor.kind == "views" else 2
        return self.generalize.steps * self.generalize.searches * (modalities + pairs)

    @property
    def cost_settings(self) -> dict[str, Any]:
        own = without_amounts(self.settings["generalize"]) | {"searches": None, "batch": None}
        return {"generalize": own, "size": self.frame_size}

    def reduced(self, steps: int) -> dict[str, Any]:
        # Objects are in any frame; which rooms some frames are of, they may not show.
        few: dict[str, Any] = {"steps": 20 * steps, "searches": 1, "batch": 4, "task": "objects"}
        few |= {"runtime": changed(self.generalize.runtime, threads=1), "validation": 0.5}
        return {"generalize": changed(self.generalize, **few)}

    def reduce(self, steps: int, known: dict[str, Stage]) -> Self:
        """As all, on frames of two houses: one trains, one validates."""
        if self.key not in known:
            features = self.features.reduce(steps, known)
            learned = features.learned
            two = changed(learned.houses.houses, count=2)
            learned = learned.model_copy(update={"houses": learned.houses.model_copy(update={"houses": two})})
            found = super().reduce(steps, known)
            features = features.model_copy(update={"learned": learned})
            known[self.key] = found.model_copy(update={"features": features})
        found = known[self.key]
        assert isinstance(found, type(self))
        return found
