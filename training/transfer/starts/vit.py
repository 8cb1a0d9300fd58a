"""Plain vision transformers of transformers as the shared encoder: DINOv2, CLIP, ViT and MAE.

They become it without loss: layer scale is multiplied into the matrices before it, the class token is a
register with its position added, and positions are resized to the frames."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Shaped
from torch import Tensor

from engine.networks.hub.loading import HubConfig
from training.models.encoder import Encoder, EncoderConfig
from training.models.outside_encoder import Kind, OutsideEncoder, resized_positions
from training.transfer.starts.family import First, Weights, check_shape


@dataclass(frozen=True)
class HubVit:
    """Vision transformers of one network of the table, by transformers' classes."""

    network: type[HubConfig]
    kind: Kind

    def encoder(self, config: EncoderConfig, image: int) -> Encoder:
        """The encoder, without its weights. Raises ValueError as `OutsideEncoder`."""
        return OutsideEncoder(config, image, self.kind)

    def first(self, name: str, weights: Weights, encoder: Encoder) -> First:
        """Raises ValueError where they are missing, and for an encoder of another shape."""
        model = self.network(**weights._asdict()).build()
        theirs = model.module.config
        shape = {
            "dim": theirs.hidden_size,
            "depth": theirs.num_hidden_layers,
            "heads": theirs.num_attention_heads,
            "patch": theirs.patch_size,
        }
        check_shape(name, encoder.config, shape, self.kind)
        return First(adapted(model.module.state_dict(), encoder.grid), model.source, model.licence)


_BLOCK = re.compile(r"(?:.*\.)?layers?\.(\d+)\.(.+)")
_IN_BLOCK = {
    "norm1": r"norm1|layer_norm1|layernorm_before",
    "norm2": r"norm2|layer_norm2|layernorm_after",
    "q": r"(?:attention|self_attn)\.q_proj",
    "k": r"(?:attention|self_attn)\.k_proj",
    "v": r"(?:attention|self_attn)\.v_proj",
    "attention.out": r"attention\.o_proj|self_attn\.out_proj",
    "mlp.up": r"mlp\.fc1",
    "mlp.out": r"mlp\.fc2",
    "scale1": r"layer_scale1",
    "scale2": r"layer_scale2",
}
_AROUND = {
    "class": r"cls_token|class_embedding",
    "positions": r"position_embeddings|position_embedding\.weight",
    "patches.weight": r"(?:patch_embeddings\.projection|patch_embedding)\.weight",
    "patches.bias": r"patch_embeddings\.projection\.bias",
    "norm_before": r"pre_layrnorm",
    "norm": r"layernorm|post_layernorm",
}


def adapted(theirs: Mapping[str, Shaped[Tensor, "..."]], grid: int) -> dict[str, Shaped[Tensor, "..."]]:
    """The state of an `OutsideEncoder` from that of a vision transformer of transformers, for a grid of
    `grid` × `grid` patches."""
    blocks: dict[str, dict[str, Tensor]] = {}
    around: dict[str, Tensor] = {}
    for name, value in theirs.items():
        if inside := _BLOCK.fullmatch(name):
            blocks.setdefault(inside[1], {})[_ours(inside[2], _IN_BLOCK)] = value
        else:
            around[_ours(name, _AROUND)] = value
    patches = around["patches.weight"]
    first, places = around["positions"].reshape(-1, patches.shape[0]).tensor_split([1])
    token = around["class"].reshape(1, -1) + first
    state = {k: v for k, v in around.items() if k.partition(".")[0] in ("norm", "norm_before")}
    if "norm_before.weight" in state:
        width = (patches.shape[0],)
        token = torch.nn.functional.layer_norm(
            token, width, state["norm_before.weight"], state["norm_before.bias"]
        )
    state |= {
        "patches.weight": patches.permute(0, 2, 3, 1).flatten(1),
        "rgb_embedding": around.get("patches.bias", torch.zeros(patches.shape[0])),
        "register_embedding": token,
        "positions": resized_positions(places, grid),
    }
    for number, block in blocks.items():
        state |= {f"blocks.{number}.{name}": value for name, value in _block(block).items()}
    return state


def _block(block: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A block's weights: queries, keys and values in one matrix, layer scale in the last of each branch."""
    state = {k: v for k, v in block.items() if k.partition(".")[0] in ("norm1", "norm2", "mlp", "attention")}
    for part in ("weight", "bias"):
        state[f"attention.qkv.{part}"] = torch.cat([block[f"{n}.{part}"] for n in ("q", "k", "v")])
    for scale, out in (("scale1", "attention.out"), ("scale2", "mlp.out")):
        if (factor := block.get(f"{scale}.lambda1")) is not None:
            state[f"{out}.weight"] = state[f"{out}.weight"] * factor[:, None]
            state[f"{out}.bias"] = state[f"{out}.bias"] * factor
    return state


def _ours(name: str, names: Mapping[str, str]) -> str:
    """A name of theirs under the first of `names` whose pattern it is, its last part kept."""
    for ours, pattern in names.items():
        if found := re.fullmatch(rf"(?:.*\.)?(?:{pattern})((?:\.\w+)?)", name):
            return ours + found[1]
    return name
