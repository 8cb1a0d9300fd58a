"""Where a training loop stands: steps, loss curve and seconds, what a checkpoint keeps of them and what the
metrics say."""

import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

T = TypeVar("T")


class Progress:
    """Of a loop of `steps` steps, whose curve has `points` points, each the mean over the steps since the
    one before; the last point is at the last step.

    `started`: when the work began, by `time.monotonic` [s]; by default when its first step does."""

    def __init__(self, steps: int, points: int = 100, started: float | None = None):
        self.steps = steps
        self.done = 0
        """Steps that are done."""
        self.curve: list[list[float]] = []
        """[steps done, mean total loss] of each point."""
        self.losses: dict[str, float] = {}
        """Mean losses by name at the last point."""
        self.data_wait_seconds = 0.0
        """Spent waiting for data, in this process [s]."""
        self._every = max(1, steps // points)
        self._recent: list[dict[str, float]] = []  # losses of steps that the curve has not taken in yet
        self._before = (0.0, 0.0)  # seconds and processor seconds of the processes before
        self._resumed = 0
        self._started, self._cpu = started, time.process_time()
        self._looping = time.monotonic() if started is None else started
        self._ended: float | None = None
        self._bar: Any = None

    def facts(self) -> dict[str, Any]:
        """What a checkpoint keeps, as JSON values, for `restore`."""
        return {
            "step": self.done,
            "curve": self.curve,
            "recent": self._recent,
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }

    def restore(self, facts: Mapping[str, Any]) -> None:
        """Go on where `facts` were written."""
        self.done = self._resumed = facts["step"]
        self.curve, self._recent = facts["curve"], facts["recent"]
        self._before = (facts["seconds"], facts["cpu_seconds"])

    @property
    def seconds(self) -> float:
        """Seconds from the beginning to the last step, of the processes before too [s]."""
        begin = self._looping if self._started is None else self._started
        return self._before[0] + self._now() - begin

    @property
    def cpu_seconds(self) -> float:
        """Processor time of all threads since this was made, of the processes before too [s]."""
        return self._before[1] + time.process_time() - self._cpu

    @property
    def fresh(self) -> int:
        """Steps that this process made."""
        return self.done - self._resumed

    @property
    def loop_seconds(self) -> float:
        """Seconds from this process's first step to the last [s]."""
        return self._now() - self._looping

    def _now(self) -> float:
        return time.monotonic() if self._ended is None else self._ended

    def loop(self, what: str, quiet: bool = False) -> Iterator[int]:
        """The numbers, from 0, of the steps that are left, under a progress bar named `what`."""
        self._looping = time.monotonic()
        left = range(self.done, self.steps)
        self._bar = tqdm(
            left, initial=self.done, total=self.steps, desc=what, unit="step", mininterval=1.0, disable=quiet
        )
        yield from self._bar

    def wait_for(self, data: Iterator[T]) -> T:
        """The next of `data`, timed."""
        asked = time.monotonic()
        found = next(data)
        self.data_wait_seconds += time.monotonic() - asked
        return found

    def add(self, losses: Mapping[str, float]) -> None:
        """One more step is done; `total` among its losses is what the curve shows."""
        self.done += 1
        if self.done == self.steps:
            self._ended = time.monotonic()
        self._recent.append(dict(losses))
        if self.done % self._every and self.done < self.steps:
            return
        names = {name: None for recent in self._recent for name in recent}
        self.losses = {k: float(np.mean([r[k] for r in self._recent if k in r])) for k in names}
        self.curve.append([self.done, self.losses["total"]])
        self._recent = []
        if self._bar is not None:
            self._bar.set_postfix({k: f"{v:.3f}" for k, v in self.losses.items()}, refresh=False)

    def checkpoint_due(self, every: int) -> bool:
        """Whether the step that was done last is one of every `every`, and not the last of all."""
        return self.done % every == 0 and self.done < self.steps

    def metrics(self, batch: int) -> dict[str, Any]:
        """Metrics of a finished loop of `batch` samples a step. No rate where this process made no step."""
        return {
            "loss": self.losses["total"],
            "curve": self.curve,
            "steps": self.steps,
            "wall_seconds": self.seconds,
            "samples_per_second": self.fresh * batch / self.loop_seconds if self.fresh else None,
            "data_wait_seconds": self.data_wait_seconds,
        }
