"""Models of 4M's checkpoints, of whatever variant: the shape from the tensors, the rest from config.json.

    from training.fourm.load import load_4m
    model = load_4m("EPFL-VILAB/4M-21_B")            # or a file, or a folder with model.safetensors

Width, depth, MLP, biases, QK norm, registers, modalities and their positions are seen in the tensors. The
number of heads and which targets attend to which in the decoder are not: they are fields of the config.json
beside model.safetensors (`num_heads`, `decoder_sep_mask`, `decoder_causal_mask`), or given as arguments."""

import importlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from jaxtyping import Float, Shaped
from safetensors import SafetensorError  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor

from training.common.checkpoint import load_tensors
from training.fourm.checkpoints import Names, Report, Tensors, take
from training.models.blocks import heads_of
from training.models.encoder import EncoderConfig
from training.models.modality import SEQUENCE_PLACES, TokenSpec
from training.models.multimodal import AS_4M21, DecoderAttention, Multimodal
from training.models.positions import sincos_2d

SQUARE: Mapping[str, tuple[int, int]] = MappingProxyType({})
CONFIG = "config.json"
_ACTIVATIONS = {True: "SiLU", False: "GELU"}


@dataclass(frozen=True)
class Settings:
    """What cannot be seen in the tensors of a checkpoint."""

    heads: int = 0
    """Attention heads; 0: heads of 64 channels."""
    decoder_attention: DecoderAttention = AS_4M21
    modalities: tuple[str, ...] = ()
    """Their order, where it is known; it says which are earlier in a decoder that does not separate them."""

    def check(self, model: Multimodal, source: str | Path) -> None:
        """Raises ValueError where a model has others than the checkpoint that it is to start from."""
        theirs = {"heads": self.heads or heads_of(model.encoder.config.dim)}
        theirs |= self.decoder_attention._asdict()
        ours = {"heads": model.encoder.config.style.heads, **model.decoder_attention._asdict()}
        differs = [f"{k}: {v} there, {ours[k]} here" for k, v in theirs.items() if v != ours[k]]
        if differs:
            raise ValueError(f"{source} is of another model than this one: {', '.join(differs)}")


def settings_of(config: Mapping[str, Any], where: str = CONFIG) -> Settings:
    """The settings in a config.json as 4M writes it. Raises ValueError for an activation that no model here
    has."""
    gated = config.get("gated_mlp", False)
    activation = config.get("act_layer", _ACTIVATIONS[gated])
    if activation != _ACTIVATIONS[gated]:
        raise ValueError(
            f"{where}: act_layer {activation} with gated_mlp {gated}; models here have SiLU where MLPs are "
            "gated and GELU where they are not"
        )
    separate, causal = config.get("decoder_sep_mask", True), config.get("decoder_causal_mask", False)
    domains = [*config.get("domains_in", ()), *config.get("domains_out", ())]
    attention = DecoderAttention(separate, causal)
    return Settings(config.get("num_heads", 0), attention, tuple(dict.fromkeys(domains)))


def read_4m(source: str | Path) -> dict[str, Shaped[Tensor, "..."]]:
    """Tensors of a checkpoint: a safetensors file, a folder with model.safetensors, or a hub id (which needs
    the package huggingface_hub and a network). Raises ValueError when it is none of these, or damaged."""
    path = Path(source)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.exists():
        path = _from_hub(str(source), "model.safetensors")
    try:
        return load_tensors(path)[0]
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}): download it again, whole"
        ) from error


def read_settings(source: str | Path) -> Settings | None:
    """The settings of a checkpoint that `read_4m` reads, from the config.json in its folder or on the hub;
    None where there is none. Raises ValueError for one that is no JSON, and as `settings_of`."""
    path = Path(source)
    if path.exists():
        path = (path if path.is_dir() else path.parent) / CONFIG
        if not path.exists():
            return None
    else:
        path = _from_hub(str(source), CONFIG)
    try:
        config = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is no JSON ({error})") from error
    return settings_of(config, str(path))


def assumed(source: str | Path, settings: Settings) -> str:
    """The line that says what a checkpoint without a config.json is taken to be."""
    separate, causal = settings.decoder_attention
    heads = f"{settings.heads} heads" if settings.heads else "heads of 64 channels"
    return (
        f"{source} has no {CONFIG}: it is taken to have {heads}, decoder_sep_mask {str(separate).lower()} "
        f"and decoder_causal_mask {str(causal).lower()}"
    )


def _from_hub(repository: str, name: str) -> Path:
    if repository.startswith((".", "/")) or repository.count("/") > 1:
        raise ValueError(f"{repository} is no file and no folder here, nor the id of a repository of the hub")
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as missing:
        raise ValueError(
            f"{repository} is no file and no folder here; for a hub id, pip install huggingface_hub"
        ) from missing
    return Path(hub.hf_hub_download(repository, name))


def load_4m(
    source: str | Path,
    *,
    heads: int | None = None,
    separate: bool | None = None,
    causal: bool | None = None,
    grids: Mapping[str, tuple[int, int]] = SQUARE,
) -> Multimodal:
    """The model of a checkpoint, with its weights, in evaluation mode.

    `heads`, `separate` (decoder_sep_mask) and `causal` (decoder_causal_mask) go before config.json; where
    there is neither, a line says what is assumed. `grids`: see `specs_of`. Raises ValueError where a tensor
    has no place in the model, or the model has one that the checkpoint does not fill."""
    tensors, found = read_4m(source), read_settings(source)
    settings = found or Settings()
    attention = settings.decoder_attention
    attention = DecoderAttention(
        attention.separate if separate is None else separate, attention.causal if causal is None else causal
    )
    settings = Settings(settings.heads if heads is None else heads, attention, settings.modalities)
    if found is None and None in (heads, separate, causal):
        print(assumed(source, settings), flush=True)
    model = model_of(tensors, settings.heads, grids, attention, settings.modalities)
    report = take(model, tensors)
    if report.missing or report.reshaped or report.remade or report.extra:
        raise ValueError(f"{source} does not fill a model of its own shape: {report}")
    return model.eval()


def start_from_4m(model: Multimodal, source: str | Path, names: Names) -> Report:
    """Put what fits of a checkpoint into a model that is to be trained, see `take`.

    Raises ValueError where the checkpoint is of another model: other heads, other attention among targets, or
    tensors that this one has no place for. Without a config.json, a line says that heads and attention are
    assumed to be this model's."""
    tensors, settings = read_4m(source), read_settings(source)
    if settings is None:
        ours = Settings(model.encoder.config.style.heads, model.decoder_attention)
        print(assumed(source, ours), flush=True)
    else:
        settings.check(model, source)
    return take(model, tensors, names)


def specs_of(
    tensors: Tensors,
    grids: Mapping[str, tuple[int, int]] = SQUARE,
    order: Sequence[str] = (),
) -> tuple[TokenSpec, ...]:
    """The modalities of a checkpoint, by its keys and shapes, those in `order` first.

    Grids and whether positions are learned are found by comparing positions with fixed ones. `grids`: shapes
    of those that are not to be found so. Without values (device meta), grids are square, and positions are
    taken to be learned where the name says that the token is of the whole image, "_global"."""
    specs = {}
    for key, table in tensors.items():
        side, _, rest = key.partition("_embeddings.")
        name, _, part = rest.partition(".")
        if side not in ("encoder", "decoder") or part not in (
            "proj.weight",
            "emb_proj.weight",
            "token_emb.weight",
        ):
            continue
        positions = tensors[f"{side}_embeddings.{name}.pos_emb"][0]
        places = len(positions)
        if part == "emb_proj.weight":
            spec = TokenSpec(name, name, places, kind="vectors", width=table.shape[1])
        elif part != "proj.weight" and places == SEQUENCE_PLACES:
            spec = TokenSpec(name, name, places, table.shape[0], kind="sequence")
        else:
            grid, learned = (grids[name], False) if name in grids else _layout(name, positions)
            pixels = part == "proj.weight"
            spec = TokenSpec(name, name, grid, 0 if pixels else table.shape[0], pixels, learned=learned)
        specs.setdefault(name, spec)
    known = [name for name in order if name in specs]
    return tuple(specs[name] for name in dict.fromkeys([*known, *specs]))


def _layout(name: str, positions: Float[Tensor, "n d"]) -> tuple[int | tuple[int, int], bool]:
    """Shape of a grid, and whether its positions are learned."""
    places, dim = positions.shape
    side = round(places**0.5)
    if positions.device.type == "meta":
        return side, name.endswith("_global")
    shapes = [(h, places // h) for h in range(1, places + 1) if places % h == 0]
    for height, width in sorted(shapes, key=lambda shape: abs(shape[0] - side)):
        if torch.allclose(positions.float(), sincos_2d(height, width, dim), atol=1e-4):
            return side if height == width else (height, width), False
    return side if side * side == places else (1, places), True


def model_of(
    tensors: Tensors,
    heads: int = 0,
    grids: Mapping[str, tuple[int, int]] = SQUARE,
    decoder_attention: DecoderAttention = AS_4M21,
    order: Sequence[str] = (),
) -> Multimodal:
    """An uninitialised model of the shape of a checkpoint; `heads`: 0 for heads of 64 channels; `grids` and
    `order`: see `specs_of`. Raises ValueError where there is not one modality of RGB pixels."""
    specs = specs_of(tensors, grids, order)
    pixels = [s for s in specs if s.pixels]
    if len(pixels) != 1:
        raise ValueError(f"a checkpoint has one modality of RGB pixels, this one {[s.name for s in pixels]}")
    weight = tensors[f"encoder_embeddings.{pixels[0].name}.proj.weight"]
    depth, decoder_depth = (_depth(tensors, part) for part in ("encoder.", "decoder."))
    registers = tensors["register_tokens"].shape[1] if "register_tokens" in tensors else 0
    config = EncoderConfig(
        dim=weight.shape[0],
        depth=depth,
        patch=round((weight.shape[1] // 3) ** 0.5),
        heads=heads,
        mlp="swiglu" if "encoder.0.mlp.fc3.weight" in tensors else "gelu",
        bias="encoder.0.attn.qkv.bias" in tensors,
        registers=registers,
        qk_norm="encoder.0.attn.q_norm.weight" in tensors,
        pixels="imagenet",
    )
    return Multimodal(
        config,
        pixels[0].shape[0] * config.patch,
        specs,
        decoder_depth,
        tied=_all_equal(tensors, "decoder", "token_emb.weight", "decoder", "to_logits.weight", default=False),
        shared=_all_equal(tensors, "encoder", "mod_emb", "decoder", "mod_emb", default=True),
        decoder_attention=decoder_attention,
    )


def _all_equal(tensors: Tensors, side: str, part: str, other_side: str, other: str, default: bool) -> bool:
    """Whether two tensors of a modality's embeddings, in which 4M keeps one twice, are equal for each that
    has both; `default` where there are no values to compare."""
    pairs = []
    for key, value in tensors.items():
        name = key.removeprefix(f"{side}_embeddings.").removesuffix(f".{part}")
        twin = f"{other_side}_embeddings.{name}.{other}"
        if key == f"{side}_embeddings.{name}.{part}" and twin in tensors:
            pairs.append((value, tensors[twin]))
    if not pairs or any(a.device.type == "meta" for a, _ in pairs):
        return default
    return all(torch.equal(a, b) for a, b in pairs)


def _depth(tensors: Tensors, part: str) -> int:
    return 1 + max(int(k.split(".")[1]) for k in tensors if k.startswith(part))
