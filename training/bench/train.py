"""Speed of a training step: `tst bench train`, figures as JSON.

A step is forward, backward and optimiser on random frames; packing is timed separately, since a thread does
it in parallel. `share` is the rate of a step over that of `torch.matmul` on all products of the step, with
the faster operand layout, timed in turn with steps in the same process. On a CPU, rates are by processor time
of this process divided by its threads, so that other work on the machine does not count; `wall_tokens_per_s`
is by the clock. On a GPU both are by the clock, and `mfu` is relative to the card's peak. Each row runs in a
process of its own; `memory_mb` is its peak.
"""

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from scenes.config import Config
from training.common.optimiser import (
    clip,
    in_bf16,
    make_adamw,
    memory_mb,
    peak_flops,
    pick_device,
    set_rate,
    use_threads,
)
from training.models.encoder import SIZES
from training.models.modality import TokenSpec
from training.pretrain.dataloader import Lanes, Step, steps
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.multimodal.multimodal import MultimodalObjective
from training.pretrain.objective import Arrays
from training.pretrain.pretrain import backward

PAPER_TOKENS = (100e9, 500e9)
"""Tokens of the paper's trainings."""
CODES = {"rgb": 16384, "depth": 8192, "normals": 8192, "edges": 8192}
"""Vocabularies of 4M's tokenizers."""


class BenchTrainConfig(Config):
    """What to time."""

    sizes: tuple[Literal["Ti", "S", "B", "L"], ...] = ("S",)
    """Models: width and depth as 4M's."""
    budgets: tuple[int, ...] = (128,)
    """Tokens that are seen, and as many predicted, of a sample."""
    dtypes: tuple[Literal["bf16", "fp32"], ...] = ("bf16", "fp32")
    """Of matrix products. What has no kernels for bf16 is timed in fp32 alone."""
    batch: int = Field(default=16, ge=1)
    """Samples per step."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Samples per forward pass; None: all."""
    image: int = Field(default=224, ge=16)
    """Side of a frame [pixels]."""
    rounds: int = Field(default=5, ge=0)
    """Steps that are timed, products in turn with them; medians count. 0: parameters, FLOPs and memory are
    counted and nothing is computed."""
    threads: int = Field(default=1, ge=0)
    """CPU threads; 0: all cores."""
    device: str = "auto"
    """auto, cpu or cuda."""
    compile: bool = False
    """torch.compile."""


def bench_train(config: BenchTrainConfig) -> None:
    """Training steps a second."""
    print(json.dumps(bench(config), indent=1))


def bench(config: BenchTrainConfig) -> dict[str, Any]:
    """A row for every combination of sizes, budgets and dtypes."""
    rows, dtypes = [], config.dtypes
    if config.rounds and not in_bf16(pick_device(config.device), True):
        dtypes = ("fp32",)
    for case in [(s, b, d) for s in config.sizes for b in config.budgets for d in dtypes]:
        if not config.rounds:
            rows.append(count(config, *case))
            continue
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            rows.append(pool.submit(time_steps, config, *case).result())
    return {"torch": torch.__version__, "config": config.model_dump(mode="json"), "rows": rows}


def count(config: BenchTrainConfig, size: str, budget: int, dtype: str) -> dict[str, Any]:
    """What a step on a CPU needs, counted on tensors without content.

    Memory is `model_mb`, weights, gradients and two moments, and for the backward pass `kept_mb` (weights in
    bf16) and `kept_mb_per_sample`."""
    with FakeTensorMode(allow_non_fake_inputs=True):
        objective = make_objective(size, budget, config.image)
        number = sum(p.numel() for p in objective.parameters())
        one, two = (_kept(objective, config, batch, dtype == "bf16") for batch in (4, 8))
    return {
        "size": size,
        "budgets": [budget, budget],
        "dtype": dtype,
        "parameters": number,
        "gflop_per_sample": objective.train_flops() / 1e9,
        "model_mb": 16 * number / 1e6,
        "kept_mb": (2 * one - two) / 1e6,
        "kept_mb_per_sample": (two - one) / 4 / 1e6,
    }


def _kept(objective: MultimodalObjective, config: BenchTrainConfig, batch: int, bf16: bool) -> int:
    """Bytes that a forward pass keeps for the backward pass, but for the model's own."""
    found: dict[int, torch.UntypedStorage] = {}  # held, so that no two have one address

    def note(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        found[storage._cdata] = storage
        return tensor

    own = {p.untyped_storage()._cdata for p in (*objective.parameters(), *objective.buffers())}
    frames = draw_frames(objective, batch, config.image)
    step = pack(objective, frames, config.model_copy(update={"batch": batch, "micro_batch": None}))
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        kept = objective(step.passes[0][0])  # noqa: F841 - holds the graph
    return sum(storage.nbytes() for key, storage in found.items() if key not in own)


def time_steps(config: BenchTrainConfig, size: str, budget: int, dtype: str) -> dict[str, Any]:
    """A row of the bench; see the module."""
    threads = use_threads(config.threads)
    device = pick_device(config.device)
    objective = make_objective(size, budget, config.image).to(device)
    optimiser = make_adamw(objective, 0.05)
    set_rate(optimiser, 1e-4)
    parameters = list(objective.parameters())
    run: Any = torch.compile(objective) if config.compile else objective
    frames = draw_frames(objective, config.batch, config.image)
    step = pack(objective, frames, config)

    def gradients() -> None:
        optimiser.zero_grad()
        backward(run, step, device, dtype == "bf16", 1)

    def update() -> None:
        clip(parameters, 3.0)
        optimiser.step()

    with Products() as products:
        backward(objective, step, device, dtype == "bf16", 1)
    for _ in range(2):  # kernels are made and moments come to be
        gradients()
        update()
    held = memory_mb(device)
    products.make(device)
    clock = Clock(device, threads)
    timed = [(clock(gradients), clock(update), clock(products)) for _ in range(config.rounds)]
    grad, opt, matmul = (statistics.median(t[i].cpu for t in timed) for i in range(3))
    wall = statistics.median(t[0].wall + t[1].wall for t in timed)
    seconds, flop = grad + opt, objective.train_flops() * config.batch
    tokens = 2 * budget * config.batch
    return {
        "size": size,
        "budgets": [budget, budget],
        "dtype": dtype,
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": threads,
        "batch": config.batch,
        "parameters": sum(p.numel() for p in parameters),
        "tokens_per_s": tokens / seconds,
        "samples_per_s": config.batch / seconds,
        "gflops": flop / seconds / 1e9,
        "matmul_gflops": products.flop / matmul / 1e9,
        "share": statistics.median(t[2].cpu / (t[0].cpu + t[1].cpu) for t in timed),
        "mfu": flop / seconds / peak_flops(device, dtype == "bf16") if device.type == "cuda" else None,
        "seconds": {"gradients": grad, "update": opt, "products": matmul},
        "pack_seconds": clock(lambda: pack(objective, frames, config)).cpu * threads,
        "wall_tokens_per_s": tokens / wall,
        "gflop_per_sample": objective.train_flops() / 1e9,
        "product_gflop_per_sample": products.flop / config.batch / 1e9,
        "memory_mb": held,
        "hours": {f"{n / 1e9:.0f}B tokens": n / (tokens / seconds) / 3600 for n in PAPER_TOKENS},
    }


def make_objective(size: str, budget: int, image: int) -> MultimodalObjective:
    """A model of 4M's `size` on the four sensory modalities, budgets shared out evenly."""
    encoder, depth = SIZES[size]
    specs = tuple(
        TokenSpec(m, f"tok_{m}", encoder.grid(image), n, pixels=m == "rgb") for m, n in CODES.items()
    )
    masking = MaskingConfig(inputs=budget, targets=budget, mixture=(Component(),))
    return MultimodalObjective(encoder, image, specs, masking, depth, seed=0)


def draw_frames(objective: MultimodalObjective, count: int, image: int) -> Arrays:
    """Noise in the shape of frames and their tokens."""
    rng = np.random.default_rng(0)
    frames: Arrays = {"rgb": rng.integers(0, 256, (count, image, image, 3), dtype=np.uint8)}
    for spec in objective.model.specs:
        frames[spec.array] = rng.integers(0, spec.codes, (count, *spec.shape), dtype=np.uint16)
    return frames


def pack(objective: MultimodalObjective, frames: Arrays, config: BenchTrainConfig) -> Step:
    """Frames as a step: masks drawn, what is seen and predicted gathered."""
    lanes = Lanes(1, config.batch, 0)
    passes = -(-config.batch // (config.micro_batch or config.batch))
    return next(steps(objective, iter([frames]), lanes, [0], passes, 0))


class Products(TorchDispatchMode):
    """Notes the shapes of all matrix products while it is on; called later, computes as many again."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[tuple[tuple[int, ...], tuple[int, ...], torch.dtype]] = Counter()
        self._operands: list[tuple[int, torch.Tensor, torch.Tensor]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket in _PRODUCTS:
            a, b = args[-2:] if func.overloadpacket in _PRODUCTS[:2] else args[1:3]
            self.found[tuple(a.shape), tuple(b.shape), a.dtype] += 1
        return func(*args, **(kwargs or {}))

    def make(self, device: torch.device) -> None:
        """Operands of every shape, filled with noise, the right one row by row or column by column, as is
        faster."""
        for (a, b, dtype), count in self.found.items():
            left, right = (torch.randn(shape, device=device).to(dtype) for shape in (a, b))
            across = right.mT.contiguous().mT
            clock, spent = Clock(device, 1), ([], [])
            for _ in range(3):
                for times, operand in zip(spent, (right, across), strict=True):
                    times.append(clock(lambda o=operand, x=left: torch.matmul(x, o)).cpu)
            self._operands.append((count, left, right if min(spent[0]) <= min(spent[1]) else across))

    def __call__(self) -> None:
        """Computes the products of `make` once."""
        for count, left, right in self._operands:
            for _ in range(count):
                torch.matmul(left, right)

    @property
    def flop(self) -> float:
        """FLOPs of a call."""
        return float(sum(2 * np.prod(a) * b[-1] * count for (a, b, _), count in self.found.items()))


_ATEN = torch.ops.aten
_PRODUCTS = (_ATEN.mm, _ATEN.bmm, _ATEN.addmm, _ATEN.baddbmm)


class Spent(NamedTuple):
    """Seconds: of the clock, and of this process's processors by its threads (on a GPU the clock's too)."""

    wall: float
    cpu: float


class Clock:
    """Times calls."""

    def __init__(self, device: torch.device, threads: int):
        self.cuda, self.threads = device.type == "cuda", threads

    def __call__(self, work: Callable[[], object]) -> Spent:
        """Seconds that a call of `work` takes; on a GPU until all of its work is done."""
        self._wait()
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self._wait()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        return Spent(wall, wall if self.cuda else cpu / self.threads)

    def _wait(self) -> None:
        if self.cuda:
            torch.cuda.synchronize()
