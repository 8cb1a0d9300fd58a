"""4M's checkpoints through the name map: all keys, there and back, and a pre-training started from one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from tests.training.conftest import TINY_ENCODER, TINY_PRETRAIN, World
from training.common.checkpoint import save_tensors
from training.fourm.checkpoints import STORE_NAMES, entries, take, to_4m
from training.fourm.load import load_4m, model_of, read_4m, specs_of
from training.models.blocks import initialise
from training.models.encoder import SIZES, EncoderConfig
from training.models.modality import TokenSpec
from training.models.multimodal import DecoderAttention, Multimodal
from training.pretrain.build import build_objective
from training.pretrain.launch import PretrainCommand
from training.pretrain.multimodal.masking import FOURM21
from training.pretrain.pretrain import pretrain
from training.tokenizers.token_crops import WHOLE

GOLDEN = Path(__file__).parents[1] / "golden" / "fourm"


PRESETS = Path(__file__).parents[2] / "training" / "presets"
PRESET = PretrainCommand.model_validate(yaml.safe_load((PRESETS / "adapt-4m21.yaml").read_text())).pretrain


def shapes_of(size: str) -> dict[str, Tensor]:
    """The key list of 4M-21, as tensors without memory."""
    listed = json.loads((GOLDEN / f"keys_4m21_{size}.json").read_text())
    return {k: torch.empty(s, dtype=getattr(torch, d), device="meta") for k, (d, s) in listed.items()}


def random_model(model: Multimodal, seed: int = 0) -> Multimodal:
    generator = torch.Generator().manual_seed(seed)
    initialise(model, generator)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.01 * torch.randn(p.shape, generator=generator))  # nothing is left at 0 or 1
    return model


@pytest.mark.parametrize("size", ["S", "B"])
def test_every_key_of_4m21_is_mapped(size: str):
    theirs = shapes_of(size)
    config = json.loads((GOLDEN / f"hubconfig_4m21_{size}.json").read_text())
    with torch.device("meta"):
        model = model_of(theirs)
        ours = to_4m(model)
    assert {k: (v.dtype, v.shape) for k, v in ours.items()} == {
        k: (v.dtype, v.shape) for k, v in theirs.items()
    }
    assert len(list(entries(model))) == len(theirs)
    mapped = {e.ours for e in entries(model) if e.kind == "weight"}
    assert mapped == {n for n, _ in model.named_parameters()}
    assert [s.name for s in model.specs] == config["domains_in"]
    assert [s.name for s in model.targets] == config["domains_out"]
    encoder = model.encoder.config
    assert (encoder.dim, encoder.depth, len(model.blocks)) == (
        config["dim"],
        config["encoder_depth"],
        config["decoder_depth"],
    )
    assert (encoder.style.heads, encoder.patch) == (config["num_heads"], config["patch_size"])


def round_trip(model: Multimodal, other: Multimodal, folder: Path) -> None:
    save_tensors(folder / "model.safetensors", to_4m(model))
    tensors = read_4m(folder)
    assert list(tensors.keys() ^ {e.theirs for e in entries(model)}) == []
    report = take(other, tensors)
    assert (report.missing, report.reshaped, report.remade, report.extra) == ([], {}, [], [])
    assert len(report.taken) == len(list(model.parameters()))
    state = other.state_dict()
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_a_model_of_all_19_modalities_goes_there_and_back(tmp_path):
    config = TINY_ENCODER.model_copy(update={"patch": 16})
    specs = tuple(replace(s, codes=40 if s.codes else 0, width=24) for s in specs_of(shapes_of("S")))
    models = [random_model(Multimodal(config, 224, specs, 2), seed) for seed in (0, 1)]
    assert not torch.equal(models[0].mask_embedding, models[1].mask_embedding)
    round_trip(models[0], models[1], tmp_path)


@pytest.mark.slow  # 2 GB
def test_a_model_of_full_size_goes_there_and_back(tmp_path):
    model = random_model(model_of(shapes_of("S")))
    round_trip(model, model_of(shapes_of("S")), tmp_path)


def checkpoint(path: Path, **kwargs: Any) -> Multimodal:
    """A file in 4M-21's layout and names, with random weights, for images of 64 pixels."""
    names = (
        "rgb@224",
        "tok_rgb@224",
        "tok_depth@224",
        "tok_normal@224",
        "tok_canny_edge@224",
        "tok_clip@224",
    )
    specs = tuple(TokenSpec(n, n, 16, 0 if n == "rgb@224" else 48, pixels=n == "rgb@224") for n in names)
    model = random_model(Multimodal(TINY_ENCODER.model_copy(update=kwargs), 64, specs, 1))
    save_tensors(path, to_4m(model))
    return model


def test_a_pretraining_starts_from_a_checkpoint_and_says_what_it_took(world: World, tmp_path, capsys):
    source = checkpoint(tmp_path / "4m.safetensors")
    small = {"encoder": TINY_ENCODER, "decoder_depth": 1, "batch": 16}
    small |= {"samples": 32, "tokens": None}
    small |= {"warm_start": str(tmp_path / "4m.safetensors"), "runtime": TINY_PRETRAIN.runtime}
    # RGB has 64 patches of these 80, so its samples are padded, as at full size. The store has no crops.
    masking = PRESET.mm.masking.model_copy(update={"inputs": 80, "targets": 64})
    small["mm"] = PRESET.mm.model_copy(update={"masking": masking, "crops": WHOLE})
    config = PRESET.model_copy(update=small)
    metrics = pretrain(config, world.pretrain, world.tokenizers, tmp_path / "run")
    said = metrics["warm_start"]
    assert "tensors taken" in capsys.readouterr().out
    # All of the trunk, and the vectors of the four modalities. Not the vocabularies: ours are our own.
    parts = ("encoder.", "blocks.", "norm.", "context.")
    trunk = {n for n, _ in source.named_parameters() if n.startswith(parts)}
    assert trunk | {"encoder.patches.weight", "mask_embedding", "modality_embedding.depth"} <= set(
        said["taken"]
    )
    assert {f"tables.{m}.weight" for m in ("depth", "normals", "edges")} <= said["reshaped"].keys()
    assert {f"heads.{m}.weight" for m in STORE_NAMES} <= said["reshaped"].keys()
    assert said["missing"] == []
    assert said["remade"] == list(STORE_NAMES)
    assert "encoder_embeddings.tok_clip@224.token_emb.weight" in said["extra"]
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["warm_start"] == said


def test_the_preset_is_of_size_b_and_masks_as_4m21_does():
    assert PRESET.encoder.model_copy(update={"pixels": "plain"}) == SIZES["B"].encoder
    assert PRESET.decoder_depth == SIZES["B"].decoder_depth
    assert PRESET.mm.masking.mixture == FOURM21


def test_what_was_taken_is_in_the_model(world: World, tmp_path):
    source = checkpoint(tmp_path / "4m.safetensors")
    model = build_objective(TINY_PRETRAIN, world.pretrain, world.tokenizers).model
    assert isinstance(model, Multimodal)
    report = take(model, read_4m(tmp_path / "4m.safetensors"), STORE_NAMES)
    ours, theirs = dict(model.named_parameters()), dict(source.named_parameters())
    for name in report.taken:
        there = name.replace("normals", "tok_normal@224").replace("edges", "tok_canny_edge@224")
        there = there.replace("embedding.rgb", "embedding.tok_rgb@224").replace("depth", "tok_depth@224")
        assert torch.equal(ours[name], theirs[there]), name


def test_what_does_not_fit_is_said(world: World, tmp_path):
    model = build_objective(TINY_PRETRAIN, world.pretrain, world.tokenizers).model
    assert isinstance(model, Multimodal)
    checkpoint(tmp_path / "wide.safetensors", dim=128)
    with pytest.raises(ValueError, match=r"set encoder\.dim"):
        take(model, read_4m(tmp_path / "wide.safetensors"), STORE_NAMES)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    for fields, named in (
        ({"bias": True}, r"encoder\.0\.attn\.proj\.bias \(no place here\)"),
        ({"bias": True}, r"encoder_norm\.bias \(a bias"),
        ({"qk_norm": True}, r"decoder\.0\.cross_attn\.k_norm\.weight \(no place here\)"),
        ({"registers": 2}, r"register_tokens \(no place here\)"),
        ({"depth": 3}, r"encoder\.2\.attn\.qkv\.weight \(no place here\)"),
    ):
        checkpoint(tmp_path / "other.safetensors", **fields)
        with pytest.raises(ValueError, match=named):
            take(model, read_4m(tmp_path / "other.safetensors"), STORE_NAMES)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()), "it was left as it was"
    with pytest.raises(ValueError, match="no file and no folder"):
        read_4m(tmp_path / "nothing")
    config = TINY_PRETRAIN.model_copy(
        update={"objective": "mae", "warm_start": str(tmp_path / "wide.safetensors")}
    )
    with pytest.raises(ValueError, match="take mm"):
        pretrain(config, world.pretrain, {}, tmp_path / "run")


def variant(**fields: Any) -> Multimodal:
    """A small model of all kinds of modalities: a grid that is not square, a learned place, sequences."""
    specs = (
        TokenSpec("rgb@64", "rgb@64", 4, pixels=True),
        TokenSpec("tok_wide", "tok_wide", (2, 4), 20),
        TokenSpec("caption", "caption", 512, 30, kind="sequence"),
        TokenSpec("tok_global", "tok_global", 4, 10, learned=True),
        TokenSpec("t5", "t5", 512, kind="vectors", width=24),
    )
    of_encoder = {k: fields.pop(k) for k in ("qk_norm", "registers", "heads", "mlp", "bias") if k in fields}
    config = EncoderConfig(dim=64, depth=2, patch=16, pixels="imagenet", **of_encoder)
    return random_model(Multimodal(config, 64, specs, 2, **fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"qk_norm": True, "registers": 3, "heads": 4},
        {"shared": False},
        {"tied": True, "mlp": "gelu", "bias": True, "qk_norm": True},
        {"decoder_attention": DecoderAttention(separate=False)},
        {"decoder_attention": DecoderAttention(causal=True), "heads": 2},
        {"decoder_attention": DecoderAttention(separate=False, causal=True), "registers": 1},
    ],
    ids=str,
)
def test_a_variant_is_loaded_as_what_it_is_from_its_folder(tmp_path, capsys, fields: dict[str, Any]):
    model = variant(**fields)
    save_tensors(tmp_path / "model.safetensors", to_4m(model))
    encoder, (separate, causal) = model.encoder.config, model.decoder_attention
    said = {"num_heads": encoder.style.heads, "gated_mlp": encoder.mlp == "swiglu"}
    said |= {"domains_in": [s.name for s in model.specs], "domains_out": [s.name for s in model.targets]}
    (tmp_path / "config.json").write_text(
        json.dumps(said | {"decoder_sep_mask": separate, "decoder_causal_mask": causal})
    )
    loaded = load_4m(tmp_path)
    assert capsys.readouterr().out == ""
    assert (loaded.specs, loaded.tied, loaded.shared) == (model.specs, model.tied, model.shared)
    assert loaded.encoder.config.style == encoder.style
    assert loaded.decoder_attention == model.decoder_attention
    state = loaded.state_dict()
    assert state.keys() == model.state_dict().keys()
    assert all(torch.equal(v, state[k]) for k, v in model.state_dict().items())


def test_without_a_config_a_line_says_what_is_assumed_and_arguments_go_first(tmp_path, capsys):
    save_tensors(tmp_path / "model.safetensors", to_4m(variant()))
    model = load_4m(tmp_path, causal=True)
    assert model.decoder_attention == DecoderAttention(separate=True, causal=True)
    said = capsys.readouterr().out
    assert said.count("\n") == 1
    assert "heads of 64 channels, decoder_sep_mask true and decoder_causal_mask true" in said
    assert load_4m(tmp_path, heads=4, separate=False, causal=True).encoder.config.heads == 4
    assert capsys.readouterr().out == "", "nothing is assumed"
    (tmp_path / "config.json").write_text('{"gated_mlp": true, "act_layer": "ReLU"}')
    with pytest.raises(ValueError, match="act_layer ReLU"):
        load_4m(tmp_path)


def test_a_tensor_that_no_model_here_has_is_an_error_that_names_it(tmp_path):
    tensors = to_4m(variant())
    for name in ("encoder.0.attn.gate.weight", "encoder_embeddings.caption.scale", "logit_scale"):
        save_tensors(tmp_path / "model.safetensors", tensors | {name: torch.ones(3)})
        with pytest.raises(ValueError, match=rf"1 tensors .*: {name} \(no place here\)"):
            load_4m(tmp_path)
    save_tensors(
        tmp_path / "model.safetensors", {k: v for k, v in tensors.items() if k != "decoder.1.mlp.fc2.weight"}
    )
    with pytest.raises(ValueError, match=r"blocks\.1\.mlp\.out\.weight"):
        load_4m(tmp_path)


def test_a_start_from_another_decoder_is_refused(world: World, tmp_path):
    checkpoint(tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text('{"gated_mlp": true, "decoder_causal_mask": true}')
    objective = build_objective(TINY_PRETRAIN, world.pretrain, world.tokenizers)
    with pytest.raises(ValueError, match="causal: True there, False here"):
        objective.load_4m(str(tmp_path))
