"""A stage, and a maker of parts, that write down which GPUs Ray shows to them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from engine.collect.part_maker import PartResult
from engine.collect.plan import PartTask
from studies.spec.config import MachineConfig
from tests.studies.counting_stage import CountingStage

VISIBLE = "CUDA_VISIBLE_DEVICES"
_PATIENCE = 60.0  # seconds


class LookingStage(CountingStage):
    """Stays until `company` stages of its kind are at work; the metric `gpus` is what it sees."""

    kind = "looking"
    trains: ClassVar[bool] = True
    company: int = 1

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        found = super().work(root, machine)
        end = time.monotonic() + _PATIENCE
        while len(list(root.glob(f"{self.kind}-*/count.txt"))) < self.company:
            assert time.monotonic() < end, f"fewer than {self.company} stages run side by side"
            time.sleep(0.05)
        return found | {"gpus": os.environ.get(VISIBLE), "process": os.getpid()}


class BlindStage(LookingStage):
    """One without a network."""

    kind = "blind"
    trains: ClassVar[bool] = False


@dataclass(frozen=True)
class Looker:
    """A recipe of parts, and what makes them: a part's `house` is what its actor sees."""

    def maker(self) -> "Looker":
        return self

    def make(self, task: PartTask) -> PartResult:
        return PartResult(task.name, task.frames, 0.0, house=repr(os.environ.get(VISIBLE)))
