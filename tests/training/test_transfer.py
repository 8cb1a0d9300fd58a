"""Transfer and evaluation on a tiny store: learning, resuming, what is refused, what comes out."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from engine.access import TransferFrames
from engine.errors import LeakError
from tests.training.conftest import TINY_ENCODER, TINY_PRETRAIN, TINY_TRANSFER, World
from training import transfer as loop
from training.encoder import EncoderConfig
from training.evaluate import EvaluateConfig, evaluate
from training.metrics import VOID
from training.pretrain import pretrain
from training.transfer import augment, class_table, load_segmenter, transfer

CPU = EvaluateConfig(threads=1, device="cpu", pictures=4)


def test_learns_the_boxes_and_says_how_well(world: World, tmp_path):
    config = TINY_TRANSFER.model_copy(update={"samples": 960, "lr": 2e-3})
    transfer(config, world.transfer, None, tmp_path / "tuned")
    metrics = evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "eval")
    assert metrics["classes"] == ["wall", "floor", "bed", "seat"]
    assert metrics["pixel_accuracy"] > 0.7  # the largest class has less than half of the pixels
    ious = [metrics[f"iou/{c}"] for c in metrics["classes"]]
    assert metrics["miou"] == pytest.approx(np.mean(ious))
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text()) == metrics
    matrix = np.array(json.loads((tmp_path / "eval" / "confusion.json").read_text())["matrix"])
    truth = class_table(world.eval)[1][world.eval.read(np.arange(32), ["semantic"])["semantic"]]
    np.testing.assert_array_equal(matrix.sum(1), np.bincount(truth[truth != VOID], minlength=4))
    with np.load(tmp_path / "eval" / "predictions.npz") as kept:
        assert kept["rgb"].shape == (4, 32, 32, 3)
        ids = [0, 10, 20, 31]
        np.testing.assert_array_equal(kept["rgb"], world.eval.read(ids, ["rgb"])["rgb"])
        np.testing.assert_array_equal(kept["truth"] == 0, truth[ids] == VOID)
        assert kept["prediction"].min() >= 1
        assert kept["prediction"].max() <= 4


@pytest.mark.parametrize("objective", ["mm", "mae"])
def test_starts_from_the_pretrained_encoder(world: World, tmp_path, objective, monkeypatch):
    """With a learning rate of nothing, the encoder that comes out is the one that was pre-trained."""
    config = TINY_PRETRAIN.model_copy(update={"objective": objective, "samples": 32})
    pretrain(config, world.pretrain, world.tokenizers, tmp_path / "pre")
    monkeypatch.setattr(loop, "warmup_cosine", lambda *_: 0.0)
    still = TINY_TRANSFER.model_copy(update={"samples": 16})
    transfer(still, world.transfer, tmp_path / "pre", tmp_path / "tuned")
    model, _, _ = load_segmenter(tmp_path / "tuned")
    from training.checkpoint import encoder_weights

    trained = encoder_weights(tmp_path / "pre")
    state = model.encoder.state_dict()
    assert state.keys() == trained.keys()
    assert all(torch.equal(state[k], trained[k]) for k in state)


def test_killed_and_resumed_gives_the_same_bits(world: World, tmp_path, monkeypatch):
    config = TINY_TRANSFER.model_copy(update={"crop": 0.7})
    transfer(config, world.transfer, None, tmp_path / "whole")

    class Killed(Exception):
        pass

    def die(logits_step: int, *rest: Any) -> float:
        if logits_step == 3:
            raise Killed
        return loop_rate(logits_step, *rest)

    loop_rate = loop.warmup_cosine
    with monkeypatch.context() as patch:
        patch.setattr(loop, "warmup_cosine", die)
        with pytest.raises(Killed):
            transfer(config, world.transfer, None, tmp_path / "cut")
    transfer(config, world.transfer, None, tmp_path / "cut")
    weights = [(tmp_path / d / "model.safetensors").read_bytes() for d in ("whole", "cut")]
    assert weights[0] == weights[1]


def test_only_transfer_frames_and_not_of_the_test_space(world: World, tmp_path):
    for frames in (world.pretrain, world.eval):
        with pytest.raises(AssertionError, match="transfer spaces only"):
            transfer(TINY_TRANSFER, frames, None, tmp_path)  # pyright: ignore[reportArgumentType]
    with pytest.raises(LeakError):
        TransferFrames(world.store, [world.transfer])
    with pytest.raises(AssertionError, match="evaluation frames only"):
        evaluate(CPU, world.transfer, tmp_path, tmp_path)  # pyright: ignore[reportArgumentType]


def test_an_encoder_of_another_shape_is_refused(world: World, tmp_path):
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 16})
    pretrain(config, world.pretrain, {}, tmp_path / "pre")
    other = TINY_TRANSFER.model_copy(update={"encoder": EncoderConfig(dim=64, depth=1, patch=4)})
    with pytest.raises(ValueError, match="make them equal"):
        transfer(other, world.transfer, tmp_path / "pre", tmp_path / "tuned")


def test_labels_become_groups_and_void_is_left_out(world: World):
    names, table = class_table(world.transfer)
    assert names == ["wall", "floor", "bed", "seat"]
    assert table[:6].tolist() == [VOID, 0, 1, 2, 3, 3]
    assert (table[6:] == VOID).all()


def test_mirrors_move_image_and_classes_alike():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (32, 8, 8, 3)).astype(np.uint8)
    truth = rgb[..., 0] % 5
    images, classes = augment(rgb, truth, TINY_TRANSFER, np.random.default_rng(1))
    np.testing.assert_array_equal(images[..., 0].numpy() % 5, classes.numpy())
    mirrored = [bool((images[i].numpy() == rgb[i, :, ::-1]).all()) for i in range(32)]
    same = [bool((images[i].numpy() == rgb[i]).all()) for i in range(32)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 8 < sum(mirrored) < 24


def test_crops_zoom_into_image_and_classes_alike():
    config = TINY_TRANSFER.model_copy(update={"flip": False, "crop": 0.4})
    columns = np.broadcast_to(np.arange(64, dtype=np.uint8), (16, 64, 64))
    rgb = np.repeat((columns * 3)[..., None], 3, axis=-1)
    images, classes = augment(rgb, columns.copy(), config, np.random.default_rng(2))
    spans = (classes[:, 0, -1] - classes[:, 0, 0]).numpy()
    assert spans.min() >= 0.35 * 64
    assert spans.max() < 64
    assert (images[..., 0].float() / 3 - classes).abs().max() <= 1.5


def test_layer_decay_scales_the_rate_from_the_top():
    config = TINY_TRANSFER.model_copy(update={"layer_decay": 0.5, "encoder": TINY_ENCODER})
    scale = loop._rate_scale(config)
    assert (
        scale("head.unfold.weight")
        == scale("encoder.norm.weight")
        == scale("encoder.blocks.1.norm1.weight")
        == 1
    )
    assert scale("encoder.blocks.0.mlp.out.weight") == 0.5
    assert scale("encoder.patches.weight") == scale("encoder.rgb_embedding") == 0.25
