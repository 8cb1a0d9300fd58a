"""4M's checkpoints by a name map: every key of theirs with the tensor of ours that it is.

    from training.fourm.load import load_4m
    model = load_4m("EPFL-VILAB/4M-21_B")            # or a file, or a folder with model.safetensors

Fixed positions are made anew, so a checkpoint serves images of another size. Two kinds of keys hold nothing
that 4M's forward pass (arXiv:2312.06647, 2406.09406) uses: the biases of norms that have none, zeros, and
tables of grid tokens in the decoder where heads are not tied to them. They are written (zeros, and a copy of
the head), so that 4M's own code can load what comes from here, and never read."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from training.models.multimodal import Multimodal

Tensors = Mapping[str, Shaped[Tensor, "..."]]
"""Tensors of a checkpoint by 4M's names."""

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

_EMBEDDINGS = ("encoder_embeddings.", "decoder_embeddings.")
_SHOWN = 30  # tensors that an error names
_ATTENTION = {"qkv": "qkv", "out": "proj"}
_CROSS = {"q": "q", "kv": "kv", "out": "proj"}
_MLPS = {True: {"gate": "fc1", "out": "fc2", "value": "fc3"}, False: {"up": "fc1", "out": "fc2"}}


class Entry(NamedTuple):
    """A key of theirs. `ours`: the parameter it is, or of whose shape it is; of positions, the modality."""

    theirs: str
    ours: str
    kind: Literal["weight", "positions", "zeros", "unused"] = "weight"


def entries(model: Multimodal, names: Names = AS_HERE) -> Iterator[Entry]:
    """All keys of a 4M checkpoint of the shape of `model`."""
    yield Entry("mask_token", "mask_embedding")
    if model.encoder.config.registers:
        yield Entry("register_tokens", "encoder.register_embedding")
    yield from _encoder_embeddings(model, names)
    yield from _decoder_embeddings(model, names)
    style = model.encoder.config.style
    mlp = {f"mlp.{k}": f"mlp.{v}" for k, v in _MLPS[style.gated].items()}
    attention = {f"attention.{k}": f"attn.{v}" for k, v in _ATTENTION.items()}
    cross = {f"cross.{k}": f"cross_attn.{v}" for k, v in _CROSS.items()}
    own = {k: f"self_{v}" for k, v in attention.items()}
    norms = {"norm1": "norm1", "norm2": "norm2"}
    on_context = {"query_norm": "query_norm", "context_norm": "context_norm"}
    for i in range(len(model.encoder.blocks)):
        qk = _qk_norms({"attention": "attn"}) if style.qk_norm else {}
        yield from _linears(f"encoder.{i}", f"encoder.blocks.{i}", attention | mlp, style.bias)
        yield from _norms(f"encoder.{i}", f"encoder.blocks.{i}", norms | qk, style.bias)
    for i in range(len(model.blocks)):
        qk = _qk_norms({"attention": "self_attn", "cross": "cross_attn"}) if style.qk_norm else {}
        yield from _linears(f"decoder.{i}", f"blocks.{i}", own | cross | mlp, style.bias)
        yield from _norms(f"decoder.{i}", f"blocks.{i}", norms | on_context | qk, style.bias)
    for part in ("weight", "bias"):
        yield Entry(f"decoder_proj_context.{part}", f"context.{part}")
    yield from _norm("encoder_norm", "encoder.norm", style.bias)
    yield from _norm("decoder_norm", "norm", style.bias)


def _encoder_embeddings(model: Multimodal, names: Names) -> Iterator[Entry]:
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


def _decoder_embeddings(model: Multimodal, names: Names) -> Iterator[Entry]:
    vectors = "modality_embedding" if model.shared else "target_modality_embedding"
    for spec in model.targets:
        base = f"decoder_embeddings.{names.get(spec.name, (spec.name, spec.name))[1]}"
        yield Entry(f"{base}.mod_emb", f"{vectors}.{spec.name}")
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


def _qk_norms(attentions: dict[str, str]) -> dict[str, str]:
    return {f"{k}.{part}": f"{v}.{part}" for k, v in attentions.items() for part in ("q_norm", "k_norm")}


def _linears(theirs: str, ours: str, parts: dict[str, str], bias: bool) -> Iterator[Entry]:
    for mine, yours in parts.items():
        for kind in ("weight", "bias") if bias else ("weight",):
            yield Entry(f"{theirs}.{yours}.{kind}", f"{ours}.{mine}.{kind}")


def _norms(theirs: str, ours: str, parts: dict[str, str], bias: bool) -> Iterator[Entry]:
    for mine, yours in parts.items():
        yield from _norm(f"{theirs}.{yours}", f"{ours}.{mine}", bias)


def _norm(theirs: str, ours: str, bias: bool) -> Iterator[Entry]:
    yield Entry(f"{theirs}.weight", f"{ours}.weight")
    if bias:
        yield Entry(f"{theirs}.bias", f"{ours}.bias")
    else:
        yield Entry(f"{theirs}.bias", f"{ours}.weight", "zeros")


def to_4m(model: Multimodal, names: Names = AS_HERE) -> dict[str, Shaped[Tensor, "..."]]:
    """All tensors of `model` under 4M's keys, in 4M's shapes."""
    state, positions = dict(model.named_parameters()), _positions(model)
    tensors = {}
    for entry in entries(model, names):
        value = positions[entry.ours] if entry.kind == "positions" else state[entry.ours].detach()
        if entry.theirs.endswith(("mod_emb", "mask_token")):
            value = value[None, None]
        elif entry.theirs.endswith(("pos_emb", "register_tokens")):
            value = value[None]
        tensors[entry.theirs] = torch.zeros_like(value) if entry.kind == "zeros" else value.clone()
    return tensors


@dataclass
class Report:
    """What came of a checkpoint. `taken`, `missing`, `reshaped` and `remade` name tensors and modalities of
    ours."""

    taken: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """Not in the file: as they were."""
    reshaped: dict[str, str] = field(default_factory=dict)
    """Tables and heads of another vocabulary in the file: as they were."""
    remade: list[str] = field(default_factory=list)
    """Modalities whose positions were made for another size than the file's."""
    extra: list[str] = field(default_factory=list)
    """Tensors of the file that are of modalities which the model has not."""

    def as_dict(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{len(self.taken)} tensors taken"]
        for what, listed in (
            ("not in the checkpoint, fresh", self.missing),
            ("of another shape, fresh", [f"{k} ({v})" for k, v in self.reshaped.items()]),
            ("positions made anew", self.remade),
            ("of other modalities, not used", self.extra),
        ):
            if listed:
                lines.append(f"{len(listed)} {what}: {', '.join(listed)}")
        return "\n".join(lines)


def take(model: Multimodal, tensors: Tensors, names: Names = AS_HERE) -> Report:
    """Put what fits of a 4M checkpoint into `model`, and say what was taken and what was not.

    The model may have other modalities, vocabularies and patches than the checkpoint: what depends on these
    is in the report. For anything else that the checkpoint holds and the model has no place for, raises
    ValueError with the tensors' names, and leaves the model as it was: it would compute something else."""
    report, used, misfits = Report(), set[str](), dict[str, str]()
    state, positions = dict(model.named_parameters()), _positions(model)
    fitting: dict[str, Tensor] = {}
    for entry in entries(model, names):
        if entry.theirs not in tensors:
            continue
        used.add(entry.theirs)
        value = tensors[entry.theirs]
        if entry.kind == "positions":
            same = value[0].shape == positions[entry.ours].shape
            if not (same and torch.allclose(value[0].float(), positions[entry.ours], atol=1e-4)):
                report.remade.append(entry.ours)
        elif entry.kind == "zeros" and value.any():
            misfits[entry.theirs] = "a bias, which norms here have with encoder.bias only"
        elif entry.kind == "weight":
            shape = state[entry.ours].shape
            if value.dim() > len(shape):  # theirs have axes of length 1 in front
                value = value.reshape(value.shape[value.dim() - len(shape) :])
            if value.shape != shape:
                found = f"{list(value.shape)} there, {list(shape)} here"
                if entry.theirs.startswith(_EMBEDDINGS):
                    report.reshaped[entry.ours] = found
                else:
                    misfits[entry.theirs] = found
            elif not torch.equal(fitting.setdefault(entry.ours, value), value):
                misfits[entry.theirs] = f"differs from what {entry.ours} is taken from"
    embedded = {_embedding_of(key) for key in used}
    for key in sorted(tensors.keys() - used):
        if key.startswith(_EMBEDDINGS) and _embedding_of(key) not in embedded:
            report.extra.append(key)
        else:
            misfits[key] = "no place here"
    _check(used, misfits)
    with torch.no_grad():
        for name, value in fitting.items():
            state[name].copy_(value)
    report.taken = [name for name in state if name in fitting]
    report.missing = [name for name in state if name not in fitting and name not in report.reshaped]
    report.remade = list(dict.fromkeys(report.remade))
    return report


def _embedding_of(key: str) -> str:
    """The module of an embedding's tensor: encoder_embeddings.caption of
    encoder_embeddings.caption.token_emb.weight."""
    side, name, *_ = f"{key}..".split(".")
    return f"{side}.{name}"


def _check(used: set[str], misfits: dict[str, str]) -> None:
    if not used:
        raise ValueError("no tensor has a name that 4M's checkpoints have")
    if misfits:
        first = ", ".join(f"{key} ({why})" for key, why in list(misfits.items())[:_SHOWN])
        more = f" and {len(misfits) - _SHOWN} more" if len(misfits) > _SHOWN else ""
        raise ValueError(
            f"the model has no place for {len(misfits)} tensors of the checkpoint (to start a pre-training "
            "from it, set encoder.dim, encoder.depth, encoder.mlp, encoder.bias, encoder.qk_norm, "
            f"encoder.registers and decoder_depth to its own): {first}{more}"
        )


def _positions(model: Multimodal) -> dict[str, Float[Tensor, "_n d"]]:
    parts = model.positions.split([s.slots for s in model.specs])
    return {s.name: part for s, part in zip(model.specs, parts, strict=True)}
