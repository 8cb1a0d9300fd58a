"""Transfer and evaluation on a tiny store: learning, resuming, what is refused, what comes out."""

import json

import numpy as np
import pytest
import torch

from engine.store.access import EvalFrames, TransferFrames
from engine.store.errors import LeakError
from engine.store.store import FrameRange, Space, Store
from tests.training.conftest import ONE_THREAD, TINY_ENCODER, TINY_PRETRAIN, TINY_TRANSFER, World, segmenter
from tests.training.tiny_world import draw_frames, make_store
from training.models.encoder import EncoderConfig, build_encoder
from training.pretrain.pretrain import pretrain
from training.transfer import fit as loop
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.data import LabelledBatch, mirror_and_zoom
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.model import drop_path
from training.transfer.tasks.segmentation.labels import CLASS_MAP, class_table
from training.transfer.tasks.segmentation.metrics import VOID, Confusion
from training.transfer.transfer import transfer

CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=4)


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
    saved = json.loads((tmp_path / "eval" / "confusion.json").read_text())
    assert saved["spaces"] == {"home": saved["matrix"]}
    assert metrics["space_miou"] == {"home": metrics["miou_truth"]}
    assert len(metrics["jackknife_miou"]) == 20
    assert np.mean(metrics["jackknife_miou"]) == pytest.approx(metrics["miou"], abs=0.01)
    truth = class_table(world.eval.labels)[1][world.eval.read(np.arange(32), ["semantic"])["semantic"]]
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
    model = load_model(tmp_path / "tuned").model
    from training.common.checkpoint import encoder_weights

    trained = encoder_weights(tmp_path / "pre")
    state = model.encoder.state_dict()
    assert state.keys() == trained.keys()
    assert all(torch.equal(state[k], trained[k]) for k in state)


def test_transfer_frames_are_not_of_the_test_space(world: World):
    with pytest.raises(LeakError):
        TransferFrames(world.store, [world.transfer])


def test_an_encoder_of_another_shape_is_refused(world: World, tmp_path):
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 16})
    pretrain(config, world.pretrain, {}, tmp_path / "pre")
    other = TINY_TRANSFER.model_copy(update={"encoder": EncoderConfig(dim=64, depth=1, patch=4)})
    with pytest.raises(ValueError, match="make them equal"):
        transfer(other, world.transfer, tmp_path / "pre", tmp_path / "tuned")


def test_labels_become_groups_and_void_is_left_out(world: World):
    names, table = class_table(world.transfer.labels)
    assert names == ["wall", "floor", "bed", "seat"]
    assert table[:6].tolist() == [VOID, 0, 1, 2, 3, 3]
    assert (table[6:] == VOID).all()


def test_mirrors_move_image_and_classes_alike():
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (32, 8, 8, 3)).astype(np.uint8)
    batch = LabelledBatch({"rgb": rgb}, {CLASS_MAP: rgb[..., 0] % 5, "count": np.arange(32)})
    images, labels = mirror_and_zoom(batch, 1.0, True, np.random.default_rng(1))
    np.testing.assert_array_equal(images["rgb"][..., 0] % 5, labels[CLASS_MAP])
    np.testing.assert_array_equal(labels["count"], np.arange(32))
    mirrored = [bool((images["rgb"][i] == rgb[i, :, ::-1]).all()) for i in range(32)]
    same = [bool((images["rgb"][i] == rgb[i]).all()) for i in range(32)]
    assert all(m != s for m, s in zip(mirrored, same, strict=True))
    assert 8 < sum(mirrored) < 24


def test_crops_zoom_into_image_and_classes_alike():
    columns = np.broadcast_to(np.arange(64, dtype=np.uint8), (16, 64, 64))
    rgb = np.repeat((columns * 3)[..., None], 3, axis=-1)
    batch = LabelledBatch(
        {"rgb": rgb, "depth": columns.astype(np.uint16)}, {CLASS_MAP: columns, "count": np.arange(16)}
    )
    images, labels = out = mirror_and_zoom(batch, 0.4, False, np.random.default_rng(2))
    for given, made in zip(batch, out, strict=True):
        assert {k: (v.shape, v.dtype) for k, v in made.items()} == {
            k: (v.shape, v.dtype) for k, v in given.items()
        }
    np.testing.assert_array_equal(labels["count"], np.arange(16))
    classes = labels[CLASS_MAP].astype(int)
    spans = classes[:, 0, -1] - classes[:, 0, 0]
    assert spans.min() >= 0.35 * 64
    assert spans.max() < 64
    assert len(np.unique(spans)) > 4  # every frame has a scale of its own
    assert np.abs(images["rgb"][..., 0] / 3 - classes).max() <= 1.5
    np.testing.assert_array_equal(images["depth"], classes)  # to the nearest pixel, nothing in between
    assert set(np.unique(classes)) <= set(range(64))


def test_layer_decay_scales_the_rate_from_the_top():
    config = TINY_TRANSFER.model_copy(update={"layer_decay": 0.5, "encoder": TINY_ENCODER})
    scale = loop.rate_scale(config)
    assert scale("head.unfold.weight") == scale("encoder.norm.weight") == 1
    # Of 2 blocks: MAE's code gives layer i of 4 (patches, blocks, head) the factor 0.5^(3 - i).
    assert scale("encoder.blocks.1.norm1.weight") == 0.5
    assert scale("encoder.blocks.0.mlp.out.weight") == 0.25
    assert scale("encoder.patches.weight") == scale("encoder.rgb_embedding") == 0.125


def test_milestones_take_the_place_of_the_cosine():
    config = TINY_TRANSFER.model_copy(update={"samples": 1600, "milestones": (0.5, 0.9), "lr": 1.0})
    rates = [loop.learning_rate(config, step) for step in (0, 9, 10, 49, 50, 89, 90, 99)]
    assert rates == pytest.approx([0.1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    for wrong in ((0.9, 0.5), (0.0,), (1.0,)):
        with pytest.raises(ValueError, match="between 0 and 1, rising"):
            TransferConfig(milestones=wrong)
    assert "milestones" not in TINY_TRANSFER.model_dump(), "keys of stages without them stay"
    assert TransferConfig.model_validate(config.model_dump()) == config


def test_confusion_is_kept_per_space(tmp_path):
    """Two spaces of evaluation frames: their matrices are of their own frames, and sum to the whole."""
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    new = Space("away", "synthetic", "away" * 8, 0, "dense", "boxes", "drawn by a test")
    arrays = draw_frames(16, 32, np.random.default_rng(5))
    arrays["semantic"][:] = np.where(arrays["semantic"] == 3, 1, arrays["semantic"])  # no bed in here
    store.write_part(
        "eval-1", arrays, [FrameRange("away", "eval", "eval-1", 0, 16)], [new], "0" * 8, [{"seed": 7}]
    )
    frames = EvalFrames(Store.open(tmp_path / "store"))
    assert sorted(set(frames.space_of(range(len(frames))))) == ["away", "home"]
    learned = TransferFrames(store, [frames])
    transfer(TINY_TRANSFER, learned, None, tmp_path / "tuned")
    metrics = evaluate(CPU, frames, tmp_path / "tuned", tmp_path / "eval")
    saved = json.loads((tmp_path / "eval" / "confusion.json").read_text())
    _, table = class_table(frames.labels)
    for space, matrix in saved["spaces"].items():
        own = EvalFrames(frames.store_path, spaces=[space])
        truth = table[own.read(np.arange(16), ["semantic"])["semantic"]]
        np.testing.assert_array_equal(np.sum(matrix, 1), np.bincount(truth[truth != VOID], minlength=4))
        confusion = Confusion(4)
        confusion.matrix = np.array(matrix)
        assert metrics["space_miou"][space] == dict(confusion.scores(metrics["classes"]))["miou_truth"]
    assert saved["spaces"].keys() == metrics["space_miou"].keys() == {"away", "home"}
    np.testing.assert_array_equal(sum(map(np.array, saved["spaces"].values())), saved["matrix"])


def test_epochs_are_passes_over_the_transfer_frames(world: World, tmp_path):
    config = TINY_TRANSFER.model_copy(update={"epochs": 1.5, "samples": 1})
    metrics = transfer(config, world.transfer, None, tmp_path / "tuned")
    assert metrics["steps"] == 6  # 1.5 times 64 frames, 16 a batch
    saved = json.loads((tmp_path / "tuned" / "config.json").read_text())["transfer"]
    assert (saved["epochs"], saved["samples"]) == (1.5, 96)


def test_drop_path_leaves_branches_out_more_often_the_higher_they_are():
    drop_path_scale = drop_path(0.4, 5, 2000, np.random.default_rng(0))
    assert drop_path_scale is not None
    dropped = (drop_path_scale == 0).float().mean(dim=(1, 2))
    torch.testing.assert_close(dropped, torch.linspace(0, 0.4, 5), atol=0.03, rtol=0)
    torch.testing.assert_close(drop_path_scale.mean(dim=2), torch.ones(5, 2), atol=0.06, rtol=0)
    assert drop_path(0.0, 5, 4, np.random.default_rng(0)) is None
    again = drop_path(0.4, 5, 2000, np.random.default_rng(0))
    assert again is not None
    assert torch.equal(drop_path_scale, again)


def test_drop_path_is_of_each_sample_and_changes_nothing_at_rate_0_or_in_evaluation():
    encoder = build_encoder(TINY_ENCODER, 32, 0)
    x = torch.randn(4, 64, 64, generator=torch.Generator().manual_seed(0))
    plain = encoder.run(x)
    assert torch.equal(encoder.run(x, drop_path_scale=torch.ones(2, 2, 4)), plain)
    drop_path_scale = torch.ones(2, 2, 4)
    drop_path_scale[1, 0, 2] = 0.0
    dropped = encoder.run(x, drop_path_scale=drop_path_scale)
    changed = (dropped != plain).flatten(1).any(1)
    assert changed.tolist() == [False, False, True, False]
    # Nothing of both branches: the block is not there.
    drop_path_scale[:, :, 0] = 0.0
    assert torch.equal(encoder.run(x, drop_path_scale=drop_path_scale)[0], encoder.norm(x)[0])
    # A model draws nothing by itself, in training or not.
    model = segmenter(TINY_TRANSFER.model_copy(update={"drop_path": 0.9}))
    images = {"rgb": torch.randint(0, 256, (2, 32, 32, 3), dtype=torch.uint8)}
    assert torch.equal(model.train()(images), model.eval()(images))


def test_drop_path_reaches_the_training(world: World, tmp_path):
    losses = []
    for rate in (0.0, 0.5):
        config = TINY_TRANSFER.model_copy(update={"drop_path": rate, "samples": 32})
        losses.append(transfer(config, world.transfer, None, tmp_path / str(rate))["curve"])
    assert losses[0] != losses[1]
