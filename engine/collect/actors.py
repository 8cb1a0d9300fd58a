"""A pool of long-lived Ray actors that make parts, and the loop that feeds them.

An actor has at most two parts in flight, one that it makes and one that waits, so that it never idles and
little is lost with it. Actors run their calls in order, so an actor that dies was making the oldest part in
flight: a failure is counted for that part alone, and those that waited behind it are queued again. So are all
parts in flight where the whole machine was lost, as spot machines are. A new actor replaces the dead one.
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

    def node_id(self) -> str:
        """The id of the actor's node, once the actor has started."""
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
        # Never restarted by Ray: a restarted actor would have lost its calls without an error.
        self.actor = remote.options(**options).remote(recipe)
        self.startup = self.actor.node_id.remote()
        self.node = ""  # its id, once the actor has started
        self.in_flight: deque[tuple[Any, PartTask]] = deque()

    def submit(self, task: PartTask) -> None:
        self.in_flight.append((self.actor.make.remote(task), task))

    def finish(self, ref: Any) -> PartTask:
        """The part that a finished call was for."""
        task = next(task for r, task in self.in_flight if r == ref)
        self.in_flight.remove((ref, task))
        return task

    @property
    def started(self) -> bool:
        return bool(self.node)

    @property
    def refs(self) -> list[Any]:
        return [ref for ref, _ in self.in_flight] if self.started else [self.startup]


def make_parts(
    tasks: Sequence[PartTask], recipe: Maker, actors: int, claims: dict[str, Any], ledger: Ledger
) -> None:
    """Makes parts on `actors` Ray actors, in no fixed order.

    `claims`: what an actor claims besides a CPU, as Ray's options. `ledger` records every attempt and returns
    what to try again. Raises CollectError if actors keep dying.
    """
    queue = deque(tasks)
    workers = [_Worker(recipe, claims) for _ in range(min(actors, len(tasks)))]
    failures = startup_failures = 0
    try:
        while queue or any(w.in_flight for w in workers):
            for worker in workers:
                while worker.started and queue and len(worker.in_flight) < _IN_FLIGHT:
                    task = ledger.ready(queue.popleft())
                    if task is not None:
                        worker.submit(task)
            # With a timeout, so that queued parts go to whichever actors start meanwhile; an actor that the
            # cluster has no room for yet gets none.
            ready, _ = ray.wait([r for w in workers for r in w.refs], num_returns=1, timeout=_WAIT)
            for ref in ready:
                worker = next(w for w in workers if ref in w.refs)
                try:
                    value = ray.get(ref)
                except RayError as error:
                    workers.remove(worker)
                    machine_lost = worker.started and _machine_lost(worker)
                    failures += not machine_lost
                    startup_failures += not worker.started
                    _requeue_in_flight(worker, queue, None if machine_lost else ledger)
                    if failures >= _MAX_FAILURES_IN_A_ROW or startup_failures >= _MAX_STARTUP_FAILURES:
                        raise CollectError(
                            f"{failures} actors in a row were lost and no part was made: {error}"
                        ) from error
                    workers.append(_Worker(recipe, claims))
                    continue
                if not worker.started:
                    worker.node, startup_failures = value, 0
                    continue
                failures = 0
                queue.extend(ledger.ended(worker.finish(ref), value))
    finally:
        for worker in workers:
            ray.kill(worker.actor)


def _machine_lost(worker: _Worker) -> bool:
    """Whether a lost actor's machine went away with it.

    Ray reports a broken connection at once, a lost machine only after some missed heartbeats: waits until it
    has settled on either.
    """
    end = time.monotonic() + _NODE_LOSS_TIMEOUT_S
    while time.monotonic() < end:
        try:
            ray.get(worker.actor.node_id.remote(), timeout=_WAIT)
            return False  # it was only out of reach
        except ActorDiedError:
            break
        except RayError:
            time.sleep(0.5)
    return not any(n["NodeID"] == worker.node and n["Alive"] for n in ray.nodes())


def _requeue_in_flight(worker: _Worker, queue: deque[PartTask], ledger: Ledger | None) -> None:
    """Queues again what a lost actor had in flight, and counts a failure of the oldest part not finished.

    Without a ledger no failure is counted: the machine was lost, not the actor.
    """
    while worker.in_flight and ledger is not None:
        ref, task = worker.in_flight.popleft()
        try:
            result, lost = cast(PartResult, ray.get(ref, timeout=_WAIT)), False
        except RayError as error:
            text = f"the actor was lost while it made this part: {type(error).__name__}: {error}"
            result, lost = PartResult(task.name, 0, 0.0, text), True
        queue.extend(ledger.ended(task, result))
        if lost:
            break
    queue.extendleft(task for _, task in reversed(worker.in_flight))
    worker.in_flight.clear()
    ray.kill(worker.actor)  # it may only have been out of reach
