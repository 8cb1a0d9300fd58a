"""ImageBind's image encoder (Girdhar et al., arXiv:2305.05665), a ViT-H/14, as the start of a transfer."""

from collections.abc import Mapping

import torch
from jaxtyping import Shaped
from torch import Tensor

from engine.networks.imagebind import HEAD, LICENCE, MEAN, PATCH, STD, ImageBindConfig
from training.models.encoder import Encoder, EncoderConfig
from training.models.outside_encoder import Kind, OutsideEncoder, resized_positions
from training.transfer.starts.family import First, Weights, check_shape

KIND = Kind(MEAN, STD, eps=1e-6, norm_before=True)
_PARTS = {
    "norm1": "norm1",
    "norm2": "norm2",
    "self_attn.in_proj_weight": "attention.qkv.weight",
    "self_attn.in_proj_bias": "attention.qkv.bias",
    "self_attn.out_proj": "attention.out",
    "linear1": "mlp.up",
    "linear2": "mlp.out",
}
"""Of a block, by torch's names."""


class ImageBind:
    """The one that its authors published, and small random ones."""

    def encoder(self, config: EncoderConfig, image: int) -> Encoder:
        """The encoder, without its weights. Raises ValueError as `OutsideEncoder`."""
        return OutsideEncoder(config, image, KIND)

    def first(self, name: str, weights: Weights, encoder: Encoder) -> First:
        """Raises ValueError where they are missing, and for an encoder of another shape."""
        network = ImageBindConfig(**weights._asdict())
        model = network.build()
        width = model.patches.out_channels
        shape = {"dim": width, "depth": len(model.blocks), "heads": width // HEAD, "patch": PATCH}
        check_shape(name, encoder.config, shape, KIND)
        return First(_adapted(model.state_dict(), encoder.grid), network.source, LICENCE)


def _adapted(theirs: Mapping[str, Shaped[Tensor, "..."]], grid: int) -> dict[str, Shaped[Tensor, "..."]]:
    """The state of an `OutsideEncoder` for `grid` × `grid` patches."""
    patches = theirs["patches.weight"]
    first, places = theirs["positions"][0].tensor_split([1])
    norm = (theirs["before.weight"], theirs["before.bias"])
    state = {
        "patches.weight": patches.permute(0, 2, 3, 1).flatten(1),
        "rgb_embedding": torch.zeros(len(patches)),
        "register_embedding": torch.nn.functional.layer_norm(
            theirs["first"][0] + first, norm[0].shape, *norm, eps=KIND.eps
        ),
        "positions": resized_positions(places, grid),
    }
    for part in ("weight", "bias"):
        state[f"norm_before.{part}"] = theirs[f"before.{part}"]
        state[f"norm.{part}"] = theirs[f"after.{part}"]
    for key, value in theirs.items():
        if key.startswith("blocks."):
            _, number, place = key.split(".", 2)
            (old,) = [old for old in _PARTS if place.startswith(old)]
            state[f"blocks.{number}.{_PARTS[old]}{place.removeprefix(old)}"] = value
    return state
