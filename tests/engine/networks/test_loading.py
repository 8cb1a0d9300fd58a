"""Trained models of transformers: from a folder, from the hub's cache; what is missing or foreign is said."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from engine.networks.hub.clip import ClipConfig
from engine.networks.hub.depth_anything import DepthAnythingConfig
from engine.networks.hub.dino import Dinov2Config, Dinov3Config

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
transformers = pytest.importorskip("transformers")
RGB = np.random.default_rng(0).integers(0, 256, (2, 56, 56, 3), np.uint8)
TINY = Dinov2Config(weights="untrained", shape="tiny", image=56)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A model as its publisher would lay it out."""
    folder = tmp_path_factory.mktemp("model")
    TINY.build().module.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlibrary_name: transformers\nlicense: cc-by-4.0\n---\n# A model\n")
    return folder


def test_a_folder_gives_what_was_saved_and_says_where_it_is_from(folder: Path):
    network = Dinov2Config(weights=str(folder), image=56).load(56)
    np.testing.assert_array_equal(network(RGB), TINY.load(56)(RGB))
    assert network.origin.external_access == "pseudolabels"
    assert network.origin.source == str(folder)
    assert network.origin.licence == "cc-by-4.0"


def test_the_hubs_cache_gives_a_model_by_its_id(folder: Path, tmp_path: Path, monkeypatch):
    place = tmp_path / "models--somebody--small"
    shutil.copytree(folder, place / "snapshots" / "0123abcd")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("0123abcd")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("transformers.utils.hub.constants.HF_HUB_CACHE", str(tmp_path))
    network = Dinov2Config(weights="somebody/small", image=56).load(56)
    np.testing.assert_array_equal(network(RGB), TINY.load(56)(RGB))
    assert network.origin.source == "somebody/small"


def test_a_model_that_is_not_here_is_an_error_that_says_how_to_get_it(monkeypatch, tmp_path: Path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ValueError, match=r"hf download facebook/dinov2-base --local-dir FOLDER"):
        Dinov2Config().load(56)
    with pytest.raises(ValueError, match=r"holds no model"):
        Dinov2Config(weights=str(tmp_path)).load(56)


def test_weights_that_are_lacking_are_not_made_up(folder: Path, tmp_path: Path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    state = load_file(tmp_path / "model.safetensors")
    del state["layernorm.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 of its weights, among them layernorm.weight"):
        Dinov2Config(weights=str(tmp_path), image=56).load(56)


def test_a_damaged_file_and_another_model_are_said(folder: Path, tmp_path: Path):
    for config in (ClipConfig, Dinov3Config):
        with pytest.raises(ValueError, match=str(folder)):
            config(weights=str(folder)).load(56)
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"Dinov2Model cannot be read from"):
        Dinov2Config(weights=str(tmp_path)).load(56)


def test_depth_without_metres_is_refused(tmp_path: Path):
    tiny = DepthAnythingConfig(weights="untrained", shape="tiny", image=56)
    config = tiny.random_config(transformers)
    config.depth_estimation_type = "relative"
    transformers.DepthAnythingForDepthEstimation(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"relative depth, not metres: take one of depth-anything/"):
        DepthAnythingConfig(weights=str(tmp_path), image=56).load(56)


def test_fields_that_do_not_fit_are_refused():
    with pytest.raises(ValidationError, match="shape: tiny is of `weights: untrained`"):
        Dinov2Config(shape="tiny")
    with pytest.raises(ValueError, match="image: 60 is no multiple of the model's patch, 14 pixels"):
        TINY.model_copy(update={"image": 60}).load(56)
