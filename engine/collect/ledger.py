"""Progress and failures of a collection, by part, and the houses that had to be left out.

A failure is attributed to the house in which it happened. Where that is unknown, because the actor was lost
or the part could not be written, the part is tried again, then in halves, until a house is alone. A house
that fails three times without a success in between is put in quarantine: it is removed from all parts still
to be made, so that the other houses are collected, and is named at the end.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any, Protocol

from tqdm import tqdm

from engine.collect.part_maker import PartResult
from engine.collect.plan import PartTask
from engine.store.errors import CollectError

TRIES = 3


class Maker(Protocol):
    """What makes parts: sent to the process that is to make them, and unfolded there."""

    def maker(self) -> Any:
        """An object whose `make(task)` returns a `PartResult`."""
        ...


class Ledger:
    """Takes note of every attempt at a part, and says what is to be tried next."""

    def __init__(
        self,
        role: str,
        config_hash: str,
        present: int,
        total: int,
        verb: str = "collect",
        noun: str = "houses",
    ):
        """`present` of `total` frames are in the store already. `verb` and `noun`: what is done to what, in
        words."""
        self.made: list[PartResult] = []
        self.quarantine: dict[str, str] = {}
        """Why a house was left out, by its path."""
        self._hash = config_hash
        self._noun = noun
        self._failures: Counter[str] = Counter()  # in a row, by house or by part
        self._bytes = 0
        self.bar = tqdm(total=total, initial=present, desc=f"{verb} {role}", unit="frame", smoothing=0.1)

    def ready(self, task: PartTask) -> PartTask | None:
        """The task without the houses in quarantine; None if nothing is left of it."""
        kept = tuple(s for s in task.segments if s.house.path not in self.quarantine)
        if len(kept) == len(task.segments):
            return task
        return task.of(kept, self._hash) if kept else None

    def ended(self, task: PartTask, result: PartResult) -> Sequence[PartTask]:
        """Takes note of an attempt; returns what should be tried now. Raises CollectError if all is lost."""
        if not result.error:
            self.made.append(result)
            for segment in task.segments:
                self._failures.pop(segment.house.path, None)
            self._bytes += result.bytes
            self.bar.set_postfix_str(f"{self._bytes / 1e6:.1f} MB", refresh=False)
            self.bar.update(result.frames)
            return ()
        if result.fatal:
            raise CollectError(f"{result.error}: mend that and run the same command again")
        houses = list(dict.fromkeys(s.house.path for s in task.segments))
        culprit = result.house or (houses[0] if len(houses) == 1 else "")
        blamed = culprit or task.name
        self._failures[blamed] += 1
        if self._failures[blamed] < TRIES:
            return (task,)
        if culprit:
            self.quarantine[culprit] = result.error
            return (task,)  # `ready` takes the house out
        half = len(houses) // 2
        front, back = set(houses[:half]), set(houses[half:])
        return tuple(
            task.of(tuple(s for s in task.segments if s.house.path in side), self._hash)
            for side in (front, back)
        )

    def check(self) -> None:
        """Raises CollectError if houses are in quarantine, naming each with its failure."""
        if not self.quarantine:
            return
        lines = "\n".join(f"  {house}: {_last_line(why)}" for house, why in sorted(self.quarantine.items()))
        first = next(iter(self.quarantine.values())).strip()
        raise CollectError(
            f"{len(self.quarantine)} {self._noun} failed {TRIES} times each and were left out:\n{lines}\n"
            f"All other frames are in the store; run again without these {self._noun}, or once they are "
            f"mended. The first failure was:\n{first}"
        )


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1][:200]
