"""Feature maps by their directions, label maps by their majority: the kit, and what they do by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch

from engine.store.access import PretrainFrames
from engine.store.errors import LeakError
from engine.store.store import ModalitySpec, Store
from tests.training.tiny_world import draw_frames, make_store
from tests.training.tokenizer_kit import TokenizerKit
from training.tokenizers.feature_codebook import FeatureConfig, fit_features
from training.tokenizers.label_map import LabelMap, make_label_map
from training.tokenizers.registry import load_tokenizer, token_array
from training.tokenizers.token_crops import TokenCropConfig
from training.tokenizers.tokenize_store import tokenize


def with_features(path: Path, size: int = 32) -> Store:
    """A store with feature maps of 8×8 places beside its frames: one of 6 directions each, of any length."""
    store = make_store(path, size, pretrain=20, transfer=4, held_out=4)
    rng = np.random.default_rng(3)
    kinds = rng.integers(0, 6, (20, 8, 8))
    directions = rng.normal(size=(6, 12)) + 0.02 * rng.normal(size=(20, 8, 8, 1, 12))
    chosen = np.take_along_axis(directions, kinds[..., None, None], 3)[..., 0, :]
    features = (chosen * rng.uniform(0.5, 2, (20, 8, 8, 1))).astype(np.float16)
    spec = ModalitySpec("feature", "float16", (8, 8, 12), "1", "sensory")
    store.add_derived("pretrain-0", "feature", {"feature": features}, [spec])
    return store


class TestFeatures(TokenizerKit):
    size = 8  # of the maps [places]

    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        return with_features(tmp_path / "store")

    @pytest.fixture
    def folder(self, store: Store, tmp_path: Path) -> Path:
        fit_features(PretrainFrames(store), "feature", FeatureConfig(codes=6), tmp_path / "book")
        return tmp_path / "book"


class TestLabels(TokenizerKit):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Store:
        store = make_store(tmp_path / "store", self.size, pretrain=20, transfer=4, held_out=4)
        maps = draw_frames(20, self.size, np.random.default_rng(0))["semantic"]
        spec = ModalitySpec("detected", "uint8", (self.size, self.size), "class", "sensory")
        store.add_derived("pretrain-0", "detected", {"detected": maps}, [spec])
        return store

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        make_label_map("detected", 6, 4, tmp_path / "map")
        return tmp_path / "map"


def test_directions_are_found_and_lengths_do_not_matter(tmp_path):
    store = with_features(tmp_path / "store")
    frames = PretrainFrames(store)
    metrics = fit_features(frames, "feature", FeatureConfig(codes=6), tmp_path / "book")
    assert metrics["usage"] == 1
    assert metrics["mean_cosine"] > 0.99
    assert metrics["perplexity"] > 5.5
    assert metrics["places"] == 20 * 64
    model = load_tokenizer(tmp_path / "book")
    features = frames.read([0], ["feature"])["feature"]
    assert torch.equal(model.encode(features), model.encode(features * np.float16(0.5)))
    decoded = model.decode(model.encode(features)).astype(np.float32)
    unit = features / np.linalg.norm(features.astype(np.float32), axis=-1, keepdims=True)
    assert (decoded * unit).sum(-1).mean() > 0.99
    fit_features(frames, "feature", FeatureConfig(codes=6, frames=10), tmp_path / "again")
    assert token_array(tmp_path / "again") != token_array(tmp_path / "book")


def test_what_is_no_feature_map_and_crops_of_one_are_refused(tmp_path):
    store = with_features(tmp_path / "store")
    with pytest.raises(ValueError, match="a feature map is"):
        fit_features(PretrainFrames(store), "depth", FeatureConfig(), tmp_path / "book")
    with pytest.raises(ValueError, match="fewer codes"):
        fit_features(PretrainFrames(store), "feature", FeatureConfig(codes=4096), tmp_path / "book")
    fit_features(PretrainFrames(store), "feature", FeatureConfig(codes=6), tmp_path / "book")
    with pytest.raises(ValueError, match="without crops"):
        tokenize(store, "feature", tmp_path / "book", threads=1, crops=TokenCropConfig(count=1))


def test_the_majority_of_a_patch_and_the_lowest_of_equals():
    labels = np.array([[[1, 1, 0, 5], [3, 1, 5, 0], [2, 2, 4, 4], [2, 2, 4, 3]]], dtype=np.uint8)
    model = LabelMap("detected", 6, 2)
    tokens = model.encode(labels)
    assert tokens.tolist() == [[[1, 0], [2, 4]]]
    np.testing.assert_array_equal(model.decode(tokens)[0, :2], [[1, 1, 0, 0], [1, 1, 0, 0]])
    with pytest.raises(ValueError, match="knows 5"):
        LabelMap("detected", 5, 2).encode(labels)
    with pytest.raises(ValueError, match="do not divide"):
        LabelMap("detected", 6, 3).encode(labels)


def test_patches_of_two_sizes_have_two_names_and_labels_stay_hidden(tmp_path):
    make_label_map("semantic", 6, 4, tmp_path / "four")
    make_label_map("semantic", 6, 8, tmp_path / "eight")
    assert token_array(tmp_path / "four") != token_array(tmp_path / "eight")
    store = make_store(tmp_path / "store", pretrain=4, transfer=4, held_out=4)
    with pytest.raises(LeakError):
        tokenize(store, "semantic", tmp_path / "four", threads=1)
