"""The order of frames: a pure function of (seed, epoch, world size, rank, batch size).

An epoch shuffles the store's chunks, concatenates their frames and cuts the sequence into *tickets*, one rank
after the other. A ticket is a fixed group of batches over many chunks, shuffled within. So every chunk is
decoded about once per epoch, and a batch still mixes many places. A ticket names chunks, not pixels, and is
enough to make its batches. Training fills the last batch from the start of the sequence; evaluation keeps a
short last batch, so no frame is dropped.

Weights change how often a chunk occurs: in seven epochs of ten, or three times in each.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from engine.store.access import Frames
from engine.stream.mixture import MixedFrames

View = Frames | MixedFrames
"""What has frames to give: one guarded view, or several in proportion."""


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
    weights: tuple[float, ...] | None = None  # of each chunk's frames, relative; None: each once

    def __post_init__(self) -> None:
        if self.batch_size < 1 or not 0 <= self.rank < self.world_size:
            raise ValueError(
                f"batch_size {self.batch_size} must be at least 1, and rank {self.rank} below world_size "
                f"{self.world_size}"
            )
        if self.weights is not None and (min(self.weights) < 0 or not sum(self.weights) > 0):
            raise ValueError("weights must not be negative, and one of them must be above 0")
        assert self.sizes, "a view is never empty"
        assert min(self.sizes) > 0, "a chunk is never empty"
        assert self.weights is None or len(self.weights) == len(self.sizes), "a weight for every chunk"

    @classmethod
    def of(cls, frames: View, batch_size: int, seed: int = 0, world_size: int = 1) -> "Order":
        """The order of rank 0 over a view, with its weights if it has some. Raises ValueError."""
        sizes = tuple(c.count for c in frames.chunks())
        return cls(sizes, batch_size, seed, world_size, weights=frames.weights)

    @property
    def frames_per_epoch(self) -> int:
        """Frames in an epoch, before the last batch is filled up."""
        return sum(self.sizes)

    @property
    def batches_per_epoch(self) -> int:
        """Batches that every rank gets in an epoch of training; together they hold the epoch's line."""
        return -(-self.frames_per_epoch // (self.batch_size * self.world_size))

    @property
    def _batches_per_ticket(self) -> int:
        return max(1, self.ticket_frames // self.batch_size)

    def tickets(self, epoch: int) -> list[Ticket]:
        """This rank's tickets of an epoch of training, in order."""
        line = self._line(epoch)
        ends = np.cumsum(np.asarray(self.sizes)[line])
        batches = self.batches_per_epoch
        at = 0
        tickets: list[Ticket] = []
        for first in range(0, batches, self._batches_per_ticket):
            count = min(self._batches_per_ticket, batches - first) * self.batch_size
            chunks, skip = _cut(line, ends, at + self.rank * count, count)
            shuffle = (self.seed, epoch, 1, first, self.rank)
            tickets.append(Ticket(epoch, first, self.batch_size, chunks, skip, count, shuffle))
            at += count * self.world_size
        return tickets

    def _line(self, epoch: int) -> Int64[np.ndarray, " chunks"]:
        """Chunks in the order of an epoch."""
        sizes = np.asarray(self.sizes)
        if self.weights is None:
            return np.random.default_rng((self.seed, epoch, 0)).permutation(len(sizes))
        generator = np.random.default_rng((self.seed, epoch, 2))
        return _weighted(sizes, np.asarray(self.weights), self.frames_per_epoch, generator)

    def evaluation(self) -> list[Ticket]:
        """This rank's tickets of one pass in order of ids, nothing dropped and nothing twice.

        Ranks take turns; the last batch may be short, and a rank may have fewer batches than another.
        """
        total = self.frames_per_epoch
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
            yield from since(self.tickets(epoch), within)
            epoch, within = epoch + 1, 0


def _weighted(
    sizes: Int64[np.ndarray, " chunks"],
    weights: Float64[np.ndarray, " chunks"],
    frames: int,
    generator: np.random.Generator,
) -> Int64[np.ndarray, " copies"]:
    """Chunks by weight, shuffled, some `frames` frames in all: each as often as its share, to within one.

    What is left over of whole copies goes evenly round the chunks of a weight, so that every weight has its
    share of an epoch to within a chunk.
    """
    share = weights * frames / (weights * sizes).sum()
    copies = np.floor(share).astype(np.int64)
    order = generator.permutation(len(sizes))
    order = order[np.argsort(weights[order], kind="stable")]
    rising = np.cumsum((share - copies)[order]) + generator.random()
    copies[order] += np.diff(np.floor(rising), prepend=0).astype(np.int64)
    return generator.permutation(np.repeat(np.arange(len(sizes)), copies))


def since(tickets: Iterable[Ticket], batch: int) -> Iterator[tuple[Ticket, range]]:
    """Tickets of an epoch from its `batch`-th batch on."""
    for ticket in tickets:
        if ticket.first_batch + ticket.batches > batch:
            yield ticket, range(max(0, batch - ticket.first_batch), ticket.batches)


def _cut(
    line: Int64[np.ndarray, " chunks"], ends: Int64[np.ndarray, " chunks"], start: int, count: int
) -> tuple[tuple[int, ...], int]:
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
