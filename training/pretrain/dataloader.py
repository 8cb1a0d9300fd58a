"""The steps of a pre-training, made ready on the CPU while the step before them computes.

A batch is made of a fixed number of *lanes*, each with frames and random choices of its own, and a worker
takes whole lanes: so the number of workers, and into how many forward passes each cuts its frames, change
nothing of what a step is. Decoding runs in threads of `engine.stream.stream`; masks and packing in one
here."""

from collections import deque
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import count, pairwise
from typing import TypeVar

import numpy as np

from engine.stream.mixture import MixedFrames
from engine.stream.order import Order, Ticket, View
from engine.stream.stream import TicketReader
from training.models.multimodal import PackedBatch
from training.pretrain.objective import Arrays, Objective

T = TypeVar("T")
Tickets = Iterator[tuple[Ticket, range]]
"""Tickets of several lanes, one after the other group by group, with the batches to take of each."""

SOURCE = "source"
"""Of batches of a mixture, beside what is read: the number of the view that each frame is of."""
GROUP_FRAMES = 1024
"""Frames that all lanes together decode at a time; at least a batch."""


@dataclass(frozen=True)
class Lanes:
    """`number` lanes of `frames` frames a step each; `seed` is that of masks and order."""

    number: int
    frames: int
    seed: int

    def check(self, workers: int) -> None:
        """Raises ValueError where a worker would have no lane."""
        if workers > self.number:
            raise ValueError(
                f"{workers} workers share the {self.number} lanes of a batch of {self.number * self.frames} "
                "frames: raise lanes, to a number that the batch divides by, or take fewer workers"
            )

    def of(self, rank: int, size: int) -> range:
        """The lanes of a worker: as many as any other has, or one less."""
        return range(rank * self.number // size, (rank + 1) * self.number // size)

    def order(self, view: View) -> Order:
        """The order of frames, a lane being what a rank is there."""
        order = Order.of(view, self.frames, self.seed, self.number)
        return replace(order, ticket_frames=max(1, GROUP_FRAMES // self.number))

    def tickets(self, view: View, lanes: Sequence[int], step: int) -> Tickets:
        """Tickets without end from a step on."""
        order = self.order(view)
        each = [replace(order, rank=lane).from_batch(step) for lane in lanes]
        while True:
            for tickets in each:
                yield next(tickets)

    def batches(
        self, view: View, arrays: Sequence[str], lanes: Sequence[int], tickets: Tickets
    ) -> Iterator[Arrays]:
        """The frames of each step, lane after lane; of a mixture that hides something, and `SOURCE`."""
        reader = TicketReader(view, arrays, self.frames, seed=self.seed)
        taken: deque[int] = deque()

        def noted() -> Tickets:
            for ticket, wanted in tickets:
                taken.append(len(wanted))
                yield ticket, wanted

        decoded = reader.decode(noted())
        for first in decoded:
            steps = taken[0]
            group = [first, *(next(decoded) for _ in range(steps * len(lanes) - 1))]
            for _ in lanes:
                taken.popleft()
            for step in range(steps):
                batch = {k: np.concatenate([b[k] for b in group[step::steps]]) for k in first}
                if isinstance(view, MixedFrames) and any(view.shows):
                    batch[SOURCE] = view.view_of(batch["id"])
                yield batch


@dataclass(frozen=True)
class Step:
    """What a worker computes of a step: batches, one a forward pass, each with its share of the frames of
    the whole step, and the terms of each loss in them (`Objective.counts`)."""

    passes: list[tuple[PackedBatch, float]]
    counts: dict[str, int]


def passes_of(lanes: Lanes, size: int, micro_batch: int | None) -> int:
    """Forward passes a step, the same of every worker, none of more than `micro_batch` frames."""
    shares = [len(lanes.of(rank, size)) * lanes.frames for rank in range(size)]
    return min(-(-max(shares) // (micro_batch or max(shares))), min(shares))


def steps(
    objective: Objective,
    batches: Iterator[Arrays],
    lanes: Lanes,
    mine: Sequence[int],
    passes: int,
    first: int,
) -> Iterator[Step]:
    """Steps from the `first` on, of a worker with lanes `mine`."""
    frames = len(mine) * lanes.frames
    cuts = [frames * i // passes for i in range(passes + 1)]
    for step, arrays in zip(count(first), batches, strict=False):
        sources = np.split(arrays[SOURCE], len(mine)) if SOURCE in arrays else [None] * len(mine)
        draws = [
            objective.draw(lanes.frames, np.random.default_rng((lanes.seed, step, lane)), source)
            for lane, source in zip(mine, sources, strict=True)
        ]
        drawn = {k: np.concatenate([d[k] for d in draws]) for k in draws[0]}
        rows = {k: len(v) // frames for k, v in drawn.items()}
        made = []
        for a, b in pairwise(cuts):
            some = {k: v[a * rows[k] : b * rows[k]] for k, v in drawn.items()}
            batch = objective.pack({k: v[a:b] for k, v in arrays.items()}, some)
            made.append((batch, (b - a) / (lanes.number * lanes.frames)))
        yield Step(made, objective.counts([batch for batch, _ in made]))


def prefetch(items: Iterator[T]) -> Generator[T]:
    """The same items, each made in a thread while the one before it is in use."""
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as pool:
        following = pool.submit(next, items, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, items, None)
            yield item
