"""SAM's image encoder (Kirillov et al., arXiv:2304.02643) as the start of a transfer, without its neck, which
makes the prompts' 256 channels of its features."""

from collections.abc import Mapping

from jaxtyping import Shaped
from torch import Tensor

from engine.networks.hub.sam import SamEdgesConfig
from engine.networks.torch_network import IMAGENET_MEAN, IMAGENET_STD
from training.models.encoder import Encoder, EncoderConfig
from training.models.outside_encoder import Kind, resized_positions
from training.models.windowed_encoder import WINDOW, WindowedEncoder, resized_offsets, whole_blocks
from training.transfer.starts.family import First, Weights, check_shape

KIND = Kind(IMAGENET_MEAN, IMAGENET_STD, eps=1e-6, registers=0, norm_after=False)
_PARTS = {
    "layer_norm1": "norm1",
    "layer_norm2": "norm2",
    "attn.qkv": "attention.qkv",
    "attn.proj": "attention.out",
    "attn.rel_pos_h": "attention.down",
    "attn.rel_pos_w": "attention.across",
    "mlp.lin1": "mlp.up",
    "mlp.lin2": "mlp.out",
}
"""Of a block, by transformers' names."""
_ENCODER = "vision_encoder."


class Sam:
    """ViT-B, L and H of SAM."""

    def encoder(self, config: EncoderConfig, image: int) -> Encoder:
        """The encoder, without its weights. Raises ValueError as `OutsideEncoder`."""
        return WindowedEncoder(config, image, KIND)

    def first(self, name: str, weights: Weights, encoder: Encoder) -> First:
        """Raises ValueError where they are missing, for an encoder of another shape, and for a model with
        other windows than SAM's."""
        model = SamEdgesConfig(**weights._asdict()).build()
        theirs = model.module.config.vision_config
        shape = {
            "dim": theirs.hidden_size,
            "depth": theirs.num_hidden_layers,
            "heads": theirs.num_attention_heads,
            "patch": theirs.patch_size,
        }
        check_shape(name, encoder.config, shape, KIND)
        whole = whole_blocks(theirs.num_hidden_layers)
        if theirs.window_size != WINDOW or set(theirs.global_attn_indexes) != whole:
            raise ValueError(
                f"{model.source} has windows of {theirs.window_size} patches in all blocks but "
                f"{sorted(theirs.global_attn_indexes)}; SAM's are of {WINDOW} in all but {sorted(whole)}"
            )
        return First(_adapted(model.module.state_dict(), encoder.grid, whole), model.source, model.licence)


def _adapted(
    theirs: Mapping[str, Shaped[Tensor, "..."]], grid: int, whole: frozenset[int]
) -> dict[str, Shaped[Tensor, "..."]]:
    """The state of a `WindowedEncoder` for `grid` × `grid` patches."""
    own = {key.removeprefix(_ENCODER): value for key, value in theirs.items() if key.startswith(_ENCODER)}
    state = {
        "patches.weight": own["patch_embed.projection.weight"].permute(0, 2, 3, 1).flatten(1),
        "rgb_embedding": own["patch_embed.projection.bias"],
        "positions": resized_positions(own["pos_embed"].flatten(0, 2), grid),
    }
    for key, value in own.items():
        if key.startswith("layers."):
            _, number, place = key.split(".", 2)
            (old,) = [old for old in _PARTS if place.startswith(old)]
            if "rel_pos" in old and int(number) in whole:
                value = resized_offsets(value, grid)
            state[f"blocks.{number}.{_PARTS[old]}{place.removeprefix(old)}"] = value
    return state
