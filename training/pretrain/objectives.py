"""What pre-training minimises, behind one interface: TST-MM (`mm`) and TST-MAE (`mae`);
`training.pretrain.dino.dino` has one more.

An objective owns an `encoder` (the same module in all of them), names the arrays it `reads`, turns a batch
of them into tensors with all its random choices made (`prepare`, on the CPU, from a generator that is
passed in) and gives losses. `total` is minimised; the others are for looking at.

A batch may be shared out among workers and forward passes: `draw` makes the random choices of some frames,
`pack` makes a batch of any of these frames and their choices, and `counts` is what losses are means over."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from training.models.blocks import Block, attention_flops, heads_of, linear_flops, norm
from training.models.encoder import Encoder, EncoderConfig, build_around, patchify
from training.models.modality import TokenSpec
from training.models.multimodal import Multimodal, PackedBatch
from training.models.positions import sincos_2d
from training.pretrain.masking import Mask, Masker, MaskingConfig, SourceModalities
from training.pretrain.packing import pack_frames
from training.tokenizers.token_crops import WHOLE, TokenCropConfig, choose_crops

Weighting = Literal["modality", "token"]
Draws = dict[str, np.ndarray]
"""Random choices: arrays with as many rows for each frame as it has samples, one frame after another."""


class Objective(nn.Module, ABC):
    encoder: Encoder
    reads: tuple[str, ...]
    """Arrays of a frame that a batch must hold."""
    repeats: int = 1
    """Samples that `prepare` makes of each frame."""

    @abstractmethod
    def prepare(self, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> PackedBatch:
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
        """The random choices for so many frames, `source` being the number of the view that each is of where
        some hide modalities. Here: a seed for each, of which `pack` makes the rest."""
        return {"seeds": rng.integers(2**63, size=frames)}

    def pack(self, arrays: dict[str, np.ndarray], draws: Draws) -> PackedBatch:
        """Tensors of one batch of frames with choices that were drawn; a pure function of its arguments."""
        return self.prepare(arrays, np.random.default_rng(draws["seeds"]))

    def counts(self, draws: Draws) -> dict[str, int]:
        """How many terms each loss is a mean over, where samples have unequal numbers of them: `forward`
        then divides by `batch["counts"]`, if it is given, instead of the batch's own numbers. Empty: a loss
        is a mean over samples."""
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


class MultimodalObjective(Objective):
    """TST-MM: predict masked tokens of every modality from visible ones of any (arXiv:2312.06647,
    2406.09406).

    `weighting`: see `weigh`. `crops`: of which crops of every frame the tokens in the store are; each sample
    is then one of them, pixels and tokens alike. `sources`: see `Masker`."""

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
        )
        self.repeats = masking.repeats
        self.crops = crops
        self.reads = ("rgb", *(s.array for s in specs), *([crops.array] if crops.count else []))

    @property
    def encoder(self) -> Encoder:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.model.encoder

    @property
    def tokens(self) -> int:
        return self.masker.config.inputs + self.masker.config.targets

    def prepare(self, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> PackedBatch:
        return self.pack(arrays, self.draw(len(arrays["rgb"]), rng))

    def draw(
        self, frames: int, rng: np.random.Generator, source: Int[np.ndarray, " f"] | None = None
    ) -> Draws:
        samples = frames * self.repeats
        each = None if source is None else np.repeat(source, self.repeats)
        draws = vars(self.masker.draw(samples, rng, each))
        if not self.crops.count:
            return draws
        return draws | {"crop": rng.integers(1 + self.crops.count, size=samples)}

    def pack(self, arrays: dict[str, np.ndarray], draws: Draws) -> PackedBatch:
        mask = Mask(**{k: v for k, v in draws.items() if k != "crop"})
        if self.crops.count:  # samples of one frame may be of different crops
            each = {k: arrays[k].repeat(self.repeats, axis=0) for k in self.reads}
            tokens = [s.array for s in self.model.specs]
            arrays = choose_crops(each, draws["crop"], self.crops.array, ["rgb"], tokens)
        return pack_frames(arrays, mask, self.model.specs, self.encoder.config.patch)

    def counts(self, draws: Draws) -> dict[str, int]:
        modality_ids = self.masker.modality_ids[draws["targets"][draws["target_valid"]]]
        number = np.bincount(modality_ids, minlength=len(self.model.specs))
        return {s.name: int(n) for s, n in zip(self.model.specs, number, strict=True) if s.predicted}

    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        losses = self.model(batch)
        return {"total": weigh(losses, batch, self.weighting, self.model.codes), **losses}

    def flops(self) -> dict[str, float]:
        return self.model.flops(*self.masker.mean_counts())


class MaskedAutoencoder(Objective):
    """TST-MAE: regress the pixels of masked RGB patches (He et al., CVPR 2022, arXiv:2111.06377).

    Targets are patches normalised to mean 0 and variance 1 each; the loss is the mean squared error over
    masked patches. The decoder is light: half the encoder's width."""

    def __init__(self, config: EncoderConfig, image: int, masked: float, decoder_depth: int, seed: int):
        super().__init__()
        self.encoder = Encoder(config, image)
        self.slots = self.encoder.grid**2
        self.visible = round(self.slots * (1.0 - masked))
        if not 0 < self.visible < self.slots:
            raise ValueError(
                f"mae_masked={masked} leaves {self.visible} of {self.slots} patches visible: "
                "some must be seen and some predicted"
            )
        dim = max(64, config.dim // 2)
        style = config.style._replace(heads=heads_of(dim))
        self.context = nn.Linear(config.dim, dim, bias=config.bias)
        self.mask_embedding = nn.Parameter(torch.empty(dim))
        self.blocks = nn.ModuleList(Block(dim, style) for _ in range(decoder_depth))
        self.norm = norm(dim, style)
        self.pixels = nn.Linear(dim, 3 * config.patch**2)
        self.positions: Tensor
        self.register_buffer(
            "positions", sincos_2d(self.encoder.grid, self.encoder.grid, dim), persistent=False
        )
        build_around(self, self.encoder, seed)
        self.reads = ("rgb",)

    def prepare(self, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> PackedBatch:
        return self.pack(arrays, self.draw(len(arrays["rgb"]), rng))

    def draw(
        self, frames: int, rng: np.random.Generator, source: Int[np.ndarray, " f"] | None = None
    ) -> Draws:
        return {"order": np.argsort(rng.random((frames, self.slots), dtype=np.float32), axis=1)}

    def pack(self, arrays: dict[str, np.ndarray], draws: Draws) -> PackedBatch:
        return {
            "rgb": torch.from_numpy(arrays["rgb"]),
            "inputs": torch.from_numpy(draws["order"][:, : self.visible].copy()),
            "targets": torch.from_numpy(draws["order"][:, self.visible :].copy()),
        }

    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        inputs: Int[Tensor, "b i"] = batch["inputs"]
        targets: Int[Tensor, "b t"] = batch["targets"]
        patches = patchify(batch["rgb"], self.encoder.config.patch)
        x = self.encoder.content(_rows(patches, inputs))
        x = self.encoder.run(
            x + (self.encoder.positions + self.encoder.rgb_embedding)[inputs], return_registers=True
        )
        # Registers, visible and masked tokens in that order: attention does not care, positions say where
        # each belongs.
        seen = self.context(x).float()
        seen = seen + F.pad(self.positions[inputs], (0, 0, seen.shape[1] - self.visible, 0))
        y = torch.cat([seen, self.mask_embedding + self.positions[targets]], dim=1)
        for block in self.blocks:
            y = block(y)
        predicted = self.pixels(self.norm(y[:, seen.shape[1] :])).float()
        truth = (_rows(patches, targets).float() - self.encoder.mean) / self.encoder.std
        mean, variance = truth.mean(-1, keepdim=True), truth.var(-1, keepdim=True)
        return {"total": F.mse_loss(predicted, (truth - mean) / (variance + 1e-6).sqrt())}

    def flops(self) -> dict[str, float]:
        counts = self.encoder.flops(self.visible, self.visible)
        registers = self.encoder.config.registers
        places = self.slots + registers
        counts["context"] = linear_flops(self.context, self.visible + registers)
        counts["decoder.linears"] = sum(
            linear_flops(m, places) for m in self.blocks.modules() if isinstance(m, nn.Linear)
        )
        dim = self.context.out_features
        counts["decoder.attention"] = len(self.blocks) * attention_flops(places, places, dim)
        counts["heads"] = linear_flops(self.pixels, self.slots - self.visible)
        return counts


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


def _rows(x: Float[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
