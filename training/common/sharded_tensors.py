"""Gathers tensors that FSDP shards over processes, and shards them again: checkpoints hold whole tensors."""

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.distributed.tensor import DTensor, distribute_tensor


def whole(tensor: Shaped[Tensor, "*s"]) -> Shaped[Tensor, "*s"]:
    """A tensor that is shared out, put together; a call for all processes."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def like(tensor: Shaped[Tensor, "*s"], model: Shaped[Tensor, "*s"]) -> Shaped[Tensor, "*s"]:
    """A whole tensor shared out and placed as `model` is, with its strides (fused optimisers take parameters
    and moments to lie in memory alike)."""
    if isinstance(model, DTensor):
        return distribute_tensor(tensor.to(model.device), model.device_mesh, model.placements)
    return torch.empty_like(model, dtype=tensor.dtype).copy_(tensor)
