"""Runs the tasks of a plan, in this process or on Ray actors: of a collection, and of derived modalities."""

from collections import deque
from collections.abc import Sequence
from typing import Any

from engine.collect.ledger import Ledger, Maker
from engine.collect.plan import PartTask


def run_tasks(
    tasks: Sequence[PartTask],
    recipe: Maker,
    ledger: Ledger,
    actors: int,
    claims: dict[str, Any],
    need_gpu: bool = True,
) -> None:
    """Makes parts on Ray actors, or in this process if `actors` is 0.

    Without `need_gpu` a claim of `num_gpus` holds only where there is one on a machine that offers the other
    claims; with it, and with no GPU here, raises ValueError. Raises CollectError, naming what failed three
    times.
    """
    try:
        if actors == 0:
            _in_process(tasks, recipe, ledger)
        else:
            # Ray takes seconds to import; in-process collection has no use for it.
            from engine.cluster import check_gpu, has_gpu, ray_session
            from engine.collect.actors import make_parts

            with ray_session(actors):
                if "num_gpus" in claims and need_gpu:
                    check_gpu("device cuda", "set --device cpu or auto")
                elif "num_gpus" in claims and not has_gpu(next(iter(claims.get("resources", {})), "")):
                    claims = {k: v for k, v in claims.items() if k != "num_gpus"}
                make_parts(tasks, recipe, actors, claims, ledger)
    finally:
        ledger.bar.close()
    ledger.check()


def _in_process(tasks: Sequence[PartTask], recipe: Maker, ledger: Ledger) -> None:
    maker = recipe.maker()
    queue = deque(tasks)
    while queue:
        task = ledger.ready(queue.popleft())
        if task is not None:
            queue.extend(ledger.ended(task, maker.make(task)))
