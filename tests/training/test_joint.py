"""Joint training of a task and the reconstruction of sensors: both are learned, and what is stored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.conftest import TINY_TRANSFER, World
from training.models.encoder import EncoderConfig
from training.reconstruction.decoder import reconstruction_loss
from training.reconstruction.joint import JointConfig
from training.reconstruction.targets import SENSORS
from training.transfer import fit as loop
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.data import LabelledFrames
from training.transfer.transfer import transfer

JOINT = TINY_TRANSFER.model_copy(
    update={
        "encoder": EncoderConfig(dim=32, depth=1, patch=8),
        "samples": 640,
        "lr": 5e-3,
        "bf16": False,
        "joint": JointConfig(),
    }
)


def losses(world: World, folder: Path) -> tuple[float, float]:
    """Of the task and of the reconstruction, on all transfer frames."""
    model, task, config, _ = load_model(folder)
    frames = world.transfer
    source = LabelledFrames(frames, config.own.label_reader(frames.labels))
    ids = np.arange(len(frames))
    assert model.reconstruction is not None
    images = {n: torch.from_numpy(v) for n, v in frames.read(ids, list(SENSORS)).items()}
    (labels,) = source.labels(len(frames))
    with torch.no_grad():
        output, features = model.with_features(images)
        task_loss = task.criterion(source)(output, task.targets(labels))
        return float(task_loss), float(reconstruction_loss(model.reconstruction(features, images)))


def test_task_and_reconstruction_are_both_learned(world: World, tmp_path: Path):
    short = JOINT.model_copy(update={"samples": 16, "lr": 1e-6})
    transfer(short, world.transfer, None, tmp_path / "begun")
    metrics = transfer(JOINT, world.transfer, None, tmp_path / "tuned")
    before, after = losses(world, tmp_path / "begun"), losses(world, tmp_path / "tuned")
    assert after[0] < 0.8 * before[0]
    assert after[1] < 0.8 * before[1]
    assert metrics["loss"] == pytest.approx(metrics["task_loss"] + metrics["reconstruction_loss"])
    stored = json.loads((tmp_path / "tuned" / "config.json").read_text())["reconstruction"]["statistics"]
    assert stored.keys() == {"rgb", "depth", "normals"}
    rgb = world.transfer.read(np.arange(len(world.transfer)), ["rgb"])["rgb"] / 127.5 - 1
    np.testing.assert_allclose(stored["rgb"]["mean"], rgb.mean((0, 1, 2)), atol=1e-5)


def test_the_weight_is_of_the_reconstruction(world: World, tmp_path: Path):
    for weight in (0.5, 10.0):
        joint = JointConfig(targets=("depth",), weight=weight)
        config = JOINT.model_copy(update={"joint": joint, "samples": 16})
        metrics = transfer(config, world.transfer, None, tmp_path / str(weight))
        total = metrics["task_loss"] + weight * metrics["reconstruction_loss"]
        assert metrics["loss"] == pytest.approx(total)


def test_it_goes_on_where_it_was_stopped(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    config = JOINT.model_copy(update={"samples": 96, "checkpoint_every": 2})
    transfer(config, world.transfer, None, tmp_path / "whole")
    right = loop.save_training

    def last(*args: Any) -> None:
        right(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_training", last)
    with pytest.raises(KeyboardInterrupt):
        transfer(config, world.transfer, None, tmp_path / "cut")
    monkeypatch.setattr(loop, "save_training", right)
    transfer(config, world.transfer, None, tmp_path / "cut")
    whole, cut = (load_model(tmp_path / name).model.state_dict() for name in ("whole", "cut"))
    assert "reconstruction.decoder.linear.weight" in whole
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_what_joint_training_needs():
    assert "joint" not in TINY_TRANSFER.model_dump(), "keys of stages without it stay"
    assert TransferConfig.model_validate(JOINT.model_dump()) == JOINT
    with pytest.raises(ValueError, match="take the protocol finetune"):
        TransferConfig(protocol="linear", joint=JointConfig())
    with pytest.raises(ValueError, match="'semantic' cannot be reconstructed"):
        JointConfig(targets=("rgb", "semantic"))
    with pytest.raises(ValueError, match="name one sensor at least"):
        JointConfig(targets=())
