"""4M's tokenizers for the images of a store: their inputs, and their import into a folder like those of ours.

    tst tokenizer import --source EPFL-VILAB/4M_tokenizers_depth_8k_224-448 --modality depth --out OUT
    tst tokenize --store STORE --tokenizers OUT

Inputs follow apple/ml-4m, `fourm/data/modality_info.py` (MODALITY_TRANSFORMS_DIVAE) and
`fourm/data/modality_transforms.py`: rgb, Canny edges (as three channels) and normals scaled to -1..1; depth
standardised per frame by the mean and variance of its pixels without the nearest and farthest tenth. All have
patches of 16 pixels and were trained at 224 to 448 pixels.

Two conventions are ours. Where nothing was hit, 4M's images always have a value, so depth there is the
frame's maximum and normals have no direction. Our normals point to the viewer, while its pseudo-labels
(Omnidata) point into the scene, y down: inferred from their mean in its `fourm/utils/data_constants.py`,
(.501, .405, .137), where z near 0 means -1.

Such a tokenizer has been trained on the internet: a specialist that uses it has external access.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped, UInt8
from pydantic import Field
from torch import Tensor, nn

from scenes.config import Config
from training.common.checkpoint import CONFIG, WEIGHTS, save_tensors, write_json
from training.common.external_access import Knowledge, as_facts
from training.fourm.checkpoints import Tensors
from training.fourm.load import read_4m
from training.fourm.tokenizer import FourMTokenizer, tokenizer_of


class FourMConfig(Config):
    """What a tokenizer of 4M's is fed. The defaults are 4M's."""

    heads: int = Field(default=0, ge=0)
    """Attention heads, which the file does not tell; 0: of 64 channels each, as in a ViT-B."""
    mean: float = 0.5
    """Subtracted from pixels of 0 to 1 (rgb, normals, edges)."""
    std: float = Field(default=0.5, gt=0)
    """What is left is divided by this (rgb, normals, edges)."""
    trim: float = Field(default=0.1, ge=0, lt=0.5)
    """Share of a frame's pixels, nearest and farthest each, without which depth is standardised."""
    axes: tuple[float, float, float] = (1.0, -1.0, -1.0)
    """Signs of x, y, z that make a store's normals (x right, y up, z to the viewer) those it was trained
    on."""


class FourMImages(nn.Module):
    """A tokenizer of 4M's for one modality of a store."""

    def __init__(self, modality: str, config: FourMConfig, tensors: Tensors, source: str = "the file"):
        """`source`: where the tensors are from. Raises ValueError for a tokenizer of something else."""
        super().__init__()
        self.modality, self.config = modality, config
        self.model: FourMTokenizer = tokenizer_of(tensors, config.heads, source)
        channels = {"rgb": (3,), "depth": (1,), "normals": (3,), "edges": (1, 3)}
        if modality not in channels:
            raise ValueError(f"no way is known to feed {modality!r} to a tokenizer of 4M's; there are: "
                             f"{', '.join(channels)}")  # fmt: skip
        self.channels = self.model.channels
        if self.model.labels is not None or self.channels not in channels[modality]:
            what = "label maps" if self.model.labels is not None else f"{self.channels} channels"
            raise ValueError(f"{source} is a tokenizer of 4M's for {what}, which {modality} is not")
        self.eval()

    @property
    def codes(self) -> int:
        """Size of the vocabulary."""
        return self.model.codes

    @property
    def patch(self) -> int:
        """Side of the square that a token stands for [pixels]."""
        return self.model.patch

    @property
    def decodes(self) -> bool:
        """Not a diffusion decoder, and not depth, whose scale is that of a frame and not in its tokens."""
        return self.model.decodes and self.modality != "depth"

    @torch.no_grad()
    def encode(
        self, images: Shaped[np.ndarray, "b h w *c"] | Shaped[Tensor, "b h w *c"]
    ) -> Int[Tensor, "b gh gw"]:
        """Tokens of stored images. Raises ValueError for images that do not divide into patches."""
        x = torch.as_tensor(images).to(next(self.parameters()).device)
        height, width = x.shape[1:3]
        if height % self.patch or width % self.patch:
            raise ValueError(
                f"{height}x{width} px do not divide into this tokenizer's patches of {self.patch} px"
            )
        return self.model.encode(self.input(x))

    @torch.no_grad()
    def decode(self, tokens: Int[Tensor, "b gh gw"]) -> UInt8[np.ndarray, "b h w *c"]:
        """Images as stored, of tokens. Raises ValueError where it cannot decode."""
        if not self.decodes:
            raise ValueError(f"this tokenizer of 4M's encodes {self.modality} and cannot decode it")
        y = self.model.decode(tokens).cpu() * self.config.std + self.config.mean
        if self.modality == "edges":
            return np.where(y.mean(1).numpy() > 0.5, 255, 0).astype(np.uint8)
        if self.modality == "normals":
            axes = torch.tensor(self.config.axes)
            n = F.normalize((y * 2 - 1) * axes[:, None, None], dim=1)
            y = n * 0.5 + 0.5
        return (y.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).numpy()

    def input(self, images: Shaped[Tensor, "b h w *c"]) -> Float[Tensor, "b c h w"]:
        """What the network sees of stored images [b, h, w] or [b, h, w, 3]."""
        if self.modality == "depth":
            return self._standardised(images.int().float())
        x = images.float() / 255.0
        if self.modality == "edges":
            x = x[..., None].expand(*x.shape, self.channels)
        if self.modality == "normals":
            n = (x * 2 - 1) * torch.tensor(self.config.axes, device=x.device)
            x = torch.where((images > 0).any(-1, keepdim=True), n, 0.0) * 0.5 + 0.5
        return ((x - self.config.mean) / self.config.std).permute(0, 3, 1, 2)

    def _standardised(self, depth: Float[Tensor, "b h w"]) -> Float[Tensor, "b 1 h w"]:
        flat = depth.flatten(1) / 65535.0  # 4M's depth is what a 16-bit picture holds
        flat = torch.where(flat > 0, flat, flat.amax(1, keepdim=True))
        count = flat.shape[1]
        low, high = int(self.config.trim * count), int((1 - self.config.trim) * count)
        kept = flat.sort(1).values[:, low:high]
        scaled = (flat - kept.mean(1, keepdim=True)) / (kept.var(1, keepdim=True) + 1e-6).sqrt()
        return scaled.view(depth.shape)[:, None]


def import_4m(source: str, modality: str, config: FourMConfig, out: Path) -> FourMImages:
    """Put a tokenizer of 4M's (safetensors file, folder or hub id) into the folder `out`, as one for
    `modality`. Without its decoder if that is a diffusion model.

    Raises ValueError for what is none, or is for something else."""
    tensors = read_4m(source)
    model = FourMImages(modality, config, tensors, source)
    if not model.model.decodes:
        tensors = {k: v for k, v in tensors.items() if not k.startswith(("decoder.", "post_quant_proj."))}
    out.mkdir(parents=True, exist_ok=True)
    save_tensors(out / WEIGHTS, tensors)
    known = Knowledge(name="tokenizer of 4M's", source=source, external_access="internet")
    fields = {"modality": modality, "fourm": config.model_dump(mode="json")}
    write_json(out / CONFIG, fields | as_facts((known,)))
    return model
