"""Metrics of a training while it runs, as TensorBoard event files: `tensorboard --logdir OUT/tensorboard`.

Loss by modality, rate and gradient norm, and how well the machine is used: tokens/s, the share of time that
was spent waiting for data, memory, and MFU (FLOPs of the model by those that the device could have done)."""

import time
from pathlib import Path

import torch
from tensorboardX import SummaryWriter

from training.common.optimiser import memory_mb, peak_flops
from training.pretrain.objective import Objective

FOLDER = "tensorboard"


class ThroughputMeter:
    """How well the machine is used by a training of `batch` samples a step on `workers` devices like this."""

    def __init__(self, objective: Objective, batch: int, device: torch.device, bf16: bool, workers: int):
        self.tokens = objective.tokens * batch
        self.flop = objective.train_flops() * batch
        self.peak = peak_flops(device, bf16) * workers
        self.device = device

    def used(self, steps: int, seconds: float, waited: float) -> dict[str, float]:
        """Of so many steps in so many seconds, of which some were spent waiting for data."""
        return {
            "tokens_per_second": steps * self.tokens / seconds,
            "data_wait_share": waited / seconds,
            "mfu": steps * self.flop / seconds / self.peak,
            "memory_mb": memory_mb(self.device),
        }


class TensorBoardWriter:
    """Writes a point every `every` steps; goes on where `done` steps are there already."""

    def __init__(self, out: Path, meter: ThroughputMeter, done: int, every: int):
        self.meter, self.every = meter, every
        self._writer = SummaryWriter(str(out / FOLDER), purge_step=done)
        self._last = (done, time.monotonic(), 0.0)

    def add(self, step: int, losses: dict[str, float], rate: float, norm: float, waited: float) -> None:
        """`step` steps are done; `waited` [s] for data since the beginning."""
        before, then, already = self._last
        if step - before < self.every:
            return
        now = time.monotonic()
        self._last = (step, now, waited)
        values = {f"loss/{name}": value for name, value in losses.items()}
        values |= {"learning_rate": rate, "gradient_norm": norm}
        used = self.meter.used(step - before, now - then, waited - already)
        for name, value in (values | {f"machine/{k}": v for k, v in used.items()}).items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """Writes what is still in memory, and closes the file."""
        self._writer.close()
