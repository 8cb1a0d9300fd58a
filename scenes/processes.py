"""Work on several cores: the same function of many items, results in the items' order."""

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, chunk: int = 8
) -> Iterator[Result]:
    """`function` of every item, by `workers` processes (0: as many as there are cores).

    The results come in the order of the items, as they are made; the function and its items must be
    picklable. One worker is this process. An error of one item is raised when its turn comes.
    """
    workers = workers or cores()
    if workers == 1:
        yield from map(function, items)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap(function, items, chunk)
