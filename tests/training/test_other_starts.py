"""Starts whose encoders are no plain vision transformers of transformers: SAM's, ImageBind's, 4M's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.networks.hub.sam import SamEdgesConfig
from engine.networks.imagebind import MEAN, STD, ImageBindConfig
from engine.networks.torch_network import IMAGENET_MEAN, IMAGENET_STD
from engine.store.access import EvalFrames
from tests.training.conftest import ONE_THREAD, TINY_TRANSFER, World
from tests.training.test_fourm import variant
from training.common.checkpoint import save_tensors
from training.common.external_access import sources_of_folder
from training.fourm.checkpoints import to_4m
from training.models.encoder import EncoderConfig
from training.models.outside_encoder import resized_positions
from training.models.windowed_encoder import whole_blocks
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.fit import rate_scale
from training.transfer.starts.start import FAMILIES, StartConfig
from training.transfer.transfer import transfer

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own

SHAPES = {
    "sam": EncoderConfig(dim=32, depth=2, heads=2, patch=16, mlp="gelu", bias=True),
    "imagebind": EncoderConfig(dim=160, depth=2, heads=2, patch=14, mlp="gelu", bias=True, registers=1),
    "4m": EncoderConfig(dim=64, depth=2, patch=16, pixels="imagenet"),
}


def shaken(module: nn.Module) -> nn.Module:
    """Every weight random, those too that begin as 0 or 1."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module.eval()


def pixels_of(rgb: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    return ((torch.from_numpy(rgb).float() / 255 - torch.tensor(mean)) / torch.tensor(std)).permute(
        0, 3, 1, 2
    )


def drawn(image: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, image, image, 3), np.uint8)


def features(start: StartConfig, image: int, rgb: np.ndarray) -> Tensor:
    encoder = start.encoder(SHAPES[start.network], image)
    start.load(encoder)
    with torch.no_grad():
        return encoder.eval()(torch.from_numpy(rgb))


@pytest.mark.parametrize("image", [64, 96, 320], ids=["as trained", "larger", "several windows"])
def test_features_are_those_of_sam(image: int, monkeypatch: pytest.MonkeyPatch):
    """Before its neck; one window is filled up at 64 and 96 pixels, at 320 there are four."""
    pytest.importorskip("transformers")
    build, models = SamEdgesConfig.build, []

    def kept(self: SamEdgesConfig) -> Any:
        model = build(self)
        models.append(shaken(model.module).vision_encoder)
        return model

    monkeypatch.setattr(SamEdgesConfig, "build", kept)
    rgb = drawn(image)
    ours = features(StartConfig(network="sam", weights="untrained", shape="tiny"), image, rgb)
    (model,) = models
    model.patch_embed.image_size = (image, image)
    grid = image // 16
    with torch.no_grad():
        hidden = model.patch_embed(pixels_of(rgb, IMAGENET_MEAN, IMAGENET_STD))
        hidden = hidden + resized_positions(model.pos_embed.flatten(0, 2), grid).unflatten(0, (grid, grid))
        for layer in model.layers:
            hidden = layer(hidden)
    torch.testing.assert_close(ours, hidden.flatten(1, 2), rtol=1e-4, atol=1e-4)


def test_the_whole_image_is_seen_where_sams_blocks_see_it():
    """Of ViT-B, L and H, as their configurations say."""
    assert [sorted(whole_blocks(depth)) for depth in (12, 24, 32)] == [
        [2, 5, 8, 11],
        [5, 11, 17, 23],
        [7, 15, 23, 31],
    ]


@pytest.mark.parametrize("image", [224, 56])
def test_features_are_those_of_imagebind(image: int, monkeypatch: pytest.MonkeyPatch):
    build, models = ImageBindConfig.build, []

    def kept(self: ImageBindConfig) -> Any:
        models.append(shaken(build(self.model_copy(update={"image": image}))))
        return models[0]

    monkeypatch.setattr(ImageBindConfig, "build", kept)
    rgb = drawn(image)
    ours = features(StartConfig(network="imagebind", weights="untrained", shape="tiny"), image, rgb)
    with torch.no_grad():
        theirs = models[0](pixels_of(rgb, MEAN, STD))
    torch.testing.assert_close(ours, theirs.flatten(1, 2), rtol=1e-4, atol=1e-4)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Weights that stand for trained ones, by network."""
    sam = SamEdgesConfig(weights="untrained", shape="tiny", seed=3).build().module
    sam.save_pretrained(tmp_path / "sam")
    (tmp_path / "4m").mkdir()
    save_tensors(tmp_path / "4m" / "model.safetensors", to_4m(variant()))
    return {"sam": tmp_path / "sam", "4m": tmp_path / "4m"}


def config(start: StartConfig, **fields: Any) -> TransferConfig:
    shape = {"encoder": SHAPES[start.network], "samples": 32, "layer_decay": 0.75, "start": start}
    return TINY_TRANSFER.model_copy(update=shape | fields)


@pytest.mark.parametrize("network", ["sam", "4m"])
def test_a_transfer_starts_from_it_and_says_so_to_the_evaluation(
    network: Any, world: World, places: dict[str, Path], tmp_path: Path
):
    start = StartConfig(network=network, weights=str(places[network]))
    metrics = transfer(config(start), world.transfer, None, tmp_path / "tuned")
    assert metrics["external_access"] == "internet"
    (source,) = sources_of_folder(tmp_path / "tuned")
    assert (source.name, source.source) == (f"start {network}", str(places[network]))
    frames = EvalFrames(world.store)
    scores = evaluate(EvaluateConfig(runtime=ONE_THREAD), frames, tmp_path / "tuned", tmp_path / "scores")
    assert scores["external_access"] == "internet"
    control = StartConfig(network=network, weights="untrained", shape="tiny")
    metrics = transfer(config(control, samples=16), world.transfer, None, tmp_path / "control")
    assert metrics["external_access"] == "none"


def test_the_encoder_of_4m_is_taken_over(places: dict[str, Path]):
    start = StartConfig(network="4m", weights=str(places["4m"]))
    encoder = start.encoder(SHAPES["4m"], 32)
    start.load(encoder)
    theirs = variant().encoder.state_dict()
    assert encoder.state_dict().keys() == theirs.keys()
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(value, theirs[name], rtol=0, atol=0)


def test_what_does_not_fit_is_refused(world: World, places: dict[str, Path], tmp_path: Path):
    sam = StartConfig(network="sam", weights=str(places["sam"]))
    seen = config(sam, inputs=("rgb", "depth"))
    with pytest.raises(ValueError, match=r"sees RGB alone: transfer.inputs must be \[rgb\]"):
        transfer(seen, world.transfer, None, tmp_path / "a")
    with pytest.raises(ValueError, match=r"registers: 0 and qk_norm"):
        sam.encoder(SHAPES["imagebind"], 28)
    fourm = StartConfig(network="4m", weights=str(places["4m"]))
    wide = config(fourm, encoder=SHAPES["4m"].model_copy(update={"mlp": "gelu"}))
    with pytest.raises(
        ValueError, match=r"say transfer.encoder: \{dim: .* mlp: swiglu, .*pixels: imagenet\}"
    ):
        transfer(wide, world.transfer, None, tmp_path / "b")
    with pytest.raises(ValueError, match="hf download EPFL-VILAB/4M-21_B --local-dir FOLDER"):
        StartConfig(network="4m").load(fourm.encoder(SHAPES["4m"], 32))
    with pytest.raises(ValueError, match=r"wget .*imagebind_huge.pth"):
        StartConfig(network="imagebind").load(FAMILIES["imagebind"].encoder(SHAPES["imagebind"], 28))


def test_what_stands_before_the_first_block_decays_most():
    scale = rate_scale(config(StartConfig(network="imagebind")))
    assert scale("encoder.norm_before.weight") == scale("encoder.positions") == 0.75**3
    assert scale("encoder.norm.weight") == scale("head.weight") == 1
