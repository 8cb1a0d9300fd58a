"""One of two workers joined by gloo:

    python -m tests.training.two_workers RANK FOLDER STORE TOKENIZERS RUNS

Leaves in FOLDER the gradients of a step and a whole pre-training of each of RUNS, JSON of names and of the
fields that each changes. A run that is taken up `again` is killed and goes on in another folder."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from engine.store.access import PretrainFrames
from tests.training.conftest import TINY_PRETRAIN
from tests.training.killing import killed_at
from training.common.checkpoint import save_tensors
from training.common.sharded_tensors import whole
from training.pretrain import pretrain as loop
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import passes_of, steps
from training.pretrain.parallel import join, shard
from training.pretrain.pretrain import World, backward, pretrain

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
    assert found.keys() == {name for name, p in objective.named_parameters() if p.requires_grad}
    return found, losses


def work(
    rank: int, folder: Path, frames: PretrainFrames, tokenizers: dict[str, Path], runs: dict[str, Any]
) -> None:
    for name, changes in runs.items():
        again = changes.pop("again")
        config = PretrainConfig.model_validate(FP32.model_dump() | changes)
        found, losses = gradients(config, frames, tokenizers, rank, 2)
        if rank == 0:
            save_tensors(folder / f"{name}.safetensors", found, losses)
        pretrain(config, frames, tokenizers, folder / name, World(rank, 2))
        # Killed by both workers at once, and taken up again by one (in the test) or by two.
        with killed_at(3, loop):
            pretrain(config, frames, tokenizers, folder / f"{name}-cut", World(rank, 2))
        dist.barrier()
        if again:
            pretrain(config, frames, tokenizers, folder / f"{name}-cut", World(rank, 2))


def both(folder: Path, store: Path, tokenizers: dict[str, Path], runs: dict[str, Any]) -> Path:
    """Both workers at work, until both are done; returns the folder."""
    named = json.dumps({k: str(v) for k, v in tokenizers.items()})
    command = [sys.executable, "-m", "tests.training.two_workers"]
    rest = [str(folder), str(store), named, json.dumps(runs)]
    pair = [
        subprocess.Popen(
            [*command, str(rank), *rest], cwd=Path(__file__).parents[2], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [p.communicate(timeout=300)[1] for p in pair]
    assert [p.returncode for p in pair] == [0, 0], errors
    return folder


if __name__ == "__main__":
    number, folder, store, named, runs = sys.argv[1:]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=int(number), world_size=2)
    paths = {k: Path(v) for k, v in json.loads(named).items()}
    work(int(number), Path(folder), PretrainFrames(store), paths, json.loads(runs))
    dist.destroy_process_group()
