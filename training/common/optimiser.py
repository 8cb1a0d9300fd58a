"""AdamW with 4M's settings, its schedule, and what every training loop here needs of the machine."""

import ctypes
import math
import resource
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from scenes.machine import available_cores

BETAS = (0.9, 0.95)


def make_adamw(
    model: nn.Module,
    weight_decay: float,
    scale_of: Callable[[str], float] = lambda _name: 1.0,
    betas: tuple[float, float] = BETAS,
) -> torch.optim.AdamW:
    """AdamW, with 4M's betas (.9, .95) by default; no decay on norms, biases and single embeddings (vectors).

    `scale_of(parameter name)` multiplies the learning rate (layer decay); groups carry it as `scale`.
    """
    groups: dict[tuple[float, float], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        embeds = "_embedding" in name or name.endswith("positions")
        decay = weight_decay if parameter.dim() > 1 and not embeds else 0.0
        groups.setdefault((decay, scale_of(name)), []).append(parameter)
    return torch.optim.AdamW(
        [{"params": p, "weight_decay": d, "scale": s} for (d, s), p in groups.items()],
        lr=0.0,
        betas=betas,
        fused=True,
    )


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of each group of parameters: `rate` times the group's own scale."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]


def warmup_cosine(step: int, steps: int, warmup: int, peak: float) -> float:
    """Learning rate of a step: linear to `peak` over `warmup` steps, then half a cosine to 0 at `steps`."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.5 * (1.0 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def warmup_steps(step: int, warmup: int, peak: float, milestones: Sequence[float]) -> float:
    """Learning rate of a step: linear to `peak` over `warmup` steps, then a tenth of what it was from each
    milestone [steps] on."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak * 0.1 ** sum(step >= milestone for milestone in milestones)


def check_finite(loss: float, norm: float, step: int, what: str) -> None:
    """Stop a run that has blown up, before it overwrites a good checkpoint."""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise FloatingPointError(
            f"{what}: loss {loss} and gradient norm {norm} at step {step} are not finite; lower the "
            "learning rate or lengthen the warm-up, then start again in an empty folder"
        )


def use_threads(threads: int) -> int:
    """Let torch use so many threads of this process (0: all cores it may run on), and keep memory for the
    next step (`keep_memory`). Results are equal to the bit only at equal thread counts, since sums are split
    among threads."""
    keep_memory()
    count = threads or available_cores()
    torch.set_num_threads(count)
    return count


_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of glibc's malloc.h
_LARGE = 32 << 20  # bytes; glibc takes no larger threshold
_KEPT = (1 << 31) - 1  # bytes


def keep_memory() -> bool:
    """Let glibc keep freed blocks of up to 32 MB, 2 GB of them, for later; says whether it does.

    By default it gives the activations of every step back to the system, which hands them out again page by
    page, zeroed. Elsewhere than on Linux with glibc it changes nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is None:
        return False
    return mallopt(_MMAP_THRESHOLD, _LARGE) == 1 and mallopt(_TRIM_THRESHOLD, _KEPT) == 1


def pick_device(name: str) -> torch.device:
    """`auto` is the first CUDA device where there is one, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with every tensor on `device`; no copy where it is there already."""
    if isinstance(batch, dict):
        return {k: to_device(v, device) for k, v in batch.items()}
    return batch.to(device, non_blocking=True)


def in_bf16(device: torch.device, bf16: bool) -> bool:
    """Whether products are of bfloat16, if that is asked for: not on a processor without kernels for them.

    Without AVX-512 (or Arm's bf16) PyTorch multiplies bfloat16 in plain loops, some fifty times slower than
    fp32."""
    if not bf16 or device.type != "cpu":
        return bf16
    return torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()


def machine_facts(threads: int, device: torch.device, bf16: bool) -> dict[str, Any]:
    """What metrics say of the machine: threads, device, and the precision of products."""
    products = "bf16" if in_bf16(device, bf16) else "fp32"
    return {"threads": threads, "device": str(device), "precision": products}


def precision(device: torch.device, bf16: bool) -> AbstractContextManager[object]:
    """The context to compute in: autocast to bf16 where `in_bf16` says so, otherwise none."""
    return torch.autocast(device.type, torch.bfloat16) if in_bf16(device, bf16) else nullcontext()


def clip(parameters: Iterable[Float[Tensor, "..."]], limit: float) -> Float[Tensor, ""]:
    """Scale gradients to a norm of at most `limit`; returns the norm before."""
    return nn.utils.clip_grad_norm_(parameters, limit, foreach=True)


def memory_mb(device: torch.device) -> float:
    """The most memory that this process has held so far [MB], on a GPU that of the card."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # bytes there, kB elsewhere


_PEAKS = {"H200": (989e12, 67e12), "H100": (989e12, 67e12), "A100": (312e12, 19.5e12), "L4": (121e12, 30e12)}
"""Dense products as makers state them [FLOP/s], bf16 and fp32 (no TF32), by a part of the card's name."""


def peak_flops(device: torch.device, bf16: bool) -> float:
    """Dense FLOP/s that the device is said to reach; of one that is not known, what a large product reaches
    on it now, with the threads that this process uses."""
    bf16 = in_bf16(device, bf16)
    if device.type == "cuda":
        name = torch.cuda.get_device_name()
        for part, peaks in _PEAKS.items():
            if part in name:
                return peaks[0 if bf16 else 1]
    side = 1024 if device.type == "cpu" else 8192
    square = torch.ones(side, side, device=device, dtype=torch.bfloat16 if bf16 else torch.float32)
    best = float("inf")
    for _ in range(4):
        started = time.perf_counter()
        torch.matmul(square, square)[0, 0].item()
        best = min(best, time.perf_counter() - started)
    return 2 * side**3 / best
