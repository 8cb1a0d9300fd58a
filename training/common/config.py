"""What every training loop takes."""

from pydantic import Field

from scenes.config import Config


class LoopConfig(Config):
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
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: all cores."""
    device: str = "auto"
    """auto, cpu or cuda."""

    @property
    def steps(self) -> int:
        return -(-self.samples // self.batch)
