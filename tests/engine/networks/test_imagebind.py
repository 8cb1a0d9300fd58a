"""ImageBind's image encoder from a file laid out as its authors' is."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from engine.networks.imagebind import ImageBindConfig, ImageBindFeatures

from .network_kit import NetworkKit

TINY = ImageBindConfig(weights="untrained", shape="tiny", image=56)
RGB = np.random.default_rng(0).integers(0, 256, (2, 56, 56, 3), np.uint8)


class TestImageBind(NetworkKit):
    config = TINY


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The tiny network's weights under the names of `imagebind_huge.pth`, and one of another modality."""
    network = TINY.load(56)
    module = network._module  # type: ignore[attr-defined]
    assert isinstance(module, ImageBindFeatures)
    names = {
        "self_attn": "attn",
        "linear1": "mlp.fc1",
        "linear2": "mlp.fc2",
        "norm1": "norm_1",
        "norm2": "norm_2",
    }
    state = {"modality_trunks.audio.blocks.0.norm_1.weight": torch.zeros(3)}
    for name, value in module.state_dict().items():
        for ours, theirs in names.items():
            name = name.replace(f".{ours}.", f".{theirs}.")
        state["modality_trunks.vision." + name] = value
    moved = {
        "first": "modality_preprocessors.vision.cls_token",
        "positions": "modality_preprocessors.vision.pos_embedding_helper.pos_embed",
        "before.weight": "modality_trunks.vision.pre_transformer_layer.0.weight",
        "before.bias": "modality_trunks.vision.pre_transformer_layer.0.bias",
        "after.weight": "modality_heads.vision.0.weight",
        "after.bias": "modality_heads.vision.0.bias",
    }
    for ours, theirs in moved.items():
        state[theirs] = state.pop("modality_trunks.vision." + ours)
    patches = state.pop("modality_trunks.vision.patches.weight")
    share = torch.stack([0.25 * patches, 0.75 * patches], 2)  # of the two frames of a video
    state["modality_preprocessors.vision.rgbt_stem.proj.1.weight"] = share
    torch.save(state, tmp_path / "imagebind.pth")
    return tmp_path / "imagebind.pth"


def test_a_file_of_its_authors_gives_its_features(file: Path):
    network = ImageBindConfig(weights=str(file), image=56).load(56)
    np.testing.assert_allclose(network(RGB), TINY.load(56)(RGB), atol=2e-3)
    assert network.origin.external_access == "pseudolabels"
    assert network.origin.licence == "CC-BY-NC-4.0"


def test_a_file_that_is_missing_or_foreign_is_said(file: Path):
    with pytest.raises(ValueError, match=r"not at .*imagebind_huge.pth: wget -P .checkpoints https"):
        ImageBindConfig().load(56)
    torch.save({"weight": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match=r"imagebind.pth holds no ImageBind"):
        ImageBindConfig(weights=str(file)).load(56)
    with pytest.raises(ValidationError, match="shape: tiny is of `weights: untrained`"):
        ImageBindConfig(shape="tiny")
