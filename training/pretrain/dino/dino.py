"""`dino`: DINOv2's self-distillation (Oquab et al., arXiv:2304.07193) of RGB, with every method's encoder.

A student sees two global crops of a frame, patches of which are hidden, and several local ones; a teacher,
the moving average of the student, sees the global ones whole. The student is to say of each crop what the
teacher says of another (DINO), of each hidden patch what the teacher says of it (iBOT), and features of
different frames are to keep apart (KoLeo).

- What speaks for an image is the encoder's first register, or the mean of its patches where it has none
  (the default, so that all methods can share one encoder); `encoder.registers: 1` is DINOv2's class token.
- Local crops have half the frame's side. Their positions are those of the whole grid, stretched.
- Several workers make the step that one would make: the centre or Sinkhorn-Knopp, and the neighbours of
  KoLeo (DINOv2: of each worker alone), are of the frames of all of them. They are those of a forward pass,
  so that `micro_batch` changes the step.
- The heads of DINO and iBOT are apart, as in the paper. The encoder that is transferred is the teacher's.
- Left out: what belongs to very large models and very long runs (stochastic depth, layer scale, decay of the
  learning rate by layer, a schedule of the weight decay, a last layer that is frozen in the first epoch)."""

import math
from typing import Literal, Self

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from pydantic import Field, model_validator
from torch import Tensor, nn

from training.models.blocks import linear_flops
from training.models.encoder import Encoder, EncoderConfig, build_around, patchify
from training.models.multimodal import PackedBatch
from training.models.positions import sincos_2d_across
from training.pretrain.dino.block_masks import draw_blocks, draw_counts
from training.pretrain.dino.crops import MultiCropConfig, crop_flops, draw_crops, make_crops
from training.pretrain.dino.losses import (
    DinoHead,
    EmaCentering,
    SinkhornKnopp,
    cross_entropy,
    dino_loss,
    koleo_loss,
)
from training.pretrain.objective import Arrays, Draws, Objective, ObjectiveConfig, Setting


class DinoConfig(ObjectiveConfig):
    """Fields of the objective `dino`. Defaults are DINOv2's, but for heads and prototypes, which are for
    small encoders."""

    crops: MultiCropConfig = MultiCropConfig()
    """What is cropped, and how colours change."""
    masked_crops: float = Field(default=0.5, ge=0, le=1)
    """Share of the global crops with hidden patches; one of a lane at least."""
    masked: tuple[float, float] = (0.1, 0.5)
    """Least and most of the patches hidden in such a crop, as a share."""
    hidden: int = Field(default=1024, ge=1)
    """Width of the heads' two hidden layers (DINOv2: 2048)."""
    bottleneck: int = Field(default=256, ge=1)
    """Width of the heads before the prototypes."""
    prototypes: int = Field(default=4096, ge=2)
    """Prototypes of each head (DINOv2: 65536 and more)."""
    student_temperature: float = Field(default=0.1, gt=0)
    """Divides the student's cosines with prototypes."""
    teacher_temperature: tuple[float, float] = (0.04, 0.07)
    """Divides the teacher's: in the first step, and once warmed up; 0.02 at least."""
    teacher_warmup: float = Field(default=0.3, ge=0, le=1)
    """Share of the steps over which the teacher's temperature changes, linearly."""
    momentum: tuple[float, float] = (0.992, 1.0)
    """Share of itself that the teacher keeps in the first step and in the last; half a cosine between."""
    centring: Literal["sinkhorn", "softmax"] = "sinkhorn"
    """What keeps the teacher from saying the same of everything: Sinkhorn-Knopp, or a moving centre."""
    centre_momentum: float = Field(default=0.9, ge=0, lt=1)
    """Share of itself that the centre keeps in a step (softmax)."""
    ibot: float = Field(default=1.0, ge=0)
    """Weight of the loss of hidden patches; that of crops has 1."""
    koleo: float = Field(default=0.1, ge=0)
    """Weight of KoLeo, for each of the two global crops."""

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        if not 0 < self.masked[0] <= self.masked[1] <= 1:
            raise ValueError(
                f"masked is {self.masked}: give the smaller share first, both above 0 and up to 1"
            )
        if min(self.teacher_temperature) < 0.02:
            raise ValueError(
                f"teacher_temperature is {self.teacher_temperature}: give at least 0.02 for both"
            )
        if not all(0 <= m <= 1 for m in self.momentum):
            raise ValueError(f"momentum is {self.momentum}: give shares between 0 and 1")
        return self

    def build(self, setting: Setting) -> "Dino":
        return Dino(setting.encoder, setting.image, self, setting.seed)

    def temperature_at(self, progress: float) -> float:
        """The teacher's, after a share `progress` of the steps."""
        first, last = self.teacher_temperature
        if progress >= self.teacher_warmup:
            return last
        return first + (last - first) * progress / self.teacher_warmup

    def momentum_at(self, progress: float) -> float:
        """That of the teacher's moving average after a share `progress` of the steps: half a cosine."""
        first, last = self.momentum
        return last - (last - first) * 0.5 * (1.0 + math.cos(math.pi * progress))


class Dino(Objective):
    """`image`: side of the square frames [pixels]. Raises ValueError for one that cannot be cropped."""

    def __init__(self, config: EncoderConfig, image: int, dino: DinoConfig, seed: int):
        super().__init__()
        self.config, self.image = dino, image
        self.encoder = Encoder(config, image)  # the teacher's
        self.student = Encoder(config, image)
        self.grid, self.local_grid = self.encoder.grid, self.encoder.grid // 2
        if not self.local_grid:
            raise ValueError(
                f"a frame of {image} px has one patch of {config.patch} px, a local crop none: "
                "choose a smaller encoder.patch"
            )
        self.mask_embedding = nn.Parameter(torch.empty(config.dim))
        self.heads, self.teacher_heads = _heads(config.dim, dino), _heads(config.dim, dino)
        self.truth = nn.ModuleDict({k: _truth(dino) for k in ("image", "patch")})
        self.temperature: Tensor
        self.local_positions: Tensor
        self.register_buffer("temperature", torch.tensor(dino.temperature_at(0.0)))
        self.register_buffer(
            "local_positions", sincos_2d_across(self.local_grid, self.grid, config.dim), persistent=False
        )
        build_around(self, self.encoder, seed)
        for teacher, student in ((self.encoder, self.student), (self.teacher_heads, self.heads)):
            teacher.requires_grad_(False)
            student.load_state_dict(teacher.state_dict())
        self.reads = ("rgb",)

    def prepare(self, arrays: Arrays, rng: np.random.Generator) -> PackedBatch:
        return self.pack(arrays, self.draw(len(arrays["rgb"]), rng))

    def draw(
        self, frames: int, rng: np.random.Generator, source: Int[np.ndarray, " f"] | None = None
    ) -> Draws:
        c = self.config
        crops = draw_crops(frames, self.image, c.crops, rng)
        hidden = draw_blocks(2 * frames, self.grid, c.masked_crops, c.masked, rng)
        drawn = {f"{kind}.{k}": v.numpy() for kind, some in crops.items() for k, v in some.items()}
        drawn["hidden"] = hidden.reshape(2, frames, -1)
        return {k: v.swapaxes(0, 1) for k, v in drawn.items()}  # [frames, crops, ...]

    def pack(self, arrays: Arrays, draws: Draws) -> PackedBatch:
        if len(arrays["rgb"]) < 2:
            raise ValueError("dino tells frames apart, so each worker needs two a step: raise the batch")
        drawn = {k: np.ascontiguousarray(v.swapaxes(0, 1)) for k, v in draws.items()}
        hidden = drawn.pop("hidden").reshape(-1, self.grid**2)
        crops: dict[str, dict[str, Tensor]] = {"global": {}, "local": {}}
        for name, values in drawn.items():
            kind, key = name.split(".")
            crops[kind][key] = torch.from_numpy(values)
        count = np.repeat(hidden.sum(1), hidden.sum(1))
        return {
            "rgb": torch.from_numpy(arrays["rgb"]),
            "crops": crops,
            "hidden": torch.from_numpy(hidden),
            "hidden_rows": torch.from_numpy(np.flatnonzero(hidden)),
            # A crop weighs the same however many of its patches are hidden, as one of all global crops.
            "hidden_weight": torch.from_numpy((1.0 / (len(hidden) * count)).astype(np.float32)),
        }

    def forward(self, batch: PackedBatch) -> dict[str, Float[Tensor, ""]]:
        rgb, c = batch["rgb"], self.config
        rows, frames = batch["hidden_rows"], len(rgb)
        whole = self._crops(batch, "global", self.grid)
        with torch.no_grad():
            image, patches = self._features(self.encoder, whole, self.encoder.positions)
            image_truth = self.truth["image"](self.teacher_heads["image"](image), self.temperature)
            patch_truth = self.teacher_heads["patch"](patches.flatten(0, 1)[rows])
            patch_truth = self.truth["patch"](patch_truth, self.temperature)
        image, patches = self._features(self.student, whole, self.student.positions, batch["hidden"])
        images = [image]
        if c.crops.local_crops:
            part = self._crops(batch, "local", self.local_grid)
            images.append(self._features(self.student, part, self.local_positions)[0])
        said = self.heads["image"](torch.cat(images)).unflatten(0, (-1, frames))
        dino = dino_loss(image_truth.unflatten(0, (2, frames)), said[:2], said[2:], c.student_temperature)
        said = self.heads["patch"](patches.flatten(0, 1)[rows])
        ibot = (cross_entropy(patch_truth, said, c.student_temperature) * batch["hidden_weight"]).sum()
        koleo = torch.stack([koleo_loss(x) for x in image.chunk(2)]).sum()
        total = dino + c.ibot * ibot + c.koleo * koleo
        return {"total": total, "dino": dino, "ibot": ibot, "koleo": koleo}

    def _crops(self, batch: PackedBatch, kind: str, grid: int) -> UInt8[Tensor, "n h h 3"]:
        with torch.autocast(batch["rgb"].device.type, enabled=False):
            return make_crops(batch["rgb"], batch["crops"][kind], grid * self.encoder.config.patch)

    def _features(
        self,
        encoder: Encoder,
        crops: UInt8[Tensor, "b h h 3"],
        positions: Float[Tensor, "n d"],
        hidden: Bool[Tensor, "b n"] | None = None,
    ) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b n d"]]:
        """Features of images and of their patches."""
        x = encoder.content(patchify(crops, encoder.config.patch))
        if hidden is not None:
            x = torch.where(hidden[..., None], self.mask_embedding.to(x.dtype), x)
        x = encoder.run(x + (positions + encoder.rgb_embedding), return_registers=True)
        registers = encoder.config.registers
        return x[:, 0] if registers else x.mean(1), x[:, registers:]

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        momentum = self.config.momentum_at((step - 1) / max(1, steps - 1))
        for teacher, student in ((self.encoder, self.student), (self.teacher_heads, self.heads)):
            for old, new in zip(teacher.parameters(), student.parameters(), strict=True):
                old.lerp_(new, 1 - momentum)
        for truth in self.truth.children():
            assert isinstance(truth, SinkhornKnopp | EmaCentering)
            truth.update()
        self.temperature.fill_(self.config.temperature_at(step / steps))

    def flops(self) -> dict[str, float]:
        c, n = self.config, self.grid**2
        locals_ = c.crops.local_crops
        whole = self.encoder.flops(n, n)
        part = self.encoder.flops(self.local_grid**2, self.local_grid**2)
        hidden = 2 * _mean_hidden(self.grid, c)
        head = self.heads["patch"]
        head_flops = sum(linear_flops(m, 1) for m in head.modules() if isinstance(m, nn.Linear))
        counts = {k.replace("encoder", "student"): 2 * whole[k] + locals_ * part[k] for k in whole}
        counts |= {k.replace("encoder", "teacher"): 2 * whole[k] for k in whole}
        counts["student.heads"] = head_flops * (2 + locals_ + hidden)
        counts["teacher.heads"] = head_flops * (2 + hidden)
        side = self.local_grid * self.encoder.config.patch
        counts["crops"] = 2 * crop_flops(self.image, self.image) + locals_ * crop_flops(self.image, side)
        return counts

    def train_flops(self) -> float:
        """Only the student goes backward."""
        return sum(v * (3 if k.startswith("student.") else 1) for k, v in self.flops().items())


def _heads(dim: int, dino: DinoConfig) -> nn.ModuleDict:
    sizes = (dim, dino.hidden, dino.bottleneck, dino.prototypes)
    return nn.ModuleDict({"image": DinoHead(*sizes), "patch": DinoHead(*sizes)})


def _truth(dino: DinoConfig) -> SinkhornKnopp | EmaCentering:
    if dino.centring == "sinkhorn":
        return SinkhornKnopp()
    return EmaCentering(dino.prototypes, dino.centre_momentum)


def _mean_hidden(grid: int, c: DinoConfig) -> float:
    """Hidden patches of a global crop, the mean over ten thousand of them."""
    drawn = draw_counts(10_000, grid, c.masked_crops, c.masked, np.random.default_rng(0))
    return float(drawn.mean())
