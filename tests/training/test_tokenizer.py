"""Tokenizers learn, encode deterministically, and their tokens stand beside the frames."""

import json

import numpy as np
import pytest
import torch

from engine.access import EvalFrames, PretrainFrames
from engine.store import Store
from tests.training.conftest import MODALITIES, World
from tests.training.tiny_world import make_store
from training.signals import SIGNALS
from training.tokenize_store import tokenize
from training.tokenizer import TokenizerConfig, load_tokenizer, token_array, train_tokenizer


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
    config = TokenizerConfig(patch=4, codes=16, width=16, depth=1, steps=4, batch=16, threads=1, device="cpu")
    for name in ("a", "b"):
        train_tokenizer(world.pretrain, "depth", config, tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (
        tmp_path / "b" / "model.safetensors"
    ).read_bytes()


def test_tokenizing_again_adds_nothing_and_another_tokenizer_has_its_own_array(world: World, tmp_path):
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    first = tokenize(store, "edges", world.tokenizers["edges"], threads=1)
    again = tokenize(Store.open(store.path), "edges", world.tokenizers["edges"], threads=1)
    assert again["array"] == first["array"]
    assert again["samples_per_second"] == 0
    config = TokenizerConfig(patch=4, codes=8, width=16, depth=1, steps=2, batch=16, threads=1)
    train_tokenizer(PretrainFrames(store), "edges", config, tmp_path / "other")
    other = tokenize(store, "edges", tmp_path / "other", threads=1)
    assert other["array"] != first["array"]
    assert {first["array"], other["array"]} <= set(PretrainFrames(store).modalities)
    assert not store.verify()
    # Tokens are made of pre-training frames alone.
    assert first["array"] not in EvalFrames(store).modalities


def test_wrong_frames_sizes_and_folders_are_refused(world: World, tmp_path):
    with pytest.raises(AssertionError, match="pre-training frames only"):
        train_tokenizer(world.eval, "rgb", TokenizerConfig(), tmp_path)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="do not divide"):
        train_tokenizer(world.pretrain, "rgb", TokenizerConfig(patch=6), tmp_path)
    with pytest.raises(ValueError, match="for edges, not for rgb"):
        tokenize(world.store, "rgb", world.tokenizers["edges"])
    with pytest.raises(ValueError, match="is not there"):
        load_tokenizer(tmp_path / "nothing")


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_image_survives_the_way_through_its_signal(world: World, modality: str):
    """`to_image` of a perfect output is the image: encoding of values and of "nothing hit" both ways."""
    signal = SIGNALS[modality]
    images = world.pretrain.read(np.arange(16), [modality])[modality]
    x = signal.to_input(torch.from_numpy(images))
    if modality == "edges":
        y = x * 20 - 10
    elif modality == "rgb":
        y = x
    else:
        y = torch.cat([x[:, :-1], x[:, -1:] * 20 - 10], dim=1)
    back = signal.to_image(y)
    assert back.dtype == images.dtype
    assert np.abs(back.astype(int) - images.astype(int)).max() <= 1
    np.testing.assert_array_equal(back == 0, images == 0)
    assert signal.error(back, images) < 0.5
    assert signal.loss(y, x) < signal.loss(torch.zeros_like(y), x)


def test_errors_by_hand():
    depth = SIGNALS["depth"]
    truth = np.array([[[1000, 2000, 0]]], dtype=np.uint16)
    decoded = np.array([[[1000, 1000, 500]]], dtype=np.uint16)
    assert depth.error(decoded, truth) == pytest.approx(np.log(2) / 2)
    edges = SIGNALS["edges"]
    assert edges.error(np.array([[[255, 255, 0]]]), np.array([[[255, 0, 255]]])) == pytest.approx(0.5)
    normals = SIGNALS["normals"]
    right_angle = np.array([[[[255, 128, 128]]]]), np.array([[[[128, 255, 128]]]])
    assert normals.error(*right_angle) == pytest.approx(90, abs=1)
