"""One of two workers joined by gloo: `python -m tests.training.two_workers RANK FOLDER STORE TOKENIZERS`.

Leaves in FOLDER, for both ways to share a model out, the gradients of a step and a whole pre-training."""

import json
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from engine.access import PretrainFrames
from tests.training.conftest import TINY_PRETRAIN
from training import pretrain as loop
from training.checkpoint import save_tensors
from training.feed import passes_of, steps
from training.parallel import join, shard, whole
from training.pretrain import PretrainConfig, World, backward, build_objective, pretrain

FP32 = TINY_PRETRAIN.model_copy(update={"bf16": False, "samples": 64})


def gradients(
    config: PretrainConfig, frames: Any, tokenizers: dict[str, Path], rank: int, size: int
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """Those of the first step, and its losses."""
    cpu = torch.device("cpu")
    objective = build_objective(config, frames, tokenizers)
    if size > 1 and config.parallel == "fsdp":
        shard(objective, cpu)
    run = join(objective, cpu) if size > 1 else objective
    lanes = config.split
    mine = lanes.of(rank, size)
    batches = lanes.batches(frames, objective.reads, mine, lanes.tickets(frames, mine, 0))
    passes = passes_of(lanes, size, config.micro_batch)
    losses = backward(run, next(steps(objective, batches, lanes, mine, passes, 0)), cpu, False, size)
    found = {name: whole(p.grad) for name, p in objective.named_parameters() if p.grad is not None}
    assert found.keys() == dict(objective.named_parameters()).keys()
    return found, losses


def work(rank: int, folder: Path, frames: PretrainFrames, tokenizers: dict[str, Path]) -> None:
    for parallel in ("ddp", "fsdp"):
        config = FP32.model_copy(update={"parallel": parallel, "micro_batch": 3})
        found, losses = gradients(config, frames, tokenizers, rank, 2)
        if rank == 0:
            save_tensors(folder / f"{parallel}.safetensors", found, losses)
        pretrain(config, frames, tokenizers, folder / parallel, World(rank, 2))
        # Killed by both workers at once, and taken up again by one (in the test) or by two.
        pretrain_until(3, config, frames, tokenizers, folder / f"{parallel}-cut", World(rank, 2))
        dist.barrier()


class Killed(Exception):
    pass


def pretrain_until(
    step: int, config: PretrainConfig, frames: Any, tokenizers: dict[str, Path], out: Path, world: World
) -> None:
    """A pre-training that is killed at a step."""
    rate = loop.warmup_cosine

    def die(*args: Any) -> float:
        if args[0] == step:
            raise Killed
        return rate(*args)

    loop.warmup_cosine = die
    try:
        pretrain(config, frames, tokenizers, out, world)
    except Killed:
        return
    finally:
        loop.warmup_cosine = rate
    raise AssertionError("it was not killed")


if __name__ == "__main__":
    number, folder, store, named = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=int(number), world_size=2)
    paths = {k: Path(v) for k, v in json.loads(named).items()}
    work(int(number), Path(folder), PretrainFrames(store), paths)
    dist.destroy_process_group()
