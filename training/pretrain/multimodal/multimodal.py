"""The objective `mm`, TST-MM: masked tokens of several modalities, or of RGB alone, from visible ones."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from engine.stream.order import View
from training.fourm.checkpoints import STORE_NAMES
from training.fourm.load import start_from_4m
from training.models.encoder import Encoder, EncoderConfig, build_around
from training.models.modality import TokenSpec
from training.models.multimodal import Multimodal, PackedBatch
from training.pretrain.multimodal.masking import Mask, Masker, MaskingConfig
from training.pretrain.multimodal.packing import pack_frames
from training.pretrain.objective import (
    Arrays,
    Draws,
    Objective,
    ObjectiveConfig,
    Setting,
    SourceModalities,
)
from training.pretrain.views import views_of
from training.tokenizers.registry import SEQUENCE_CHUNKS, load_tokenizer, token_array
from training.tokenizers.token_crops import WHOLE, TokenCropConfig, choose_crops
from training.tokenizers.tokenize_store import check_tokens

Weighting = Literal["modality", "token"]


class MultimodalConfig(ObjectiveConfig):
    """Fields of the objective `mm`."""

    tokenized: ClassVar[bool] = True

    masking: MaskingConfig = MaskingConfig()
    """Token budgets and their mixture."""
    crops: TokenCropConfig = WHOLE
    """Crops that the store was tokenized with: every sample is one of them; none: whole frames."""
    tied: bool = False
    """Heads are the tables that embed their modality's tokens in the decoder."""
    weighting: Weighting = "modality"
    """The loss: mean over modalities, or (token) weighted by targets times codes as 4M's loss per token."""

    def token_specs(
        self, modalities: tuple[str, ...], frames: View, tokenizers: dict[str, Path]
    ) -> tuple[TokenSpec, ...]:
        if missing := [m for m in modalities if m not in tokenizers]:
            raise ValueError(
                f"no tokenizer for {missing}: train one (tst tokenizer train) and tokenize the store"
            )
        specs = []
        for name in modalities:
            folder = tokenizers[name]
            tokenizer, array = load_tokenizer(folder), token_array(folder, self.crops)
            for view in views_of(frames, array):
                check_tokens(view, folder, self.crops)
            grid, origin = frames.frame_shape(array)[-1], frames.origin_of(array)
            spec = TokenSpec(name, array, grid, tokenizer.codes, pixels=name == "rgb")
            if origin is not None and origin.output in SEQUENCE_CHUNKS:
                spec = replace(spec, kind="sequence", chunk=SEQUENCE_CHUNKS[origin.output])
            specs.append(spec)
        return tuple(specs)

    def build(self, setting: Setting) -> "MultimodalObjective":
        return MultimodalObjective(
            setting.encoder,
            setting.image,
            setting.specs,
            self.masking,
            setting.decoder_depth,
            setting.seed,
            self.tied,
            self.weighting,
            self.crops,
            setting.sources,
        )

    @property
    def repeats(self) -> int:
        return self.masking.repeats

    @property
    def tokens_per_sample(self) -> int:
        return self.masking.inputs + self.masking.targets

    def architecture(self) -> dict[str, Any]:
        return {"tied": self.tied}


class MultimodalObjective(Objective):
    """TST-MM: predict masked tokens of every modality from visible ones of any (arXiv:2312.06647,
    2406.09406).

    `image`: side of the square frames [pixels]. `weighting`: see `weigh`. `crops`: of which crops of every
    frame the tokens in the store are; each sample is then one of them, pixels and tokens alike. `sources`:
    see `Masker`, which also says what it raises."""

    def __init__(
        self,
        config: EncoderConfig,
        image: int,
        specs: tuple[TokenSpec, ...],
        masking: MaskingConfig,
        decoder_depth: int,
        seed: int,
        tied: bool = False,
        weighting: Weighting = "modality",
        crops: TokenCropConfig = WHOLE,
        sources: SourceModalities | None = None,
    ):
        super().__init__()
        self.model = Multimodal(config, image, specs, decoder_depth, tied)
        build_around(self.model, self.model.encoder, seed)
        self.weighting: Weighting = weighting
        self.masker = Masker(
            masking,
            tuple(s.name for s in specs),
            tuple(s.slots for s in specs),
            predicted=tuple(s.name for s in self.model.targets),
            sources=sources,
            sequences={s.name: s.room for s in specs if s.kind == "sequence"},
        )
        self.repeats = masking.repeats
        self.crops = crops
        self.reads = ("rgb", *(s.array for s in specs), *([crops.array] if crops.count else []))

    @property
    def encoder(self) -> Encoder:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The encoder inside the model."""
        return self.model.encoder

    @property
    def tokens(self) -> int:
        return self.masker.config.inputs + self.masker.config.targets

    def prepare(self, arrays: Arrays, rng: np.random.Generator) -> PackedBatch:
        return self.pack(arrays, self.draw(len(arrays["rgb"]), rng))

    def draw(
        self, frames: int, rng: np.random.Generator, source: Int[np.ndarray, " f"] | None = None
    ) -> Draws:
        samples = frames * self.repeats
        each = None if source is None else np.repeat(source, self.repeats)
        drawn = vars(self.masker.draw(samples, rng, each))
        draws = {name: values for name, values in drawn.items() if values is not None}
        if not self.crops.count:
            return draws
        return draws | {"crop": rng.integers(1 + self.crops.count, size=samples)}

    def pack(self, arrays: Arrays, draws: Draws) -> PackedBatch:
        mask = Mask(**{k: v for k, v in draws.items() if k != "crop"})
        if self.crops.count:  # samples of one frame may be of different crops
            each = {k: arrays[k].repeat(self.repeats, axis=0) for k in self.reads}
            tokens = [s.array for s in self.model.specs]
            arrays = choose_crops(each, draws["crop"], self.crops.array, ["rgb"], tokens)
        return pack_frames(arrays, mask, self.model.specs, self.encoder.config.patch)

    def counts(self, batches: Sequence[PackedBatch]) -> dict[str, int]:
        return {s.name: sum(len(b["truth"][s.name]) for b in batches) for s in self.model.targets}

    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        losses = self.model(batch)
        return {"total": weigh(losses, batch, self.weighting, self.model.codes), **losses}

    def flops(self) -> dict[str, float]:
        return self.model.flops(*self.masker.mean_counts())

    def token_arrays(self) -> dict[str, str]:
        return {s.name: s.array.removesuffix(f"_{self.crops.digest}") for s in self.model.specs}

    def token_grids(self) -> dict[str, int | tuple[int, int]]:
        return {s.name: s.grid for s in self.model.specs}

    def load_4m(self, source: str) -> dict[str, Any]:
        """Prints, and returns, what was taken of the checkpoint and what was not."""
        report = start_from_4m(self.model, source, STORE_NAMES)
        print(f"warm start from {source}: {report}", flush=True)
        return report.as_dict()


def weigh(
    losses: dict[str, Float[Tensor, ""]], batch: PackedBatch, weighting: Weighting, codes: dict[str, int]
) -> Float[Tensor, ""]:
    """One loss of those of the modalities: "modality", the mean over all of them, or "token", weighted by
    their targets times their codes, which is what 4M calls the loss per token."""
    each = torch.stack(list(losses.values()))
    if weighting == "modality":
        return each.mean()
    if "counts" in batch:
        weight = torch.stack([codes[m] * batch["counts"][m] for m in losses])
    else:
        weight = torch.tensor([float(codes[m] * len(batch["truth"][m])) for m in losses], device=each.device)
    return (each * weight).sum() / weight.sum().clamp_min(1.0)
