"""A probe that adapts before it predicts: what it predicts, and that labels play no part."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import EvalFrames
from tests.training.conftest import ONE_THREAD, TINY_PRETRAIN, World
from training.adaptation.adapted import AdaptConfig, AdaptedOutputs, load_autoencoder
from training.adaptation.mae import AdaptationConfig, adapt, adapt_online
from training.pretrain.pretrain import pretrain
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.transfer import transfer

CPU = torch.device("cpu")
STEPS = AdaptationConfig(steps=3, masks=4, lr=0.05)
SCORING = EvaluateConfig(runtime=ONE_THREAD)
Models = tuple[Path, Path]


@pytest.fixture(scope="module")
def models(world: World, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A masked autoencoder, and a probe of it."""
    root = tmp_path_factory.mktemp("adapted")
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 320, "base_lr": 0.05})
    pretrain(config, world.pretrain, {}, root / "mae")
    tuned = TransferConfig(
        protocol="linear", encoder=config.encoder, samples=320, batch=16, lr=0.01, runtime=ONE_THREAD
    )
    transfer(tuned, world.transfer, root / "mae", root / "probe")
    return root / "mae", root / "probe"


def outputs(config: AdaptConfig, models: Models, frames: EvalFrames) -> tuple[AdaptedOutputs, np.ndarray]:
    made = AdaptedOutputs(config, models[0])
    model = load_model(models[1]).model
    batches = list(made(model, frames, ["rgb"], 64, CPU, False, "test"))
    assert np.array_equal(np.concatenate([b["id"] for b, _ in batches]), np.arange(len(frames)))
    return made, torch.cat([output for _, output in batches]).numpy()


def test_the_probe_predicts_from_adapted_features(world: World, models: Models):
    frames, autoencoder, model = world.eval, load_autoencoder(models[0]), load_model(models[1]).model
    ids = list(range(len(frames)))
    rgb = torch.from_numpy(frames.read(ids, ["rgb"])["rgb"])
    for online in (False, True):
        made, found = outputs(AdaptConfig(mae=STEPS, online=online, at_once=5), models, frames)
        if online:
            features = torch.cat([a.features for a in adapt_online(autoencoder, rgb, ids, STEPS)])
        else:
            features = torch.cat([adapt(autoencoder, rgb[i : i + 1], [i], STEPS).features for i in ids])
        with torch.no_grad():
            expected = model.decode(features)
        np.testing.assert_allclose(found, expected.numpy(), atol=2e-4)
        assert made.measured["reconstruction_after"] < made.measured["reconstruction_before"]
        assert made.measured["adapt_seconds_per_image"] > 0
        assert made.measured["adapt_seconds_per_image_alone"] > 0


def test_no_step_is_no_adaptation(world: World, models: Models, tmp_path: Path):
    none = AdaptedOutputs(AdaptConfig(mae=AdaptationConfig(steps=0)), models[0])
    plain = evaluate(SCORING, world.eval, models[1], tmp_path / "plain")
    same = evaluate(SCORING, world.eval, models[1], tmp_path / "adapted", outputs_of=none)
    assert same["miou"] == pytest.approx(plain["miou"], abs=1e-6)
    assert "reconstruction_before" not in none.measured


def test_labels_play_no_part(world: World, models: Models, monkeypatch: pytest.MonkeyPatch):
    config = AdaptConfig(mae=STEPS)
    _, found = outputs(config, models, world.eval)
    right = EvalFrames.read

    def without_labels(self: EvalFrames, ids: Any, names: Any) -> Any:
        assert set(names) == {"rgb"}
        return right(self, ids, names)

    monkeypatch.setattr(EvalFrames, "read", without_labels)
    assert np.array_equal(outputs(config, models, world.eval)[1], found)


def test_a_model_whose_encoder_is_another_is_refused(world: World, models: Models, tmp_path: Path):
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 64, "seed": 4})
    pretrain(config, world.pretrain, {}, tmp_path / "other")
    with pytest.raises(ValueError, match="another encoder than the tuned model"):
        outputs(AdaptConfig(mae=STEPS), (tmp_path / "other", models[1]), world.eval)
    pretrain(TINY_PRETRAIN, world.pretrain, world.tokenizers, tmp_path / "mm")
    with pytest.raises(ValueError, match="pre-trained by mm"):
        load_autoencoder(tmp_path / "mm")
