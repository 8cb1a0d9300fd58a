"""The same tickets through Ray Data: the driver sends tickets, the Ray Train worker decodes them.

    datasets = {"tickets": ticket_dataset(order, batches=1000)}           # driver
    TorchTrainer(loop, datasets=datasets, dataset_config=ticket_data_config(), ...)
    reader.decode(shard_tickets(get_dataset_shard("tickets"), [rank]))    # worker

A ticket has a few hundred bytes, so every worker gets the tickets of all ranks and keeps its own: Ray's
splitting guarantees neither the assignment nor that nothing is dropped. Batches and their order equal those
of `TicketReader.batches` to the byte.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

import ray.data
from ray.train import DataConfig

from engine.stream.stream import Order, Ticket

_ROWS_PER_BLOCK = 4096  # some hundred kilobytes of tickets


def ticket_dataset(order: Order, batches: int, start_batch: int = 0) -> ray.data.Dataset:
    """Tickets of all ranks for batches `start_batch` to `batches` (of each rank, over all epochs), in order.

    `order.rank` does not matter. A row: a ticket, its rank, which of its batches to take.
    """
    if not 0 <= start_batch < batches:
        raise ValueError(f"start_batch {start_batch} must be at least 0 and less than batches ({batches})")
    ranks = [replace(order, rank=r).from_batch(start_batch) for r in range(order.world_size)]
    rows: list[dict[str, Any]] = []
    left = batches - start_batch
    while left > 0:
        keep = 0
        for rank, tickets in enumerate(ranks):
            ticket, wanted = next(tickets)
            keep = min(left, len(wanted))  # the same of every rank
            rows.append({"rank": rank, "from": wanted.start, "to": wanted.start + keep, **_row(ticket)})
        left -= keep
    blocks = -(-len(rows) // _ROWS_PER_BLOCK)
    with warnings.catch_warnings():
        # Ray 2.60 warns about a default of its own when a process first makes a data context.
        warnings.simplefilter("ignore", DeprecationWarning)
        ray.data.DataContext.get_current()
    dataset = ray.data.from_items(rows, override_num_blocks=blocks)
    dataset.context.execution_options.preserve_order = True
    return dataset


def ticket_data_config() -> DataConfig:
    """Ray Train's data config under which every worker gets all tickets, in order."""
    options = ray.data.ExecutionOptions(preserve_order=True)
    return DataConfig(datasets_to_split=[], execution_options=options)


def shard_tickets(shard: Any, ranks: Sequence[int], skip: int = 0) -> Iterator[tuple[Ticket, range]]:
    """Tickets of these ranks from a worker's shard (or the dataset), each with the batches to take of it, but
    for the first `skip` batches of each rank: one pass over the tickets."""
    left = dict.fromkeys(ranks, skip)
    for row in shard.iter_rows():
        rank = row["rank"]
        if rank in left:
            count = row["to"] - row["from"]
            passed = min(left[rank], count)
            left[rank] -= passed
            if passed < count:
                yield _ticket(row), range(row["from"] + passed, row["to"])


def _row(ticket: Ticket) -> dict[str, Any]:
    row = asdict(ticket)
    assert ticket.shuffle is not None, "tickets for training are shuffled"
    return row | {"chunks": list(ticket.chunks), "shuffle": list(ticket.shuffle)}


def _ticket(row: dict[str, Any]) -> Ticket:
    return Ticket(
        epoch=int(row["epoch"]),
        first_batch=int(row["first_batch"]),
        batch_size=int(row["batch_size"]),
        chunks=tuple(map(int, row["chunks"])),
        skip=int(row["skip"]),
        count=int(row["count"]),
        shuffle=tuple(map(int, row["shuffle"])),
    )
