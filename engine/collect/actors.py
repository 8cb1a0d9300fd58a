"""The crew: long-lived Ray actors that make parts, and the loop that feeds them.

An actor has at most two parts in flight, one that it makes and one that waits, so that it never idles and
little is lost with it. Actors run their calls in order, so the oldest part in flight of one that died is the
one it died of: that part alone counts a failure, what waited behind is handed out again for free. So is all
that was in flight where the whole machine went away, as spot machines do. A new actor takes the place of the
dead one.
"""

import os
import time
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import ray
from ray.exceptions import ActorDiedError, RayError

from engine.collect.ledger import TRIES, Ledger, Maker
from engine.collect.part_maker import PartResult
from engine.collect.plan import PartTask
from engine.store.errors import CollectError

_IN_FLIGHT = 2
_MAX_STARTUP_FAILURES = 5  # actors in a row that are lost before they are up, until we stop trying
_MAX_FAILURES_IN_A_ROW = 5 * TRIES  # of actors in a row, with no part made in between, until we stop trying
_WAIT = 5.0  # seconds
_SETTINGS = "TESTSPACE_AI2THOR_"  # variables that say how the simulator is run
_NODE_LOSS_TIMEOUT_S = 60.0  # seconds at most until it is known whether a machine is lost


class MakerActor:
    """A maker of parts in a process of its own."""

    def __init__(self, recipe: Maker):
        self._maker = recipe.maker()

    def hello(self) -> str:
        """The id of the node it is on, once the actor is up."""
        return ray.get_runtime_context().get_node_id()

    def make(self, task: PartTask) -> PartResult:
        """Makes a part."""
        return self._maker.make(task)


class _Worker:
    """An actor and what is in flight to it, oldest first."""

    def __init__(self, recipe: Maker, claims: dict[str, Any]):
        remote: Any = ray.remote(MakerActor)
        options: dict[str, Any] = {"num_cpus": 1, "max_restarts": 0, **claims}
        settings = {name: value for name, value in os.environ.items() if name.startswith(_SETTINGS)}
        if settings:  # on a cluster, other machines have an environment of their own
            options["runtime_env"] = {"env_vars": settings}
        # Never restarted by Ray: what it was given to make would be lost with it, and nobody told.
        self.actor = remote.options(**options).remote(recipe)
        self.hello = self.actor.hello.remote()
        self.node = ""  # known once it is up
        self.flying: deque[tuple[Any, PartTask]] = deque()

    def submit(self, task: PartTask) -> None:
        self.flying.append((self.actor.make.remote(task), task))

    def landed(self, ref: Any) -> PartTask:
        """The part that a finished call was for."""
        task = next(task for r, task in self.flying if r == ref)
        self.flying.remove((ref, task))
        return task

    @property
    def up(self) -> bool:
        return bool(self.node)

    @property
    def refs(self) -> list[Any]:
        return [ref for ref, _ in self.flying] if self.up else [self.hello]


def make_parts(
    tasks: Sequence[PartTask], recipe: Maker, actors: int, claims: dict[str, Any], ledger: Ledger
) -> None:
    """Makes parts on `actors` Ray actors, in no fixed order.

    `claims`: what an actor claims besides a CPU, as Ray's options. `ledger` hears of every attempt and says
    what to try again. Raises CollectError if actors keep dying.
    """
    queue = deque(tasks)
    workers = [_Worker(recipe, claims) for _ in range(min(actors, len(tasks)))]
    deaths = startup_failures = 0
    try:
        while queue or any(w.flying for w in workers):
            for worker in workers:
                while worker.up and queue and len(worker.flying) < _IN_FLIGHT:
                    task = ledger.ready(queue.popleft())
                    if task is not None:
                        worker.submit(task)
            # Bounded: the loop comes by even if nothing ends, and an actor that the cluster has no room for
            # yet is never handed work.
            ready, _ = ray.wait([r for w in workers for r in w.refs], num_returns=1, timeout=_WAIT)
            for ref in ready:
                worker = next(w for w in workers if ref in w.refs)
                try:
                    value = ray.get(ref)
                except RayError as error:
                    workers.remove(worker)
                    gone = worker.up and _machine_lost(worker)
                    deaths, startup_failures = deaths + (not gone), startup_failures + (not worker.up)
                    _requeue_in_flight(worker, queue, None if gone else ledger)
                    if deaths >= _MAX_FAILURES_IN_A_ROW or startup_failures >= _MAX_STARTUP_FAILURES:
                        raise CollectError(
                            f"{deaths} actors were lost one after the other and no part was made: {error}"
                        ) from error
                    workers.append(_Worker(recipe, claims))
                    continue
                if not worker.up:
                    worker.node, startup_failures = value, 0
                    continue
                deaths = 0
                queue.extend(ledger.ended(worker.landed(ref), value))
    finally:
        for worker in workers:
            ray.kill(worker.actor)


def _machine_lost(worker: _Worker) -> bool:
    """Whether a lost actor's machine went away with it.

    A broken connection is heard of at once, a lost machine only after some missed heartbeats: waits for Ray
    to make up its mind about the actor.
    """
    end = time.monotonic() + _NODE_LOSS_TIMEOUT_S
    while time.monotonic() < end:
        try:
            ray.get(worker.actor.hello.remote(), timeout=_WAIT)
            return False  # it was only out of reach
        except ActorDiedError:
            break
        except RayError:
            time.sleep(0.5)
    return not any(n["NodeID"] == worker.node and n["Alive"] for n in ray.nodes())


def _requeue_in_flight(worker: _Worker, queue: deque[PartTask], ledger: Ledger | None) -> None:
    """Hands out again what a lost actor had in flight, blaming the oldest part that it did not finish.

    No ledger: nobody is to blame, its machine went away.
    """
    while worker.flying and ledger is not None:
        ref, task = worker.flying.popleft()
        try:
            result, lost = cast(PartResult, ray.get(ref, timeout=_WAIT)), False
        except RayError as error:
            text = f"the actor was lost while it made this part: {type(error).__name__}: {error}"
            result, lost = PartResult(task.name, 0, 0.0, text), True
        queue.extend(ledger.ended(task, result))
        if lost:
            break
    queue.extendleft(task for _, task in reversed(worker.flying))
    worker.flying.clear()
    ray.kill(worker.actor)  # it may only have been out of reach
