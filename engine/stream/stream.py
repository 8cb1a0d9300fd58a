"""Batches: the frames of tickets, decoded in threads. Their order: engine/stream/order.py."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from jaxtyping import Int64, Shaped

from engine.stream.order import Order, Ticket, View, since

__all__ = ["Batch", "Order", "Ticket", "TicketReader"]

Batch = dict[str, Shaped[np.ndarray, "batch ..."]]
"""Modalities, and `id`: int64, the ids of the frames in their view."""


class TicketReader:
    """Decodes tickets of a view in threads, some tickets ahead.

    Threads suffice: decoding is C++ that lets go of Python's lock. At most `prefetch + 1` tickets of
    decoded frames are in memory.
    """

    def __init__(
        self,
        frames: View,
        modalities: Sequence[str],
        batch_size: int,
        *,
        seed: int = 0,
        threads: int = 2,
        prefetch: int = 2,
    ):
        """Raises ValueError, LeakError, MissingModalityError."""
        if threads < 1 or prefetch < 1:
            raise ValueError("threads and prefetch must be at least 1")
        self.frames = frames
        self.modalities = tuple(modalities)
        self.order = Order.of(frames, batch_size, seed)
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
        return self.decode(since(self.order.tickets(epoch), start_batch))

    def evaluation(self) -> Iterator[Batch]:
        """One pass in order of ids; every frame once, the last batch as long as what is left."""
        return self.decode(since(self.order.evaluation(), 0))

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

    def _decode_one(self, ticket: Ticket, wanted: range) -> list[dict[str, Shaped[np.ndarray, "_ ..."]]]:
        size = ticket.batch_size
        ids = self.ids(ticket)[wanted.start * size : wanted.stop * size]
        values = {"id": ids, **self.frames.read(ids, self.modalities)}
        return [{name: v[c : c + size] for name, v in values.items()} for c in range(0, len(ids), size)]
