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
from training.fourm.checkpoints import STORE_NAMES, entries, model_of, read_4m, specs_of, take, to_4m
from training.models.blocks import initialise
from training.models.encoder import SIZES
from training.models.modality import TokenSpec
from training.models.multimodal import Multimodal
from training.pretrain.build import build_objective
from training.pretrain.launch import PretrainCommand
from training.pretrain.multimodal.masking import FOURM21
from training.pretrain.pretrain import pretrain

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
    small = {"encoder": TINY_ENCODER, "decoder_depth": 1, "samples": 32, "batch": 16, "threads": 1}
    small |= {"warm_start": str(tmp_path / "4m.safetensors"), "device": "cpu"}
    # RGB has 64 patches of these 80, so its samples are padded, as at full size.
    small["mm"] = PRESET.mm.model_copy(
        update={"masking": PRESET.mm.masking.model_copy(update={"inputs": 80, "targets": 64})}
    )
    config = PRESET.model_copy(update=small)
    metrics = pretrain(config, world.pretrain, world.tokenizers, tmp_path / "run")
    said = metrics["start"]
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
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())["start"] == said


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
    checkpoint(tmp_path / "bias.safetensors", bias=True)
    report = take(model, read_4m(tmp_path / "bias.safetensors"), STORE_NAMES)
    assert "encoder_norm.bias" in report.reshaped
    assert "encoder.0.attn.qkv.bias" in report.extra
    with pytest.raises(ValueError, match="no file and no folder"):
        read_4m(tmp_path / "nothing")
    config = TINY_PRETRAIN.model_copy(
        update={"objective": "mae", "warm_start": str(tmp_path / "bias.safetensors")}
    )
    with pytest.raises(ValueError, match="take mm"):
        pretrain(config, world.pretrain, {}, tmp_path / "run")
