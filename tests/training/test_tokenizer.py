"""Tokenizers learn, encode deterministically, and their tokens stand beside the frames."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from engine.store.access import EvalFrames, PretrainFrames
from engine.store.store import Store
from engine.stream.mixture import MixedFrames
from engine.stream.stream import TicketReader
from tests.training.conftest import MODALITIES, ONE_THREAD, World
from tests.training.killing import have_the_same_weights, killed_at
from tests.training.tiny_world import make_store
from tests.training.tokenizer_kit import TokenizerKit
from training.commands import ShowCommand, show_tokenizers
from training.common.checkpoint import STATE, load_tensors
from training.models.modality_transforms import MODALITY_TRANSFORMS
from training.tokenizers import tokenizer as loop
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.token_pictures import compare
from training.tokenizers.tokenize_store import tokenize
from training.tokenizers.tokenizer import TokenizerConfig, train_tokenizer

SMALL = TokenizerConfig(patch=4, codes=16, width=16, depth=1, steps=4, batch=16, runtime=ONE_THREAD)


class OursKit(TokenizerKit):
    modality: str
    config: TokenizerConfig

    @pytest.fixture
    def folder(self, world: World, tmp_path: Path) -> Path:
        train_tokenizer(world.pretrain, self.modality, self.config, tmp_path / "tokenizer")
        return tmp_path / "tokenizer"


class TestVqOfRgb(OursKit):
    modality, config = "rgb", SMALL


class TestFsqOfDepth(OursKit):
    modality, config = "depth", SMALL.model_copy(update={"quantiser": "fsq"})


class TestFsqOfEdges(OursKit):
    modality, config = "edges", SMALL.model_copy(update={"quantiser": "fsq", "levels": (4, 4)})


@pytest.mark.parametrize("modality", MODALITIES)
def test_training_lowers_the_loss_and_uses_the_codes(world: World, modality: str):
    metrics = json.loads((world.tokenizers[modality] / "metrics.json").read_text())
    assert metrics["curve"][-1][1] < 0.6 * metrics["curve"][0][1]
    assert metrics["usage"] > 0.3  # boxes before a wall have few kinds of patches
    assert 1 < metrics["perplexity"] <= 32
    assert np.isfinite(metrics["reconstruction_error"])


@pytest.mark.parametrize("modality", MODALITIES)
def test_tokens_in_the_store_are_what_the_tokenizer_says(world: World, modality: str):
    folder = world.tokenizers[modality]
    name = token_array(folder)
    stored = world.pretrain.read([5, 90, 0], [name])[name]
    images = world.pretrain.read([5, 90, 0], [modality])[modality]
    model = load_tokenizer(folder)
    tokens = model.encode(images)
    assert stored.dtype == np.uint16
    assert stored.shape == (3, 8, 8)
    np.testing.assert_array_equal(stored, tokens.numpy())
    decoded = model.decode(tokens)
    assert decoded.shape == images.shape
    assert decoded.dtype == images.dtype


def test_same_seed_same_tokenizer(world: World, tmp_path):
    for name in ("a", "b"):
        train_tokenizer(world.pretrain, "depth", SMALL, tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (
        tmp_path / "b" / "model.safetensors"
    ).read_bytes()


def test_what_is_measured_was_not_trained_on(world: World, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """96 frames are 6 chunks of 16; a third held out leaves the third and the sixth unseen."""
    seen: set[int] = set()
    decode = TicketReader._decode_one

    def watch(self, ticket, wanted):
        batches = decode(self, ticket, wanted)
        seen.update(np.concatenate([b["id"] for b in batches]).tolist())
        return batches

    monkeypatch.setattr(TicketReader, "_decode_one", watch)
    config = SMALL.model_copy(update={"held_out": 1 / 3, "steps": 12, "check_frames": 8})
    metrics = train_tokenizer(world.pretrain, "edges", config, tmp_path / "third")
    assert seen == set(range(96)) - {*range(32, 48), *range(80, 96)}
    assert metrics["held_out_frames"] == 8
    assert metrics["on_trained"]["codes"] == metrics["codes"] == 16
    none = train_tokenizer(world.pretrain, "edges", SMALL.model_copy(update={"held_out": 0}), tmp_path / "0")
    assert none["held_out_frames"] == 0
    assert none["usage"] == none["on_trained"]["usage"]


def test_several_views_in_proportion_train_one_too(world: World, tmp_path):
    other = PretrainFrames(make_store(tmp_path / "other", pretrain=32, transfer=4, held_out=4))
    metrics = train_tokenizer(MixedFrames([world.pretrain, other], [0.7, 0.3]), "rgb", SMALL, tmp_path / "t")
    assert np.isfinite(metrics["reconstruction_error"])
    labelled = MixedFrames([world.pretrain, world.transfer], [0.5, 0.5])
    with pytest.raises(AssertionError, match="frames without labels only"):
        train_tokenizer(labelled, "rgb", SMALL, tmp_path / "u")


def test_pictures_show_every_modality_and_its_tokenizers(world: World, tmp_path):
    out = tmp_path / "sheet.png"
    folders = tuple(world.tokenizers[m] for m in ("rgb", "depth", "normals", "edges"))
    show_tokenizers(ShowCommand(store=world.store.path, tokenizers=folders, out=out, count=3))
    with Image.open(out) as opened:
        sheet = np.asarray(opened)
    height = sheet.shape[0] // 8  # four modalities, as stored and decoded
    assert sheet.shape[1] > 3 * height
    rows = [sheet[r * height : (r + 1) * height - 4, -3 * height :].astype(int) for r in range(8)]
    for r in range(0, 8, 2):
        # The way back is like its input, and more so than like another modality's.
        assert np.abs(rows[r] - rows[r + 1]).mean() < np.abs(rows[r] - rows[(r + 3) % 8]).mean()
    with Image.open(folders[0] / "pictures.png") as left_by_training:
        assert left_by_training.size[0] > 8 * 96
    with pytest.raises(ValueError, match="nothing to show"):
        compare(world.pretrain, np.arange(2), [])


def test_tokenizing_again_adds_nothing_and_another_tokenizer_has_its_own_array(world: World, tmp_path):
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    first = tokenize(store, "edges", world.tokenizers["edges"], threads=1)
    again = tokenize(Store.open(store.path), "edges", world.tokenizers["edges"], threads=1)
    assert again["array"] == first["array"]
    assert again["samples_per_second"] == 0
    config = TokenizerConfig(patch=4, codes=8, width=16, depth=1, steps=2, batch=16, runtime=ONE_THREAD)
    train_tokenizer(PretrainFrames(store), "edges", config, tmp_path / "other")
    other = tokenize(store, "edges", tmp_path / "other", threads=1)
    assert other["array"] != first["array"]
    assert {first["array"], other["array"]} <= set(PretrainFrames(store).modalities)
    assert not store.verify()
    # Tokens are made of pre-training frames alone.
    assert first["array"] not in EvalFrames(store).modalities


def test_wrong_frames_sizes_and_folders_are_refused(world: World, tmp_path):
    labelled: Any = world.eval
    with pytest.raises(AssertionError, match="frames without labels only"):
        train_tokenizer(labelled, "rgb", TokenizerConfig(), tmp_path)
    with pytest.raises(ValueError, match="do not divide"):
        train_tokenizer(world.pretrain, "rgb", TokenizerConfig(patch=6), tmp_path)
    with pytest.raises(ValueError, match="for edges, not for rgb"):
        tokenize(world.store, "rgb", world.tokenizers["edges"])
    with pytest.raises(ValueError, match="is not there"):
        load_tokenizer(tmp_path / "nothing")


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_image_survives_the_way_through_its_signal(world: World, modality: str):
    """`to_image` of a perfect output is the image: encoding of values and of "nothing hit" both ways."""
    transform = MODALITY_TRANSFORMS[modality]
    images = world.pretrain.read(np.arange(16), [modality])[modality]
    x = transform.to_input(torch.from_numpy(images))
    if modality == "edges":
        y = x * 20 - 10
    elif modality == "rgb":
        y = x
    else:
        y = torch.cat([x[:, :-1], x[:, -1:] * 20 - 10], dim=1)
    back = transform.to_image(y)
    assert back.dtype == images.dtype
    assert np.abs(back.astype(int) - images.astype(int)).max() <= 1
    np.testing.assert_array_equal(back == 0, images == 0)
    assert transform.error(back, images) < 0.5
    assert transform.loss(y, x) < transform.loss(torch.zeros_like(y), x)


def test_errors_by_hand():
    depth = MODALITY_TRANSFORMS["depth"]
    truth = np.array([[[1000, 2000, 0]]], dtype=np.uint16)
    decoded = np.array([[[1000, 1000, 500]]], dtype=np.uint16)
    assert depth.error(decoded, truth) == pytest.approx(np.log(2) / 2)
    edges = MODALITY_TRANSFORMS["edges"]
    assert edges.error(np.array([[[255, 255, 0]]]), np.array([[[255, 0, 255]]])) == pytest.approx(0.5)
    normals = MODALITY_TRANSFORMS["normals"]
    right_angle = np.array([[[[255, 128, 128]]]]), np.array([[[[128, 255, 128]]]])
    assert normals.error(*right_angle) == pytest.approx(90, abs=1)


@pytest.mark.parametrize(("edges", "drawn"), [(22, False), (28, True)])
def test_an_edge_is_drawn_from_a_chance_of_one_in_four(edges: int, drawn: bool):
    """Of the outputs that could stand for a hundred pixels that look alike, the one of least loss."""
    kind = MODALITY_TRANSFORMS["edges"]
    x = (torch.arange(100) < edges).float().view(1, 1, 10, 10)
    outputs = torch.linspace(-4, 4, 801)
    losses = torch.stack([kind.loss(torch.full_like(x, y), x) for y in outputs.tolist()])
    best = torch.full_like(x, outputs[losses.argmin()].item())
    assert (kind.to_image(best) > 0).all() == drawn


@pytest.mark.parametrize("changes", [{"quantiser": "fsq"}, {"codes": 64, "decay": 0.2}])
def test_killed_and_resumed_gives_the_same_bits(world: World, changes: dict[str, Any], tmp_path: Path):
    """Weights, moments, codebook, the generator that revives codes, and which batch comes next; with a decay
    as fast as this, codes die and are revived from one step to the next."""
    config = SMALL.model_copy(update={"steps": 9, "checkpoint_every": 3, **changes})
    whole = train_tokenizer(world.pretrain, "rgb", config, tmp_path / "whole")
    with killed_at(7, loop):
        train_tokenizer(world.pretrain, "rgb", config, tmp_path / "cut")
    held = load_tensors(tmp_path / "cut" / STATE)
    assert held[1]["step"] == 6
    cut = train_tokenizer(world.pretrain, "rgb", config, tmp_path / "cut")
    assert cut["curve"] == whole["curve"]
    assert [step for step, _ in cut["curve"]] == list(range(1, 10))
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")
    assert not (tmp_path / "cut" / STATE).exists()
