"""Stages of a few lines, for tests of what holds for all kinds."""

import os
import signal
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from studies.run.stage import Stage
from studies.spec.config import MachineConfig


class CountingStage(Stage):
    """Writes `times` bytes to `count.txt`, after all stages in `needs_first`."""

    kind = "counting"
    rank = 8
    unit = "bytes"

    name: str
    times: int = 1
    needs_first: tuple[Stage, ...] = ()
    guards: tuple[Stage, ...] = Field(default=(), exclude=True)

    @property
    def label(self) -> str:
        return self.name

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        assert all((stage.folder(root) / "done.json").exists() for stage in self.waits_for)
        print("at work")
        with (self.folder(root) / "count.txt").open("a") as file:
            file.write("x" * self.times)
        return {"inputs": len(self.needs), "bytes": self.times}

    @property
    def units(self) -> int:
        return self.times

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"times": steps}


class FailingStage(CountingStage):
    """Counts, and then raises, or dies with its process: always, or the first time only."""

    kind = "failing"
    how: Literal["raises", "dies", "dies once"] = "raises"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        before = (self.folder(root) / "count.txt").exists()
        found = super().work(root, machine)
        if self.how == "raises":
            raise ValueError("20 pixels do not divide")
        if self.how == "dies" or not before:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
