"""What every training loop takes, and what every stage takes of the machine."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from scenes.config import Config


class RuntimeConfig(Config):
    """What a stage takes of the machine. Results are equal to the bit only at equal numbers of threads."""

    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores."""
    device: str = "auto"
    """auto, cpu or cuda."""


class StageConfig(Config):
    """The base of the configuration of a stage that computes on a device."""

    renamed: ClassVar[Mapping[str, str]] = {"threads": "runtime.threads", "device": "runtime.device"}

    runtime: RuntimeConfig = RuntimeConfig()
    """Threads and device."""


class LoopConfig(StageConfig):
    """What every training loop takes; each loop has defaults of its own for `samples` and `batch`."""

    samples: int = Field(ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    batch: int = Field(ge=1)
    """Images per step, over all workers."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of the steps over which the learning rate rises."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW, on matrices only."""
    clip: float = Field(default=3.0, gt=0)
    """Largest norm of the gradient."""
    bf16: bool = True
    """Matrix products in bfloat16 where the device is made for it, weights and sums in fp32."""
    compile: bool = False
    """torch.compile: faster steps after 15 to 60 s of compilation; needs a C++ compiler."""
    checkpoint_every: int = Field(default=200, ge=1)
    """Steps between checkpoints."""

    @property
    def steps(self) -> int:
        return -(-self.samples // self.batch)
