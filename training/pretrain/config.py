"""What a pre-training is: every field of `tst pretrain`."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, SerializeAsAny, model_validator

from training.common.config import LoopConfig, fields_of, gather_others
from training.models.encoder import EncoderConfig
from training.pretrain.dataloader import Lanes
from training.pretrain.dino.dino import DinoConfig
from training.pretrain.mae import MaskedAutoencoderConfig
from training.pretrain.multimodal.multimodal import MultimodalConfig
from training.pretrain.objective import ObjectiveConfig
from training.pretrain.objectives import OBJECTIVES, ObjectiveName
from training.pretrain.parallel import Parallel


class PretrainConfig(LoopConfig):
    renamed: ClassVar[Mapping[str, str]] = {
        "masking": "mm.masking",
        "crops": "mm.crops",
        "tied": "mm.tied",
        "weighting": "mm.weighting",
        "mae_masked": "mae.masked",
        "start": "warm_start",
    }

    objective: ObjectiveName = "mm"
    """mm: TST-MM, masked tokens of several modalities, or of RGB alone; mae: TST-MAE, masked pixels of RGB;
    dino: DINOv2's, crops of RGB against each other."""
    modalities: tuple[str, ...] = ("rgb", "depth", "normals", "edges")
    """What mm sees and predicts, rgb first; mae and dino take rgb alone."""
    encoder: EncoderConfig = EncoderConfig()
    """The encoder that transfer will take over."""
    decoder_depth: int = Field(default=2, ge=1)
    """Blocks of the decoder (mm, mae)."""
    warm_start: str | None = None
    """A checkpoint of 4M's to start from (mm): safetensors file, folder or hub id. What fits of it is taken,
    and metrics say what that was; modalities are called as 4M-21 calls them."""
    mm: MultimodalConfig = MultimodalConfig()
    """What is seen and what is predicted (mm)."""
    mae: MaskedAutoencoderConfig = MaskedAutoencoderConfig()
    """What is masked (mae)."""
    dino: DinoConfig = DinoConfig()
    """Crops, heads and schedules (dino)."""
    others: dict[str, SerializeAsAny[ObjectiveConfig]] = {}
    """Fields of objectives that were added to the table by others; in YAML under the objective's name, like
    `mm` and `dino`."""
    samples: int = Field(default=32768, ge=1)
    """Images seen in all, repeats counted; steps = samples / batch, rounded up."""
    tokens: float | None = Field(default=None, gt=0)
    """Tokens seen and predicted in all, instead of samples (mm); a sample has mm.masking.inputs + targets."""
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

    @model_validator(mode="before")
    @classmethod
    def _gather_others(cls, data: Any) -> Any:
        return gather_others(cls, OBJECTIVES, data)

    @property
    def own(self) -> ObjectiveConfig:
        """The fields of the objective that is trained with."""
        return fields_of(self, self.others, OBJECTIVES, self.objective)

    @property
    def split(self) -> Lanes:
        """How a batch is made of lanes. Raises ValueError when it does not come out even."""
        repeats = self.own.repeats
        if self.batch % repeats:
            raise ValueError(
                f"a batch of {self.batch} is no whole number of frames, {repeats} samples of each"
            )
        frames = self.batch // repeats
        number = math.gcd(frames, self.lanes)
        return Lanes(number, frames // number, self.draw_seed)

    @property
    def steps(self) -> int:
        """Optimiser steps, of `samples` or of `tokens`. Raises ValueError where tokens are no length."""
        if self.tokens is None:
            return super().steps
        each = self.own.tokens_per_sample
        if each is None:
            raise ValueError(f"tokens are no length for objective {self.objective}: give samples")
        return math.ceil(self.tokens / (each * self.batch))

    @property
    def draw_seed(self) -> int:
        """Seed of masks and order: `draws`, or `seed` where that is not given."""
        return self.seed if self.draws is None else self.draws

    @property
    def peak_lr(self) -> float:
        """The learning rate after warm-up: base_lr · batch / 256."""
        return self.base_lr * self.batch / 256
