"""4M's checkpoints by a name map: every key of theirs with the tensor of ours that it is.

    from training.fourm.checkpoints import model_of, read_4m, take
    tensors = read_4m("EPFL-VILAB/4M-21_B")          # or a file, or a folder with model.safetensors
    report = take(model_of(tensors), tensors)

Fixed positions are made anew, so a checkpoint serves images of another size. Two kinds of keys hold nothing
that 4M's forward pass (arXiv:2312.06647, 2406.09406) uses: the biases of norms that have none, zeros, and
tables of grid tokens in the decoder where heads are not tied to them. They are written (zeros, and a copy of
the head), so that 4M's own code can load what comes from here, and never read."""

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from safetensors import SafetensorError  # pyright: ignore[reportPrivateImportUsage]
from torch import Tensor

from training.common.checkpoint import load_tensors
from training.models.encoder import EncoderConfig
from training.models.modality import SEQUENCE_PLACES, TokenSpec
from training.models.multimodal import Multimodal

Names = Mapping[str, tuple[str, str]]
"""4M's names, as (input, target), of our modalities; one that is missing is called as we call it."""

AS_HERE: Names = MappingProxyType({})

STORE_NAMES: dict[str, tuple[str, str]] = {
    "rgb": ("rgb@224", "tok_rgb@224"),
    "depth": ("tok_depth@224", "tok_depth@224"),
    "normals": ("tok_normal@224", "tok_normal@224"),
    "edges": ("tok_canny_edge@224", "tok_canny_edge@224"),
}
"""What 4M-21 calls the modalities of a store."""

SQUARE: Mapping[str, tuple[int, int]] = MappingProxyType({})

_ATTENTION = {"qkv": "qkv", "out": "proj"}
_CROSS = {"q": "q", "kv": "kv", "out": "proj"}
_MLPS = {True: {"gate": "fc1", "out": "fc2", "value": "fc3"}, False: {"up": "fc1", "out": "fc2"}}


class Entry(NamedTuple):
    """A key of theirs. `ours`: the parameter it is, or of whose shape it is; of positions, the modality."""

    theirs: str
    ours: str
    kind: Literal["weight", "positions", "zeros", "unused"] = "weight"


def entries(model: Multimodal, names: Names = AS_HERE) -> Iterator[Entry]:
    """All keys of a 4M checkpoint of the shape of `model`. Raises ValueError for one with registers, which
    4M-21 has not."""
    if model.encoder.config.registers:
        raise ValueError("4M-21's checkpoints know no registers: set encoder.registers to 0")
    yield Entry("mask_token", "mask_embedding")
    for spec in model.specs:
        name = names.get(spec.name, (spec.name, spec.name))[0]
        base = f"encoder_embeddings.{name}"
        vector = "encoder.rgb_embedding" if spec.pixels else f"modality_embedding.{spec.name}"
        yield Entry(f"{base}.mod_emb", vector)
        if spec.learned:
            yield Entry(f"{base}.pos_emb", f"input_place_embedding.{spec.name}")
        else:
            yield Entry(f"{base}.pos_emb", spec.name, "positions")
        if spec.pixels:
            yield Entry(f"{base}.proj.weight", "encoder.patches.weight")
        elif spec.kind == "vectors":
            for part in ("weight", "bias"):
                yield Entry(f"{base}.emb_proj.{part}", f"tables.{spec.name}.{part}")
        else:
            yield Entry(f"{base}.token_emb.weight", f"tables.{spec.name}.weight")
    for spec in model.targets:
        base = f"decoder_embeddings.{names.get(spec.name, (spec.name, spec.name))[1]}"
        yield Entry(f"{base}.mod_emb", f"modality_embedding.{spec.name}")
        if spec.learned:
            yield Entry(f"{base}.pos_emb", f"target_place_embedding.{spec.name}")
        else:
            yield Entry(f"{base}.pos_emb", spec.name, "positions")
        head = f"heads.{spec.name}.weight"
        if model.tied or spec.kind != "sequence":
            yield Entry(f"{base}.token_emb.weight", head, "weight" if model.tied else "unused")
        else:
            yield Entry(f"{base}.token_emb.weight", f"shown_tables.{spec.name}.weight")
        yield Entry(f"{base}.to_logits.weight", head)
    style = model.encoder.config.style
    mlp = {f"mlp.{k}": f"mlp.{v}" for k, v in _MLPS[style.gated].items()}
    attention = {f"attention.{k}": f"attn.{v}" for k, v in _ATTENTION.items()}
    cross = {f"cross.{k}": f"cross_attn.{v}" for k, v in _CROSS.items()}
    own = {k: f"self_{v}" for k, v in attention.items()}
    for i in range(len(model.encoder.blocks)):
        yield from _linears(f"encoder.{i}", f"encoder.blocks.{i}", attention | mlp, style.bias)
        yield from _norms(f"encoder.{i}", f"encoder.blocks.{i}", ("norm1", "norm2"), style.bias)
    for i in range(len(model.blocks)):
        yield from _linears(f"decoder.{i}", f"blocks.{i}", own | cross | mlp, style.bias)
        norms = ("norm1", "query_norm", "context_norm", "norm2")
        yield from _norms(f"decoder.{i}", f"blocks.{i}", norms, style.bias)
    for part in ("weight", "bias"):
        yield Entry(f"decoder_proj_context.{part}", f"context.{part}")
    yield from _norm("encoder_norm", "encoder.norm", style.bias)
    yield from _norm("decoder_norm", "norm", style.bias)


def _linears(theirs: str, ours: str, parts: dict[str, str], bias: bool) -> Iterator[Entry]:
    for mine, yours in parts.items():
        for kind in ("weight", "bias") if bias else ("weight",):
            yield Entry(f"{theirs}.{yours}.{kind}", f"{ours}.{mine}.{kind}")


def _norms(theirs: str, ours: str, parts: tuple[str, ...], bias: bool) -> Iterator[Entry]:
    for part in parts:
        yield from _norm(f"{theirs}.{part}", f"{ours}.{part}", bias)


def _norm(theirs: str, ours: str, bias: bool) -> Iterator[Entry]:
    yield Entry(f"{theirs}.weight", f"{ours}.weight")
    if bias:
        yield Entry(f"{theirs}.bias", f"{ours}.bias")
    else:
        yield Entry(f"{theirs}.bias", f"{ours}.weight", "zeros")


def to_4m(model: Multimodal, names: Names = AS_HERE) -> dict[str, Tensor]:
    """All tensors of `model` under 4M's keys, in 4M's shapes."""
    state, positions = dict(model.named_parameters()), _positions(model)
    tensors = {}
    for entry in entries(model, names):
        value = positions[entry.ours] if entry.kind == "positions" else state[entry.ours].detach()
        if entry.theirs.endswith(("mod_emb", "mask_token")):
            value = value[None, None]
        elif entry.theirs.endswith("pos_emb"):
            value = value[None]
        tensors[entry.theirs] = torch.zeros_like(value) if entry.kind == "zeros" else value.clone()
    return tensors


@dataclass
class Report:
    """What came of a checkpoint; all but `extra` name tensors and modalities of ours."""

    taken: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Not in the file: as they were."""
    reshaped: dict[str, str] = field(default_factory=dict)
    """Of another shape in the file, or of values that ours has no place for: as they were."""
    remade: list[str] = field(default_factory=list)
    """Modalities whose positions were made for another size than the file's."""
    extra: list[str] = field(default_factory=list)
    """In the file and nowhere here."""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{len(self.taken)} tensors taken"]
        for what, listed in (
            ("not in the checkpoint, fresh", self.missing),
            ("of another shape, fresh", [f"{k} ({v})" for k, v in self.reshaped.items()]),
            ("positions made anew", self.remade),
            ("in the checkpoint, not used", self.extra),
        ):
            if listed:
                lines.append(f"{len(listed)} {what}: {', '.join(listed)}")
        return "\n".join(lines)


def take(model: Multimodal, tensors: Mapping[str, Tensor], names: Names = AS_HERE) -> Report:
    """Put what fits of a 4M checkpoint into `model`, and say what was taken and what was not.

    Raises ValueError when nothing of the checkpoint's blocks fits: it is then of another size."""
    report, used = Report(), set()
    state, positions = dict(model.named_parameters()), _positions(model)
    taken: set[str] = set()
    for entry in entries(model, names):
        if entry.theirs not in tensors:
            continue
        used.add(entry.theirs)
        value = tensors[entry.theirs]
        if entry.kind == "positions":
            same = value[0].shape == positions[entry.ours].shape
            if not (same and torch.allclose(value[0].float(), positions[entry.ours], atol=1e-4)):
                report.remade.append(entry.ours)
            continue
        if entry.kind == "zeros":
            if value.any():
                report.reshaped[entry.theirs] = "a bias, which norms here have not: encoder.bias"
            continue
        if entry.kind == "unused":
            continue
        target = state[entry.ours]
        if value.dim() > target.dim():  # theirs have axes of length 1 in front
            value = value.reshape(value.shape[value.dim() - target.dim() :])
        if value.shape != target.shape:
            report.reshaped[entry.ours] = f"{list(value.shape)} there, {list(target.shape)} here"
        elif entry.ours in taken:
            if not torch.equal(value, target.detach().to(value.dtype)):
                report.reshaped[entry.theirs] = f"differs from what {entry.ours} was taken from"
        else:
            with torch.no_grad():
                target.copy_(value)
            taken.add(entry.ours)
    if not any(".blocks." in name or name.startswith("blocks.") for name in taken):
        raise ValueError(
            "no block of the checkpoint fits: set encoder.dim, encoder.depth, encoder.mlp and decoder_depth "
            f"to its own ({', '.join(report.reshaped) or 'no key of 4M found'})"
        )
    report.taken = [name for name in state if name in taken]
    report.missing = [name for name in state if name not in taken and name not in report.reshaped]
    report.remade = list(dict.fromkeys(report.remade))
    report.extra = [k for k in tensors if k not in used]
    return report


def _positions(model: Multimodal) -> dict[str, Tensor]:
    parts = model.positions.split([s.slots for s in model.specs])
    return {s.name: part for s, part in zip(model.specs, parts, strict=True)}


def read_4m(source: str | Path) -> dict[str, Tensor]:
    """Tensors of a checkpoint: a safetensors file, a folder with model.safetensors, or a hub id (which needs
    the package huggingface_hub and a network). Raises ValueError when it is none of these, or damaged."""
    path = Path(source)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.exists():
        try:
            hub = importlib.import_module("huggingface_hub")
        except ImportError as missing:
            raise ValueError(
                f"{source} is no file and no folder here; for a hub id, pip install huggingface_hub"
            ) from missing
        path = Path(hub.hf_hub_download(str(source), "model.safetensors"))
    try:
        return load_tensors(path)[0]
    except SafetensorError as error:
        raise ValueError(
            f"{path} is damaged or no safetensors file ({error}): download it again, whole"
        ) from error


def specs_of(
    tensors: Mapping[str, Tensor], grids: Mapping[str, tuple[int, int]] = SQUARE
) -> tuple[TokenSpec, ...]:
    """The modalities of a checkpoint, by its keys and shapes. `grids`: shapes of those that are not square.

    Positions are taken to be learned where the name says that the token is of the whole image, "_global"."""
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
        places = tensors[f"{side}_embeddings.{name}.pos_emb"].shape[1]
        grid = grids.get(name, round(places**0.5))
        learned = name.endswith("_global")
        if part == "emb_proj.weight":
            spec = TokenSpec(name, name, places, kind="vectors", width=table.shape[1])
        elif part == "proj.weight":
            spec = TokenSpec(name, name, grid, pixels=True)
        elif places == SEQUENCE_PLACES:
            spec = TokenSpec(name, name, places, table.shape[0], kind="sequence")
        else:
            spec = TokenSpec(name, name, grid, table.shape[0], learned=learned)
        specs.setdefault(name, spec)
    return tuple(specs.values())


def model_of(
    tensors: Mapping[str, Tensor], heads: int = 0, grids: Mapping[str, tuple[int, int]] = SQUARE
) -> Multimodal:
    """An uninitialised model of the shape of a checkpoint; `heads`: 0 for heads of 64 channels."""
    specs = specs_of(tensors, grids)
    (rgb,) = (s for s in specs if s.pixels)
    weight = tensors[f"encoder_embeddings.{rgb.name}.proj.weight"]
    depth, decoder_depth = (_depth(tensors, part) for part in ("encoder.", "decoder."))
    config = EncoderConfig(
        dim=weight.shape[0],
        depth=depth,
        patch=round((weight.shape[1] // 3) ** 0.5),
        heads=heads,
        mlp="swiglu" if "encoder.0.mlp.fc3.weight" in tensors else "gelu",
        bias="encoder.0.attn.qkv.bias" in tensors,
        pixels="imagenet",
    )
    # Tied heads are one tensor; both keys then hold it.
    shown = next(s for s in specs if s.predicted)
    base = f"decoder_embeddings.{shown.name}"
    both = (tensors[f"{base}.token_emb.weight"], tensors[f"{base}.to_logits.weight"])
    tied = both[0].device.type != "meta" and torch.equal(*both)
    return Multimodal(config, rgb.shape[0] * config.patch, specs, decoder_depth, tied)


def _depth(tensors: Mapping[str, Tensor], part: str) -> int:
    return 1 + max(int(k.split(".")[1]) for k in tensors if k.startswith(part))
