"""What every objective of pre-training is: its fields (`ObjectiveConfig`) and its module (`Objective`).

To add one, write both in a file and add a line to `training.pretrain.objectives.OBJECTIVES`;
`tests/training/objective_kit.py` holds by test what each must fulfil."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float, Int, Shaped
from torch import Tensor, nn

from engine.stream.order import View
from scenes.config import Config
from training.models.encoder import Encoder, EncoderConfig
from training.models.modality import TokenSpec
from training.models.multimodal import PackedBatch

Arrays = dict[str, Shaped[np.ndarray, "f ..."]]
"""Arrays of f frames by name, as a store holds them."""
Draws = dict[str, Shaped[np.ndarray, "n ..."]]
"""Random choices: arrays with as many rows for each frame as it has samples, one frame after another."""


@dataclass(frozen=True)
class SourceModalities:
    """Where samples come from: the modalities that each source shows, and its share of the samples."""

    shown: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...]


@dataclass(frozen=True)
class Setting:
    """What an objective's module is made for."""

    encoder: EncoderConfig
    decoder_depth: int
    """Blocks of the decoder, where there is one."""
    seed: int
    """Of the weights."""
    image: int
    """Side of the square frames [pixels]."""
    specs: tuple[TokenSpec, ...] = ()
    """The modalities whose tokens are read, rgb first; none for an objective that reads pixels."""
    sources: SourceModalities | None = None
    """Sources of the samples where some show certain modalities alone; none: all show all."""


class ObjectiveConfig(Config, ABC):
    """The fields of one objective, and what is known of it before there is a module."""

    tokenized: ClassVar[bool] = False
    """Whether it reads tokens of the pre-training's modalities, of which each source must show some; else it
    reads pixels of rgb, which each source must show."""

    @abstractmethod
    def build(self, setting: Setting) -> "Objective":
        """The module, its weights drawn from `setting.seed`. Raises ValueError where sizes, modalities and
        sources do not fit together."""

    def token_specs(
        self, modalities: tuple[str, ...], frames: View, tokenizers: dict[str, Path]
    ) -> tuple[TokenSpec, ...]:
        """The tokens that `frames` hold of `modalities`, by the folder of the tokenizer of each; none for an
        objective that reads pixels. Raises ValueError for tokenizers or tokens that are missing."""
        return ()

    @property
    def repeats(self) -> int:
        """Samples made of each frame that is read."""
        return 1

    @property
    def tokens_per_sample(self) -> int | None:
        """Tokens seen and predicted of a sample, where a pre-training's length may be given in tokens."""
        return None

    def architecture(self) -> dict[str, Any]:
        """The fields, as JSON values, that decide which weights there are."""
        return {}


class Objective(nn.Module, ABC):
    """A loss to minimise around an encoder, which is the same module in all objectives.

    It names the arrays it `reads`, turns a batch of them into tensors with all its random choices made
    (`prepare`, on the CPU, from a generator that is passed in) and gives losses. `total` is minimised; the
    others are for looking at.

    A batch may be shared out among workers and forward passes: `draw` makes the random choices of some
    frames, `pack` makes a batch of any of these frames and their choices, and `counts` is what losses are
    means over."""

    encoder: Encoder
    reads: tuple[str, ...]
    """Arrays of a frame that a batch must hold."""
    repeats: int = 1
    """Samples that `prepare` makes of each frame."""

    @abstractmethod
    def prepare(self, arrays: Arrays, rng: np.random.Generator) -> PackedBatch:
        """Tensors of one batch, masks drawn; a pure function of its arguments."""

    @abstractmethod
    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        """Losses by name, `total` among them."""

    def after_step(self, step: int, steps: int) -> None:
        """Called when the optimiser has made step number `step`, counted from 1, of `steps`: what follows the
        weights, and schedules for the next step. All of it that lasts is in `state_dict`."""

    def draw(
        self, frames: int, rng: np.random.Generator, source: Int[np.ndarray, " f"] | None = None
    ) -> Draws:
        """The random choices for so many frames. `source`: for a mixture whose sources show different
        modalities, the index of the source that each frame is from. Here: a seed for each frame, of which
        `pack` makes the rest."""
        return {"seeds": rng.integers(2**63, size=frames)}

    def pack(self, arrays: Arrays, draws: Draws) -> PackedBatch:
        """Tensors of one batch of frames with choices that were drawn; a pure function of its arguments."""
        return self.prepare(arrays, np.random.default_rng(draws["seeds"]))

    def counts(self, batches: Sequence[PackedBatch]) -> dict[str, int]:
        """How many terms each loss is a mean over, in so many batches that `pack` made, where samples have
        unequal numbers of them: `forward` then divides by `batch["counts"]`, if it is given, instead of the
        batch's own numbers. Empty: a loss is a mean over samples."""
        return {}

    @property
    def tokens(self) -> int:
        """Tokens of a sample, seen and predicted; here: all patches of an image."""
        return self.encoder.grid**2

    @abstractmethod
    def flops(self) -> dict[str, float]:
        """Forward FLOPs of one sample by part; the mean over masks where it depends on them."""

    def train_flops(self) -> float:
        """FLOPs of one sample forward and backward (backward counts twice)."""
        return 3 * sum(self.flops().values())

    def token_arrays(self) -> dict[str, str]:
        """By modality, the array of a store that holds its tokens of whole frames: its name tells the
        tokenizer. Empty where no tokens are read."""
        return {}

    def token_grids(self) -> dict[str, int | tuple[int, int]]:
        """By modality, the grid of its tokens: places along a side, or (height, width)."""
        return {}

    def load_4m(self, source: str) -> dict[str, Any]:
        """Take from a checkpoint of 4M's (safetensors file, folder or hub id) the weights that fit; returns
        what they were. Raises ValueError where the module is not built like 4M's."""
        raise ValueError(f"warm_start from {source}: this objective's model is not 4M's; take mm")
