"""Probes of a frozen encoder: they learn, leave the encoder alone, and are evaluated like any other model."""

import numpy as np
import pytest
import torch

from tests.training.conftest import ONE_THREAD, TINY_TRANSFER, World, segmenter, with_classes
from tests.training.killing import have_the_same_weights, killed_at
from training.models.encoder import build_encoder
from training.transfer import fit as loop
from training.transfer.build import load_model
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.probe_features import CachedFeatures, FeatureExtractor
from training.transfer.task import FeatureShape
from training.transfer.tasks.segmentation.heads import LinearHead
from training.transfer.tasks.segmentation.knn import (
    NeighbourConfig,
    NeighbourHead,
    choose_entries,
    patch_classes,
)
from training.transfer.tasks.segmentation.labels import CLASS_MAP, class_table
from training.transfer.tasks.segmentation.metrics import VOID
from training.transfer.tasks.segmentation.segmentation import SegmentationConfig
from training.transfer.transfer import transfer

CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=0)
CONFIGS = {
    "linear": TINY_TRANSFER.model_copy(update={"protocol": "linear", "samples": 960, "lr": 1e-2}),
    "knn": TINY_TRANSFER.model_copy(update={"protocol": "knn"}),
}


@pytest.mark.parametrize("protocol", CONFIGS)
def test_probes_tell_the_boxes_apart_and_leave_the_encoder_as_it_was(world: World, tmp_path, protocol: str):
    """Colours suffice here, so that features of random weights do."""
    config = CONFIGS[protocol]
    metrics = transfer(config, world.transfer, None, tmp_path / "tuned")
    assert metrics["classes"] == ["wall", "floor", "bed", "seat"]
    assert evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "eval")["pixel_accuracy"] > 0.7
    model = load_model(tmp_path / "tuned").model
    fresh = build_encoder(config.encoder, 32, config.seed).state_dict()
    assert all(torch.equal(v, fresh[k]) for k, v in model.encoder.state_dict().items())
    assert isinstance(model.head, LinearHead if protocol == "linear" else NeighbourHead)
    assert not model.training


def test_kept_features_are_those_of_each_frame_and_its_mirror_image(world: World):
    config = CONFIGS["linear"]
    model = segmenter(config)
    extractor, source = FeatureExtractor(model, torch.device("cpu"), False), with_classes(world.transfer)
    kept = CachedFeatures(extractor, source, flip=True)
    assert kept.features.shape == (2, 64, 64, 64)
    size = kept.features.numel() * 2 + kept.labels[CLASS_MAP].size
    assert CachedFeatures.gigabytes(model, source, True) == pytest.approx(size / 1e9)
    ids = np.array([5, 63, 5, 17, 40, 2, 9, 33])
    features, labels = kept.take(ids, np.random.default_rng(0))
    truth = labels[CLASS_MAP]
    table = class_table(world.transfer.labels)[1]
    arrays = world.transfer.read(ids, ["rgb", "semantic"])
    seen = set()
    for i in range(len(ids)):
        mirrored = not np.array_equal(truth[i], table[arrays["semantic"][i]])
        seen.add(mirrored)
        step = -1 if mirrored else 1
        np.testing.assert_array_equal(truth[i], table[arrays["semantic"][i]][:, ::step])
        image = np.ascontiguousarray(arrays["rgb"][i : i + 1, :, ::step])
        torch.testing.assert_close(extractor.encode({"rgb": image})[0], features[i], atol=2e-3, rtol=2e-3)
    assert seen == {True, False}


def test_kept_or_encoded_anew_the_probe_is_nearly_the_same(world: World, tmp_path):
    config = CONFIGS["linear"].model_copy(update={"samples": 96, "flip": False, "bf16": False})
    weights = []
    for name, gigabytes in (("kept", 1.0), ("anew", 0.0)):
        transfer(config.model_copy(update={"keep_gb": gigabytes}), world.transfer, None, tmp_path / name)
        weights.append(load_model(tmp_path / name).model.head.state_dict())
    torch.testing.assert_close(*weights, atol=1e-3, rtol=1e-2)


def test_a_linear_probe_with_crops_killed_and_resumed_gives_the_same_bits(world: World, tmp_path):
    config = CONFIGS["linear"].model_copy(update={"samples": 96, "crop": 0.7})
    transfer(config, world.transfer, None, tmp_path / "whole")
    with killed_at(3, loop):
        transfer(config, world.transfer, None, tmp_path / "cut")
    transfer(config, world.transfer, None, tmp_path / "cut")
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_neighbours_vote_by_their_nearness():
    """Against the definition, term by term."""
    rng = np.random.default_rng(0)
    keys, queries = rng.normal(size=(40, 8)), rng.normal(size=(1, 4, 8))
    classes = rng.integers(0, 3, 40).astype(np.uint8)
    weight = np.array([1.0, 2.0, 0.5], dtype=np.float32)
    head = NeighbourHead(NeighbourConfig(k=5, temperature=0.2), FeatureShape(8, 2, 4), 3)
    head.fill(torch.from_numpy(keys), torch.from_numpy(classes), torch.from_numpy(weight))
    shares = head.scores(torch.from_numpy(queries))
    assert shares.shape == (1, 3, 2, 2)
    for i, query in enumerate(queries[0]):
        cosine = keys @ query / np.linalg.norm(keys, axis=1) / np.linalg.norm(query)
        votes = np.zeros(3)
        for n in np.argsort(-cosine)[:5]:
            votes[classes[n]] += np.exp(cosine[n] / 0.2) * weight[classes[n]]
        np.testing.assert_allclose(shares[0, :, i // 2, i % 2], votes / votes.sum(), atol=5e-3)


def test_a_patch_has_the_class_of_most_of_its_pixels():
    truth = np.full((1, 4, 4), 1, dtype=np.uint8)
    truth[0, :2, :2] = [[2, 2], [2, 0]]
    truth[0, :2, 2:] = [[VOID, VOID], [VOID, 0]]
    assert patch_classes(truth, 2, 3).tolist() == [[2, VOID, 1, 1]]


def test_the_bank_is_thinned_by_lot_and_holds_no_void(world: World, tmp_path):
    classes = np.array([[0, VOID, 1], [2, 2, VOID]], dtype=np.uint8)
    assert choose_entries(classes, 9, np.random.default_rng(0)).tolist() == [0, 2, 3, 4]
    few = [tuple(choose_entries(classes, 2, np.random.default_rng(s))) for s in range(20)]
    assert len(set(few)) > 2
    assert all(len(set(f)) == 2 for f in few)
    config = CONFIGS["knn"].model_copy(
        update={"segmentation": SegmentationConfig(knn=NeighbourConfig(entries=100))}
    )
    banks = []
    for name in ("a", "b"):
        assert transfer(config, world.transfer, None, tmp_path / name)["entries"] == 100
        banks.append((tmp_path / name / "model.safetensors").read_bytes())
    assert banks[0] == banks[1]
    # The classes kept are those of the patches kept.
    model = load_model(tmp_path / "a").model
    assert isinstance(model.head, NeighbourHead)
    images = world.transfer.read(np.arange(64), ["rgb"])
    features = FeatureExtractor(model, torch.device("cpu"), True).encode(images)
    near = torch.nn.functional.normalize(features.float(), dim=-1).flatten(0, 1) @ model.head.keys.float().T
    source = with_classes(world.transfer)
    labels = np.concatenate([patch_classes(t[CLASS_MAP], 4, 4) for t in source.labels(64)]).ravel()
    agree = labels[near.argmax(0).numpy()] == model.head.values.numpy()
    assert agree.mean() > 0.97  # some patches look all alike


def test_logits_of_neighbours_are_the_logarithms_of_interpolated_shares():
    head = NeighbourHead(NeighbourConfig(k=2), FeatureShape(4, 2, 4), 2)
    head.fill(torch.eye(4)[:3], torch.tensor([0, 1, 1], dtype=torch.uint8), torch.ones(2))
    logits = head(torch.eye(4)[None])
    assert logits.shape == (1, 2, 8, 8)
    torch.testing.assert_close(logits.exp().sum(1), torch.ones(1, 8, 8), atol=1e-4, rtol=0)
    torch.testing.assert_close(logits[0, :, 0, 0].exp(), head.scores(torch.eye(4)[None])[0, :, 0, 0])


def test_labels_stand_apart_from_images(world: World):
    source = with_classes(world.transfer)
    read = {"id": np.arange(2), **world.transfer.read([0, 1], source.reads(("rgb",)))}
    images, labels = source.split(read, ("rgb",))
    assert (images.keys(), labels.keys()) == ({"rgb"}, {CLASS_MAP})
