"""Batches: which frames, in which order, and their decoding in threads.

The order is a pure function of (seed, epoch, world size, rank, batch size); nothing else changes it. An
epoch shuffles the store's chunks, lays their frames end to end and cuts the line into *tickets*, one rank
after the other: a ticket is a fixed group of batches over many chunks, shuffled within. So every chunk is
decoded about once per epoch, and a batch still mixes many places. Tickets name chunks, not pixels; who
holds one can make its batches. Training repeats the line's head rather than give a short batch, and
evaluation drops nothing.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from engine.access import Frames

Batch = dict[str, np.ndarray]
"""Modalities, each [batch, ...], and `id`: int64 [batch], the ids of the frames in their view."""


@dataclass(frozen=True)
class Ticket:
    """A group of batches: frames `skip` to `skip + count` of `chunks` laid end to end, shuffled unless
    `shuffle` is None."""

    epoch: int
    first_batch: int  # of the rank, in the epoch
    batch_size: int
    chunks: tuple[int, ...]  # indices into Frames.chunks()
    skip: int
    count: int
    shuffle: tuple[int, ...] | None  # seeds of the order within

    @property
    def batches(self) -> int:
        """Number of batches; only an evaluation's last one may be short."""
        return -(-self.count // self.batch_size)


@dataclass(frozen=True)
class Order:
    """Who sees what when. `sizes` are the lengths of a view's chunks."""

    sizes: tuple[int, ...]
    batch_size: int
    seed: int = 0
    world_size: int = 1
    rank: int = 0
    ticket_frames: int = 512  # frames decoded together; at least one batch

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0 <= self.rank < self.world_size:
            raise ValueError(
                f"batch_size {self.batch_size} must be at least 1, and rank {self.rank} below world_size "
                f"{self.world_size}"
            )
        assert self.sizes, "a view is never empty"
        assert min(self.sizes) > 0, "a chunk is never empty"

    @classmethod
    def of(
        cls, frames: Frames, batch_size: int, seed: int = 0, world_size: int = 1, rank: int = 0
    ) -> "Order":
        """The order over a view."""
        return cls(tuple(c.count for c in frames.chunks()), batch_size, seed, world_size, rank)

    @property
    def batches_per_epoch(self) -> int:
        """Batches that every rank gets in an epoch of training; together they hold each frame once."""
        return -(-sum(self.sizes) // (self.batch_size * self.world_size))

    @property
    def _batches_per_ticket(self) -> int:
        return max(1, self.ticket_frames // self.batch_size)

    def tickets(self, epoch: int) -> list[Ticket]:
        """This rank's tickets of an epoch of training, in order."""
        line = np.random.default_rng((self.seed, epoch, 0)).permutation(len(self.sizes))
        ends = np.cumsum(np.asarray(self.sizes)[line])
        tickets: list[Ticket] = []
        at = 0
        for first in range(0, self.batches_per_epoch, self._batches_per_ticket):
            count = min(self._batches_per_ticket, self.batches_per_epoch - first) * self.batch_size
            start = at + self.rank * count
            chunks, skip = _cut(line, ends, start, count)
            shuffle = (self.seed, epoch, 1, first, self.rank)
            tickets.append(Ticket(epoch, first, self.batch_size, chunks, skip, count, shuffle))
            at += count * self.world_size
        return tickets

    def evaluation(self) -> list[Ticket]:
        """This rank's tickets of one pass in order of ids, nothing dropped and nothing twice.

        Ranks take turns; the last batch may be short, and a rank may have fewer batches than another.
        """
        total = sum(self.sizes)
        line = np.arange(len(self.sizes))
        ends = np.cumsum(self.sizes)
        size = self._batches_per_ticket * self.batch_size
        mine = range(self.rank * size, total, self.world_size * size)
        tickets = []
        for turn, start in enumerate(mine):
            count = min(size, total - start)
            chunks, skip = _cut(line, ends, start, count)
            first = turn * self._batches_per_ticket
            tickets.append(Ticket(0, first, self.batch_size, chunks, skip, count, None))
        return tickets

    def from_batch(self, batch: int) -> Iterator[tuple[Ticket, range]]:
        """Tickets without end from this rank's `batch`-th batch on, each with the batches to take of it."""
        epoch, within = divmod(batch, self.batches_per_epoch)
        while True:
            yield from _since(self.tickets(epoch), within)
            epoch, within = epoch + 1, 0


def _since(tickets: Iterable[Ticket], batch: int) -> Iterator[tuple[Ticket, range]]:
    """Tickets of an epoch from its `batch`-th batch on."""
    for ticket in tickets:
        if ticket.first_batch + ticket.batches > batch:
            yield ticket, range(max(0, batch - ticket.first_batch), ticket.batches)


def _cut(line: np.ndarray, ends: np.ndarray, start: int, count: int) -> tuple[tuple[int, ...], int]:
    """Chunks that hold frames `start` to `start + count` of a line that repeats, and frames to skip."""
    total = int(ends[-1])
    chunks: list[int] = []
    lap, at = divmod(start, total)
    index = int(np.searchsorted(ends, at, side="right"))
    skip = at - (int(ends[index - 1]) if index else 0)
    while lap * total + (int(ends[index - 1]) if index else 0) < start + count:
        chunks.append(int(line[index]))
        index += 1
        if index == len(line):
            index, lap = 0, lap + 1
    return tuple(chunks), skip


class TicketReader:
    """Decodes tickets of a view in threads, some tickets ahead.

    Threads suffice: decoding is C++ that lets go of Python's lock. At most `prefetch + 1` tickets of
    decoded frames are in memory.
    """

    def __init__(
        self,
        frames: Frames,
        modalities: Sequence[str],
        batch_size: int,
        *,
        seed: int = 0,
        world_size: int = 1,
        rank: int = 0,
        threads: int = 2,
        prefetch: int = 2,
    ):
        """Raises ValueError, LeakError, MissingModalityError."""
        if threads < 1 or prefetch < 1:
            raise ValueError("threads and prefetch must be at least 1")
        self.frames = frames
        self.modalities = tuple(modalities)
        self.order = Order.of(frames, batch_size, seed, world_size, rank)
        self.threads = threads
        self.prefetch = prefetch
        self._chunks = frames.chunks()
        frames.read([0], self.modalities)  # what cannot be read is refused here and not in a thread

    @property
    def batches_per_epoch(self) -> int:
        """Batches of an epoch of training."""
        return self.order.batches_per_epoch

    def batches(self, start_batch: int = 0) -> Iterator[Batch]:
        """Training batches without end, epoch after epoch, from the `start_batch`-th of all on."""
        return self.decode(self.order.from_batch(start_batch))

    def epoch(self, epoch: int, start_batch: int = 0) -> Iterator[Batch]:
        """The training batches of one epoch from its `start_batch`-th on."""
        return self.decode(_since(self.order.tickets(epoch), start_batch))

    def evaluation(self) -> Iterator[Batch]:
        """One pass in order of ids; every frame once, the last batch as long as what is left."""
        return self.decode(_since(self.order.evaluation(), 0))

    def ids(self, ticket: Ticket) -> Int64[np.ndarray, " count"]:
        """The frames of a ticket, in the order of its batches."""
        spans = [np.arange(c.first, c.first + c.count) for c in (self._chunks[i] for i in ticket.chunks)]
        ids = np.concatenate(spans)[ticket.skip : ticket.skip + ticket.count]
        if ticket.shuffle is not None:
            ids = np.random.default_rng(ticket.shuffle).permutation(ids)
        return ids

    def decode(self, tickets: Iterable[tuple[Ticket, range]]) -> Iterator[Batch]:
        """Batches of tickets, of each those in a range. Errors of the reading threads come out here."""
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="tickets")
        ahead: deque[Future[list[Batch]]] = deque()
        try:
            for ticket, wanted in tickets:
                ahead.append(pool.submit(self._decode_one, ticket, wanted))
                if len(ahead) > self.prefetch:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _decode_one(self, ticket: Ticket, wanted: range) -> list[Batch]:
        size = ticket.batch_size
        ids = self.ids(ticket)[wanted.start * size : wanted.stop * size]
        values = {"id": ids, **self.frames.read(ids, self.modalities)}
        return [{name: v[c : c + size] for name, v in values.items()} for c in range(0, len(ids), size)]
