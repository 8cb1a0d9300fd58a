"""Makes what is derived from one part: reads, computes, writes. Used in-process and by every actor."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Shaped

from engine.collect.part_maker import PartResult, failed
from engine.collect.plan import PartTask
from engine.store.errors import PartExistsError
from engine.store.schema import ModalitySpec
from engine.store.store import Store

_AT_ONCE = 256  # frames


class FrameError(ValueError):
    """One frame could not be derived: `frame`, by its number in the arrays that were given."""

    def __init__(self, frame: int, why: str):
        super().__init__(why)
        self.frame = frame


@dataclass(frozen=True)
class Deriver:
    """Derives one modality, part by part."""

    store: Store
    spec: ModalitySpec
    """What is derived."""
    inputs: tuple[str, ...]
    compute: Callable[..., Shaped[np.ndarray, "frames ..."]]
    """Of the inputs, frames along the first axis. May raise FrameError."""

    def make(self, task: PartTask) -> PartResult:
        """Derives the part `task.name`. Errors are returned, not raised: they cross processes as text."""
        started, name = time.monotonic(), self.spec.name
        reading, size = task.name, 0
        try:
            blocks = [self._block(task, first) for first in range(0, task.frames, _AT_ONCE)]
            reading = ""
            size = self.store.add_derived(task.name, name, {name: np.concatenate(blocks)}, [self.spec]).bytes
        except PartExistsError:
            pass  # of the same part in the same way: whoever wrote it wrote the same
        except Exception as error:
            return failed(task, error, self.store.place, reading, time.monotonic() - started)
        return PartResult(task.name, task.frames, time.monotonic() - started, bytes=size)

    def _block(self, task: PartTask, first: int) -> Shaped[np.ndarray, "frames ..."]:
        values = self.store.read(task.name, first, min(_AT_ONCE, task.frames - first), self.inputs)
        try:
            return self.compute(*(values[m] for m in self.inputs))
        except FrameError as error:
            frame = first + error.frame
            space = next(r.space for r in self.store.part(task.name).runs if frame < r.start + r.count)
            raise ValueError(
                f"{self.spec.name} fails at frame {frame} of part {task.name} (space {space}): {error}"
            ) from error
