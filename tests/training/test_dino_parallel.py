"""`dino` on two workers is `dino` on one; killed and taken up again it comes to the same bits."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.training.conftest import World
from tests.training.killing import have_the_same_weights, killed_at
from tests.training.two_workers import FP32, both, gradients
from training.common.checkpoint import load_tensors
from training.pretrain import pretrain as loop
from training.pretrain.config import PretrainConfig
from training.pretrain.dino.dino import DinoConfig
from training.pretrain.pretrain import pretrain

pytestmark = pytest.mark.slow

HEADS = {"crops": {"local_crops": 2}, "hidden": 32, "bottleneck": 16, "prototypes": 24}
RUNS: dict[str, dict[str, Any]] = {
    "ddp": {"parallel": "ddp"},
    "softmax": {"parallel": "ddp", "dino": {**HEADS, "centring": "softmax"}},
    "fsdp": {"parallel": "fsdp"},
}
ALL = {"objective": "dino", "dino": HEADS, "again": True}


def config_of(run: str) -> PretrainConfig:
    changes = {k: v for k, v in (ALL | RUNS[run]).items() if k != "again"}
    return FP32.model_copy(update=changes | {"dino": DinoConfig.model_validate(changes["dino"])})


@pytest.fixture(scope="module")
def two(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two workers have been."""
    folder = tmp_path_factory.mktemp("two")
    return both(folder, world.store.path, {}, {name: ALL | run for name, run in RUNS.items()})


@pytest.mark.parametrize("run", RUNS)
def test_gradients_of_two_workers_are_those_of_one(world: World, two: Path, run: str):
    """KoLeo's neighbours too, some of which the other worker has."""
    alone, losses = gradients(config_of(run), world.pretrain, {}, 0, 1)
    shared, theirs = load_tensors(two / f"{run}.safetensors")
    assert theirs == pytest.approx(losses, rel=1e-5)
    assert shared.keys() == alone.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("run", RUNS)
def test_losses_teacher_and_centre_of_two_workers_are_those_of_one(
    world: World, two: Path, tmp_path: Path, run: str
):
    alone = pretrain(config_of(run), world.pretrain, {}, tmp_path / "alone")
    theirs = json.loads((two / run / "metrics.json").read_text())
    np.testing.assert_allclose(theirs["curve"], alone["curve"], rtol=1e-4)
    assert theirs["workers"] == 2
    weights, other = (load_tensors(d / "model.safetensors")[0] for d in (tmp_path / "alone", two / run))
    assert weights.keys() == other.keys()
    assert ("truth.image.centre" in weights) == (run == "softmax")
    for name, value in weights.items():
        torch.testing.assert_close(other[name], value, rtol=0, atol=1e-3)


@pytest.mark.parametrize("run", RUNS)
def test_two_workers_that_are_killed_go_on_to_the_same_bits(two: Path, run: str):
    whole, cut = ((two / d / "model.safetensors").read_bytes() for d in (run, f"{run}-cut"))
    assert whole == cut
    curves = [json.loads((two / d / "metrics.json").read_text())["curve"] for d in (run, f"{run}-cut")]
    assert curves[0] == curves[1]


@pytest.mark.parametrize("run", ["ddp", "softmax"])
def test_one_worker_that_is_killed_goes_on_to_the_same_bits(world: World, tmp_path: Path, run: str):
    config = config_of(run)
    pretrain(config, world.pretrain, {}, tmp_path / "whole")
    with killed_at(3, loop):
        pretrain(config, world.pretrain, {}, tmp_path / "cut")
    pretrain(config, world.pretrain, {}, tmp_path / "cut")
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")
