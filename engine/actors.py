"""The crew: long-lived Ray actors that make parts, and the loop that feeds them.

An actor has at most two parts in flight, one that it makes and one that waits, so that it never idles and
little is lost with it. Actors run their calls in order, so the oldest part in flight of one that died is the
one it died of: that part alone counts a failure, what waited behind is handed out again for free. A new
actor takes the place of the dead one.
"""

import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, cast

import ray
from ray.exceptions import RayError

from engine.errors import CollectError
from engine.part_maker import PartMaker, PartResult, Recipe
from engine.plan import PartTask

_IN_FLIGHT = 2
_DEATHS = 5  # of actors in a row, with no part made in between, until we stop trying
_WAIT = 5.0  # seconds
_SETTINGS = "TESTSPACE_AI2THOR_"  # variables that say how the simulator is run


class MakerActor:
    """A `PartMaker` in a process of its own."""

    def __init__(self, recipe: Recipe):
        self._maker = PartMaker(recipe)

    def hello(self) -> bool:
        """Answers once the actor is up."""
        return True

    def make(self, task: PartTask) -> PartResult:
        """Makes a part."""
        return self._maker.make(task)


class _Worker:
    """An actor and what is in flight to it, oldest first."""

    def __init__(self, recipe: Recipe, gpus: float):
        remote: Any = ray.remote(MakerActor)
        options: dict[str, Any] = {"num_cpus": 1, "num_gpus": gpus, "max_restarts": 0}
        settings = {name: value for name, value in os.environ.items() if name.startswith(_SETTINGS)}
        if settings:  # on a cluster, other machines have an environment of their own
            options["runtime_env"] = {"env_vars": settings}
        self.actor = remote.options(**options).remote(recipe)
        self.hello = self.actor.hello.remote()
        self.up = False
        self.flying: deque[tuple[Any, PartTask]] = deque()

    def submit(self, task: PartTask) -> None:
        self.flying.append((self.actor.make.remote(task), task))

    def landed(self, ref: Any) -> PartTask:
        """The part that a finished call was for."""
        task = next(task for r, task in self.flying if r == ref)
        self.flying.remove((ref, task))
        return task

    @property
    def refs(self) -> list[Any]:
        return [ref for ref, _ in self.flying] if self.up else [self.hello]


def make_parts(
    tasks: Sequence[PartTask],
    recipe: Recipe,
    actors: int,
    gpus: float,
    ended: Callable[[PartTask, PartResult], bool],
) -> None:
    """Makes parts on `actors` Ray actors, in no fixed order.

    `gpus`: share of a GPU that an actor takes. `ended` hears of every attempt and says whether to try again.
    Raises CollectError if actors keep dying.
    """
    queue = deque(tasks)
    workers = [_Worker(recipe, gpus) for _ in range(min(actors, len(tasks)))]
    deaths = 0
    try:
        while queue or any(w.flying for w in workers):
            for worker in workers:
                while worker.up and queue and len(worker.flying) < _IN_FLIGHT:
                    worker.submit(queue.popleft())
            # Bounded: the loop comes by even if nothing ends, and an actor that the cluster has no room for
            # yet is never handed work.
            ready, _ = ray.wait([r for w in workers for r in w.refs], num_returns=1, timeout=_WAIT)
            for ref in ready:
                worker = next(w for w in workers if ref in w.refs)
                try:
                    value = ray.get(ref)
                except RayError as error:
                    deaths += 1
                    if deaths >= _DEATHS:
                        raise CollectError(
                            f"{deaths} actors were lost one after the other and no part was made: {error}"
                        ) from error
                    workers.remove(worker)
                    workers.append(_Worker(recipe, gpus))
                    _bury(worker, queue, ended)
                    continue
                if not worker.up:
                    worker.up = True
                    continue
                deaths = 0
                task = worker.landed(ref)
                if ended(task, value):
                    queue.append(task)
    finally:
        for worker in workers:
            ray.kill(worker.actor)


def _bury(worker: _Worker, queue: deque[PartTask], ended: Callable[[PartTask, PartResult], bool]) -> None:
    """Hands out again what a lost actor had in flight, blaming the oldest part that it did not finish."""
    while worker.flying:
        ref, task = worker.flying.popleft()
        try:
            result, lost = cast(PartResult, ray.get(ref, timeout=_WAIT)), False
        except RayError as error:
            text = f"the actor was lost while it made this part: {type(error).__name__}: {error}"
            result, lost = PartResult(task.name, 0, 0.0, text), True
        if ended(task, result):
            queue.append(task)
        if lost:
            break
    queue.extendleft(task for _, task in reversed(worker.flying))
    ray.kill(worker.actor)  # it may only have been out of reach
