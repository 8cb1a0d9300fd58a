"""What a tuned model, encoder and head together, costs where it is used: FLOPs and seconds an image."""

import time
from collections.abc import Mapping
from statistics import median

import torch
from jaxtyping import Shaped
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from training.common.optimiser import precision
from training.transfer.model import TaskModel

ROUNDS = 3
"""Timed passes; their median counts, after one that is not timed."""


@torch.no_grad()
def deployment_cost(
    model: TaskModel, images: Mapping[str, Shaped[Tensor, "b ..."]], device: torch.device, bf16: bool
) -> dict[str, float]:
    """FLOPs and seconds of the model, as metrics of an evaluation.

    `images`: one batch of each of its inputs, [b, h, w, ...] as stored. `gflop_per_image`: of matrix products
    and convolutions of one image, the same each time; `seconds_per_image`: of one image at a time [s];
    `seconds_per_image_in_batch`: of an image of the batch [s].
    """
    on_device = {name: values.to(device) for name, values in images.items()}
    one = {name: values[:1] for name, values in on_device.items()}
    # Attention as matrix products: the counter does not know the fused kernel of a CPU.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(one)
    batch = len(next(iter(on_device.values())))
    return {
        "gflop_per_image": counter.get_total_flops() / 1e9,
        "seconds_per_image": _seconds(model, one, device, bf16),
        "seconds_per_image_in_batch": _seconds(model, on_device, device, bf16) / batch,
    }


def _seconds(model: TaskModel, images: Mapping[str, Tensor], device: torch.device, bf16: bool) -> float:
    """Median wall time of a pass [s]."""
    taken = []
    for _ in range(ROUNDS + 1):
        started = time.perf_counter()
        with precision(device, bf16):
            model(images)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - started)
    return median(taken[1:])
