"""Parallel map over processes: results in the order of the items."""

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from scenes.machine import available_cores

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_A_PROCESS = 16  # houses; fewer take less time than starting a process


def spread(function: Callable[[Item], Result], items: Sequence[Item], workers: int = 0) -> Iterator[Result]:
    """`function` of every item, by `workers` processes (0: one a core) where there is enough to do for them.

    The results come in the order of the items, as they are made; function and items must be picklable. An
    error of an item is raised when its turn comes. Raises OSError if a process is killed.
    """
    workers = min(workers or available_cores(), len(items) // WORTH_A_PROCESS)
    if workers < 2:
        yield from map(function, items)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _ignore_interrupts)
    try:
        yield from pool.map(function, items, chunksize=WORTH_A_PROCESS // 2)
    except BrokenProcessPool as error:
        raise OSError(
            "a worker process was killed, perhaps for its memory; run again with fewer workers"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that asked; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
