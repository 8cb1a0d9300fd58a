"""Several processes, one model: gradients and losses summed over workers, so that they make the step that one
worker would make of the whole batch.

`ddp` keeps the whole model with every worker, `fsdp` shares out parameters, gradients and moments, block by
block."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import torch
import torch.distributed as dist
from jaxtyping import Float, Float64
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.nn.parallel import DistributedDataParallel

from training.models.blocks import Block, DecoderBlock

Parallel = Literal["ddp", "fsdp"]


def shard(model: nn.Module, device: torch.device) -> None:
    """Share out the parameters of a model, in place, among all processes: before the optimiser is made."""
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for part in list(model.modules()):
        if isinstance(part, Block | DecoderBlock):
            fully_shard(part, mesh=mesh)
    fully_shard(model, mesh=mesh)


def join(run: nn.Module, device: torch.device) -> nn.Module:
    """A module whose backward pass averages gradients over all processes."""
    if any(isinstance(m, FSDPModule) for m in run.modules()):
        return run
    ids = [torch.cuda.current_device()] if device.type == "cuda" else None
    return DistributedDataParallel(run, device_ids=ids)


@contextmanager
def gathering(run: nn.Module, last: bool) -> Iterator[None]:
    """Gradients go round in the last backward pass of a step only; those before it add up where they are."""
    if isinstance(run, DistributedDataParallel) and not last:
        with run.no_sync():
            yield
        return
    if isinstance(run, FSDPModule):
        run.set_requires_gradient_sync(last)
    yield


def summed(
    values: Mapping[str, float | Float[Tensor, ""]], device: torch.device, size: int
) -> dict[str, Float64[Tensor, ""]]:
    """Each value summed over all processes, on the device; the names must be the same everywhere."""
    if not values:
        return {}
    total = torch.stack([torch.as_tensor(v, dtype=torch.float64, device=device) for v in values.values()])
    if size > 1:
        dist.all_reduce(total)
    return dict(zip(values, total, strict=True))
