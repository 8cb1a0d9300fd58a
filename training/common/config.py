"""What every training loop takes, and what every stage takes of the machine."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from scenes.config import Config

C = TypeVar("C", bound=Config)


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
    betas: tuple[float, float] = (0.9, 0.95)
    """Of AdamW: decay per step of the means of gradients and of their squares."""
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
        """Optimiser steps in which `samples` are seen, the last batch counted whole."""
        return -(-self.samples // self.batch)


def gather_others(config: type[Config], table: Mapping[str, type[Config]], data: Any) -> Any:
    """The data of a `config` with the entries that `table` has and the class has not, read as what the table
    says, in the field `others`; for a validator of mode "before"."""
    if not isinstance(data, dict):
        return data
    fields = config.model_fields
    others = data.get("others", {}) | {k: v for k, v in data.items() if k in table and k not in fields}
    if not others:
        return data
    typed = {k: table[k].model_validate(v) if k in table else v for k, v in others.items()}
    return {k: v for k, v in data.items() if k in fields or k not in others} | {"others": typed}


def fields_of(config: Config, others: Mapping[str, C], table: Mapping[str, type[C]], name: str) -> C:
    """What `config` says of entry `name` of `table`: its field of that name, or the entry of `others`, or the
    defaults."""
    given = {**vars(config), **others}
    return given[name] if name in given else table[name]()
