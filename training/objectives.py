"""What pre-training minimises, behind one interface: TST-MM (`mm`) and TST-MAE (`mae`).

An objective owns an `encoder` (the same module in all of them), names the arrays it `reads`, turns a batch
of them into tensors with all its random choices made (`prepare`, on the CPU, from a generator that is
passed in) and gives losses. `total` is minimised; the others are for looking at."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from training.blocks import Block, attention_flops, heads_of, linear_flops, norm, sincos_2d
from training.masking import Masker, MaskingConfig
from training.model import Encoder, EncoderConfig, Multimodal, TokenSpec, build_around, patchify

Batch = dict[str, Any]


class Objective(nn.Module, ABC):
    encoder: Encoder
    reads: tuple[str, ...]
    """Arrays of a frame that a batch must hold."""

    @abstractmethod
    def prepare(self, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> Batch:
        """Tensors of one batch, masks drawn; a pure function of its arguments."""

    @abstractmethod
    def forward(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        """Losses by name, `total` among them."""

    @abstractmethod
    def flops(self) -> dict[str, int]:
        """Forward FLOPs of one sample by part."""

    def train_flops(self) -> int:
        """FLOPs of one sample forward and backward (backward counts twice)."""
        return 3 * sum(self.flops().values())


class MultimodalObjective(Objective):
    """TST-MM: predict masked tokens of every modality from visible ones of any (arXiv:2312.06647,
    2406.09406)."""

    def __init__(
        self,
        config: EncoderConfig,
        image: int,
        specs: tuple[TokenSpec, ...],
        masking: MaskingConfig,
        decoder_depth: int,
        seed: int,
    ):
        super().__init__()
        self.model = Multimodal(config, image, specs, decoder_depth)
        build_around(self.model, self.model.encoder, seed)
        self.masker = Masker(masking, tuple(s.name for s in specs), tuple(s.slots for s in specs))
        self.reads = ("rgb", *(s.array for s in specs))

    @property
    def encoder(self) -> Encoder:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.model.encoder

    def prepare(self, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> Batch:
        mask = self.masker.draw(len(arrays["rgb"]), rng)
        owner = mask.target_modality.ravel()
        specs = self.model.specs
        return {
            "rgb": torch.from_numpy(arrays["rgb"]),
            "tokens": {
                s.name: torch.from_numpy(arrays[s.array].reshape(-1, s.slots).astype(np.int64)) for s in specs
            },
            "inputs": torch.from_numpy(mask.inputs),
            "targets": torch.from_numpy(mask.targets),
            "rows": {s.name: torch.from_numpy(np.flatnonzero(owner == i)) for i, s in enumerate(specs)},
        }

    def forward(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        patches = patchify(batch["rgb"], self.encoder.config.patch)
        losses = self.model(patches, batch["tokens"], batch["inputs"], batch["targets"], batch["rows"])
        # As in 4M: the mean over all modalities of their mean losses.
        total = torch.stack(list(losses.values())).mean()
        return {"total": total, **losses}

    def flops(self) -> dict[str, int]:
        return self.model.flops(self.masker.config.inputs, self.masker.config.targets)


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
        self.context = nn.Linear(config.dim, dim, bias=False)
        self.mask_embedding = nn.Parameter(torch.empty(dim))
        self.blocks = nn.ModuleList(Block(dim, heads_of(dim)) for _ in range(decoder_depth))
        self.norm = norm(dim)
        self.pixels = nn.Linear(dim, 3 * config.patch**2)
        self.positions: Tensor
        self.register_buffer(
            "positions", sincos_2d(self.encoder.grid, self.encoder.grid, dim), persistent=False
        )
        build_around(self, self.encoder, seed)
        self.reads = ("rgb",)

    def prepare(self, arrays: dict[str, np.ndarray], rng: np.random.Generator) -> Batch:
        rgb = arrays["rgb"]
        order = np.argsort(rng.random((len(rgb), self.slots), dtype=np.float32), axis=1)
        return {
            "rgb": torch.from_numpy(rgb),
            "inputs": torch.from_numpy(order[:, : self.visible].copy()),
            "targets": torch.from_numpy(order[:, self.visible :].copy()),
        }

    def forward(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        inputs: Int[Tensor, "b i"] = batch["inputs"]
        targets: Int[Tensor, "b t"] = batch["targets"]
        patches = patchify(batch["rgb"], self.encoder.config.patch)
        x = self.encoder.patches(_rows(patches, inputs))
        x = self.encoder.run(x + (self.encoder.positions + self.encoder.rgb_embedding)[inputs])
        # Visible and masked tokens in that order: attention does not care, positions say where each
        # belongs.
        y = torch.cat(
            [self.context(x).float() + self.positions[inputs], self.mask_embedding + self.positions[targets]],
            dim=1,
        )
        for block in self.blocks:
            y = block(y)
        predicted = self.pixels(self.norm(y[:, self.visible :])).float()
        truth = _rows(patches, targets)
        mean, variance = truth.mean(-1, keepdim=True), truth.var(-1, keepdim=True)
        return {"total": F.mse_loss(predicted, (truth - mean) / (variance + 1e-6).sqrt())}

    def flops(self) -> dict[str, int]:
        counts = self.encoder.flops(self.visible)
        counts["encoder.patches"] = linear_flops(self.encoder.patches, self.visible)
        counts["context"] = linear_flops(self.context, self.visible)
        counts["decoder.linears"] = sum(
            linear_flops(m, self.slots) for m in self.blocks.modules() if isinstance(m, nn.Linear)
        )
        dim = self.context.out_features
        counts["decoder.attention"] = len(self.blocks) * attention_flops(self.slots, self.slots, dim)
        counts["heads"] = linear_flops(self.pixels, self.slots - self.visible)
        return counts


def _rows(x: Float[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Float[Tensor, "b k d"]:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with every tensor on `device`; no copy where it is there already."""
    if isinstance(batch, dict):
        return {k: to_device(v, device) for k, v in batch.items()}
    return batch.to(device, non_blocking=True)
