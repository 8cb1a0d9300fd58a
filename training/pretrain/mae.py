"""The objective `mae`, TST-MAE: masked pixels of RGB (He et al., CVPR 2022, arXiv:2111.06377)."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from pydantic import Field
from torch import Tensor, nn

from training.models.blocks import Block, attention_flops, heads_of, linear_flops, norm
from training.models.encoder import Encoder, EncoderConfig, build_around, patchify
from training.models.multimodal import PackedBatch
from training.models.positions import sincos_2d
from training.pretrain.objective import Arrays, Draws, Objective, ObjectiveConfig, Setting


class MaskedAutoencoderConfig(ObjectiveConfig):
    """Fields of the objective `mae`."""

    masked: float = Field(default=0.75, gt=0, lt=1)
    """Share of patches masked."""

    def build(self, setting: Setting) -> "MaskedAutoencoder":
        return MaskedAutoencoder(
            setting.encoder, setting.image, self.masked, setting.decoder_depth, setting.seed
        )


class MaskedAutoencoder(Objective):
    """TST-MAE: regress the pixels of masked RGB patches (He et al., CVPR 2022, arXiv:2111.06377).

    `image`: side of the square frames [pixels]. `masked`: share of patches masked; ValueError where none
    would be seen or none predicted.

    Targets are patches normalised to mean 0 and variance 1 each; the loss is the mean squared error over
    masked patches. The decoder is light: half the encoder's width."""

    def __init__(self, config: EncoderConfig, image: int, masked: float, decoder_depth: int, seed: int):
        super().__init__()
        self.encoder = Encoder(config, image)
        self.slots = self.encoder.grid**2
        self.visible = round(self.slots * (1.0 - masked))
        if not 0 < self.visible < self.slots:
            raise ValueError(
                f"mae.masked={masked} leaves {self.visible} of {self.slots} patches visible: "
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

    def prepare(self, arrays: Arrays, rng: np.random.Generator) -> PackedBatch:
        return self.pack(arrays, self.draw(len(arrays["rgb"]), rng))

    def draw(
        self, frames: int, rng: np.random.Generator, source: Int[np.ndarray, " f"] | None = None
    ) -> Draws:
        return {"order": np.argsort(rng.random((frames, self.slots), dtype=np.float32), axis=1)}

    def pack(self, arrays: Arrays, draws: Draws) -> PackedBatch:
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


def _rows(x: Shaped[Tensor, "b n d"], index: Int[Tensor, "b k"]) -> Shaped[Tensor, "b k d"]:
    return x.gather(1, index[..., None].expand(-1, -1, x.shape[-1]))
