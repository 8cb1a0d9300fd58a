"""`imagebind`: patch features of ImageBind's image encoder (Girdhar et al., arXiv:2305.05665), a ViT-H/14:
16 × 16 × 1280 of a frame of 224 pixels, as 4M tokenizes them. Of its authors' code nothing is needed."""

from pathlib import Path
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor, nn

from engine.networks.network import Network, NetworkConfig, Output
from engine.networks.torch_network import Preparation, build_network, seeded, untrained_source

FILE = Path(".checkpoints/imagebind_huge.pth")
"""Where ImageBind's own code puts its weights, from where it runs."""
LICENCE = "CC-BY-NC-4.0"
URL = "https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth"
PATCH = 14
HEAD = 80
"""Channels of a head."""
_TRAINED = 224
"""Height and width of the images of its training [pixels]."""
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
_NAMES = {
    "attn.in_proj_weight": "self_attn.in_proj_weight",
    "attn.in_proj_bias": "self_attn.in_proj_bias",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.fc1": "linear1",
    "mlp.fc2": "linear2",
    "norm_1": "norm1",
    "norm_2": "norm2",
}
"""Of a block's parts: in the file, in torch."""


class ImageBindConfig(NetworkConfig):
    """Patch features of ImageBind."""

    install: ClassVar[str] = f"wget -P {FILE.parent} {URL}"

    image: int = Field(default=_TRAINED, multiple_of=PATCH, ge=PATCH)
    """Height and width that frames are resized to [pixels]."""
    shape: Literal["published", "tiny"] = "published"
    """Of untrained weights: as the published ones (2.5 GB), or a small one for trials."""

    @model_validator(mode="after")
    def _tiny_is_untrained(self) -> "ImageBindConfig":
        if self.shape == "tiny" and self.weights != "untrained":
            raise ValueError("shape: tiny is of `weights: untrained`")
        return self

    def build(self) -> "ImageBindFeatures":
        """The encoder. Raises ValueError where the weights are missing or are others."""
        grid = self.image // PATCH
        if self.weights == "untrained":
            width, depth = (2 * HEAD, 2) if self.shape == "tiny" else (1280, 32)
            with seeded(self.seed):
                module = ImageBindFeatures(width, depth, grid)
        else:
            state = _state(self._file, self.install)
            width, depth = state["first"].shape[-1], len({n.split(".")[1] for n in state if "blocks" in n})
            with torch.device("meta"):
                module = ImageBindFeatures(width, depth, grid)
            module.load_state_dict(state, assign=True)
        return module

    def load(self, size: int) -> Network:
        """Raises ValueError as `build`."""
        module, grid = self.build(), self.image // PATCH
        return build_network(
            self,
            module,
            Output("features", (grid, grid, module.patches.out_channels), "float16"),
            Preparation(self.image, MEAN, STD),
            source=self.source,
            licence=LICENCE,
        )

    @property
    def source(self) -> str:
        """Its weights, in a line."""
        return untrained_source(self) if self.weights == "untrained" else f"ImageBind-H/14, {self._file.name}"

    @property
    def _file(self) -> Path:
        """Of trained weights."""
        return FILE if self.weights == "trained" else Path(self.weights)


class ImageBindFeatures(nn.Module):
    """A pre-norm vision transformer whose tokens are normalised before its blocks too."""

    def __init__(self, width: int, depth: int, grid: int):
        """`grid`: patches along a side of an image. Weights are random."""
        super().__init__()
        self._grid, scale = grid, width**-0.5
        self.patches = nn.Conv2d(3, width, PATCH, PATCH, bias=False)
        self.first = nn.Parameter(scale * torch.randn(1, 1, width))
        self.positions = nn.Parameter(scale * torch.randn(1, (_TRAINED // PATCH) ** 2 + 1, width))
        self.before = nn.LayerNorm(width, eps=1e-6)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width,
                width // HEAD,
                4 * width,
                0.0,
                "gelu",
                layer_norm_eps=1e-6,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(depth)
        )
        self.after = nn.LayerNorm(width, eps=1e-6)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b grid grid channels"]:
        """Patch tokens after the norm of the encoder's head."""
        tokens = self.patches(images).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.first.expand(len(tokens), -1, -1), tokens], 1) + self._places()
        tokens = self.before(tokens)
        for block in self.blocks:
            tokens = block(tokens)
        return self.after(tokens[:, 1:]).unflatten(1, (self._grid, self._grid))

    def _places(self) -> Float[Tensor, "1 tokens channels"]:
        """Positions, resized to the grid of the images."""
        first, rest = self.positions[:, :1], self.positions[:, 1:]
        side = _TRAINED // PATCH
        if side == self._grid:
            return self.positions
        rest = nn.functional.interpolate(
            rest.unflatten(1, (side, side)).permute(0, 3, 1, 2), (self._grid, self._grid), mode="bicubic"
        )
        return torch.cat([first, rest.flatten(2).transpose(1, 2)], 1)


def _state(file: Path, install: str) -> dict[str, Tensor]:
    """The image encoder's weights under the names of `ImageBindFeatures`."""
    if not file.is_file():
        raise ValueError(f"ImageBind's weights are not at {file}: {install}, or weights: FILE")
    try:
        theirs = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        stem, trunk = "modality_preprocessors.vision", "modality_trunks.vision"
        state = {
            # A still image is two equal frames of a video: the kernels of both are added.
            "patches.weight": theirs[f"{stem}.rgbt_stem.proj.1.weight"].sum(2),
            "first": theirs[f"{stem}.cls_token"],
            "positions": theirs[f"{stem}.pos_embedding_helper.pos_embed"],
        }
        for part in ("weight", "bias"):
            state[f"before.{part}"] = theirs[f"{trunk}.pre_transformer_layer.0.{part}"]
            state[f"after.{part}"] = theirs[f"modality_heads.vision.0.{part}"]
    except Exception as error:  # what a damaged or foreign file raises is of many types
        raise ValueError(f"{file} holds no ImageBind: {error}") from error
    for name, value in theirs.items():
        if name.startswith(f"{trunk}.blocks."):
            number, _, place = name.removeprefix(f"{trunk}.blocks.").partition(".")
            old = next((old for old in _NAMES if place.startswith(old)), place)
            state[f"blocks.{number}.{place.replace(old, _NAMES.get(old, old))}"] = value
    return {name: value.float() for name, value in state.items()}
