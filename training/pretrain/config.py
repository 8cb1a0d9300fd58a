"""What a pre-training is: every field of `tst pretrain`."""

import math
from typing import Literal

from pydantic import Field

from training.common.config import LoopConfig
from training.models.encoder import EncoderConfig
from training.pretrain.dataloader import Lanes
from training.pretrain.dino.dino import DinoConfig
from training.pretrain.masking import MaskingConfig
from training.pretrain.objectives import Weighting
from training.pretrain.parallel import Parallel
from training.tokenizers.token_crops import WHOLE, TokenCropConfig


class PretrainConfig(LoopConfig):
    objective: Literal["mm", "mae", "dino"] = "mm"
    """mm: TST-MM, masked tokens of several modalities, or of RGB alone; mae: TST-MAE, masked pixels of RGB;
    dino: DINOv2's, crops of RGB against each other."""
    modalities: tuple[str, ...] = ("rgb", "depth", "normals", "edges")
    """What mm sees and predicts, rgb first; mae and dino take rgb alone."""
    encoder: EncoderConfig = EncoderConfig()
    """The encoder that transfer will take over."""
    decoder_depth: int = Field(default=2, ge=1)
    """Blocks of the decoder (mm, mae)."""
    masking: MaskingConfig = MaskingConfig()
    """Token budgets and their mixture (mm)."""
    crops: TokenCropConfig = WHOLE
    """Crops that the store was tokenized with (mm): every sample is one of them; none: whole frames."""
    tied: bool = False
    """Heads are the tables that embed their modality's tokens in the decoder (mm)."""
    weighting: Weighting = "modality"
    """The loss: mean over modalities, or (token) weighted by targets times codes as 4M's loss per token."""
    start: str | None = None
    """A checkpoint of 4M's to start from (mm): safetensors file, folder or hub id. What fits of it is taken,
    and metrics say what that was; modalities are called as 4M-21 calls them."""
    mae_masked: float = Field(default=0.75, gt=0, lt=1)
    """Share of patches masked (mae)."""
    dino: DinoConfig = DinoConfig()
    """Crops, heads and schedules (dino)."""
    samples: int = Field(default=32768, ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    tokens: float | None = Field(default=None, gt=0)
    """Tokens seen and predicted in all, instead of samples (mm); a sample has masking.inputs + targets."""
    batch: int = Field(default=64, ge=1)
    """Samples per step, over all workers and forward passes."""
    lanes: int = Field(default=8, ge=1)
    """Parts that a batch is made of, each with frames and masks of its own; the number of frames a step and
    this one's greatest common divisor is used. There may be as many workers as lanes."""
    micro_batch: int | None = Field(default=None, ge=1)
    """Most frames of a forward pass; gradients of a step's passes add up. None: one pass a worker."""
    parallel: Parallel = "ddp"
    """Several workers: each keeps the whole model (ddp), or shares of it (fsdp)."""
    base_lr: float = Field(default=4e-3, gt=0)
    """Learning rate per 256 images of batch."""
    seed: int = 0
    """Of weights, and of masks and order where `draws` is none."""
    draws: int | None = None
    """Seed of masks and order; none: `seed`."""

    @property
    def split(self) -> Lanes:
        """How a batch is made of lanes. Raises ValueError when it does not come out even."""
        repeats = self.masking.repeats if self.objective == "mm" else 1
        if self.batch % repeats:
            raise ValueError(
                f"a batch of {self.batch} is no whole number of frames, {repeats} samples of each"
            )
        frames = self.batch // repeats
        number = math.gcd(frames, self.lanes)
        return Lanes(number, frames // number, self.draw_seed)

    @property
    def steps(self) -> int:
        if self.tokens is None:
            return super().steps
        if self.objective != "mm":
            raise ValueError(f"tokens are a length of objective mm; {self.objective} wants samples")
        return math.ceil(self.tokens / ((self.masking.inputs + self.masking.targets) * self.batch))

    @property
    def draw_seed(self) -> int:
        return self.seed if self.draws is None else self.draws

    @property
    def peak_lr(self) -> float:
        return self.base_lr * self.batch / 256
