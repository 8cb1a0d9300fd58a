"""Two workers are one worker: gradients, losses, weights; so are forward passes of any size."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.training.conftest import World, mm
from tests.training.killing import killed_at
from tests.training.two_workers import FP32, both, gradients
from training.common.checkpoint import load_tensors
from training.pretrain import pretrain as loop
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import Lanes, passes_of
from training.pretrain.multimodal.masking import Component, MaskingConfig
from training.pretrain.pretrain import pretrain

UNEVEN = MaskingConfig(
    inputs=24, targets=40, overflow="lose", mixture=(Component(inputs=0.05, targets=0.05),), repeats=2
)


@pytest.fixture(scope="module")
def two(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which two workers have been."""
    folder = tmp_path_factory.mktemp("two")
    runs = {p: {"parallel": p, "micro_batch": 3, "again": False} for p in ("ddp", "fsdp")}
    return both(folder, world.store.path, world.tokenizers, runs)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_gradients_of_two_workers_are_those_of_one(world: World, two: Path, parallel: str):
    alone, losses = gradients(FP32, world.pretrain, world.tokenizers, 0, 1)
    shared, theirs = load_tensors(two / f"{parallel}.safetensors")
    assert theirs == pytest.approx(losses, rel=1e-5)
    assert shared.keys() == alone.keys()
    for name, gradient in alone.items():
        torch.testing.assert_close(shared[name], gradient, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_losses_and_weights_of_two_workers_are_those_of_one(world: World, two: Path, tmp_path, parallel: str):
    alone = pretrain(FP32, world.pretrain, world.tokenizers, tmp_path / "alone")
    theirs = json.loads((two / parallel / "metrics.json").read_text())
    np.testing.assert_allclose(theirs["curve"], alone["curve"], rtol=1e-4)
    assert (theirs["workers"], theirs["passes"]) == (2, 3)
    assert theirs["parameters"] == alone["parameters"]
    # Taken up by one worker where two were killed.
    one = pretrain(FP32, world.pretrain, world.tokenizers, two / f"{parallel}-cut")
    np.testing.assert_allclose(one["curve"], alone["curve"], rtol=1e-4)
    weights = [load_tensors(d / "model.safetensors")[0] for d in (tmp_path / "alone", two / parallel)]
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=1e-3)


@pytest.mark.parametrize("objective", ["mm", "mae"])
@pytest.mark.parametrize("weighting", ["modality", "token"])
def test_passes_of_any_size_make_the_same_step(world: World, objective: str, weighting: str):
    """Also where samples have unequal numbers of targets of each modality, and some a pass without any."""
    changes = {"objective": objective, "lanes": 4, **mm(weighting=weighting, masking=UNEVEN)}
    config = FP32.model_copy(update=changes)
    whole, losses = gradients(config, world.pretrain, world.tokenizers, 0, 1)
    for micro in (1, 3):
        parts, theirs = gradients(
            config.model_copy(update={"micro_batch": micro}), world.pretrain, world.tokenizers, 0, 1
        )
        assert theirs == pytest.approx(losses, rel=1e-5)
        for name, gradient in whole.items():
            torch.testing.assert_close(parts[name], gradient, rtol=1e-5, atol=1e-5)


def test_a_killed_run_goes_on_with_other_passes(world: World, tmp_path):
    whole = pretrain(FP32, world.pretrain, world.tokenizers, tmp_path / "whole")
    with killed_at(3, loop):
        pretrain(FP32, world.pretrain, world.tokenizers, tmp_path / "cut")
    cut = pretrain(
        FP32.model_copy(update={"micro_batch": 5}), world.pretrain, world.tokenizers, tmp_path / "cut"
    )
    np.testing.assert_allclose(cut["curve"], whole["curve"], rtol=1e-4)


def test_lanes_are_shared_out():
    lanes = Lanes(8, 4, 0)
    for size in range(1, 9):
        shares = [lanes.of(rank, size) for rank in range(size)]
        assert [lane for share in shares for lane in share] == list(range(8))
        assert max(map(len, shares)) - min(map(len, shares)) <= 1
    assert passes_of(lanes, 3, None) == 1
    assert passes_of(lanes, 3, 4) == 3
    assert passes_of(lanes, 1, 5) == 7
    with pytest.raises(ValueError, match="9 workers share the 8 lanes"):
        lanes.check(9)


def test_every_number_of_workers_sees_the_same_frames(world: World):
    lanes = PretrainConfig(batch=12, lanes=6).split
    frames = world.pretrain
    seen = []
    for size in (1, 2, 4):
        each = [
            lanes.batches(frames, ["pose"], mine, lanes.tickets(frames, mine, 5))
            for mine in (lanes.of(rank, size) for rank in range(size))
        ]
        seen.append([np.concatenate([next(b)["id"] for b in each]).tolist() for _ in range(20)])
    assert seen[0] == seen[1] == seen[2]
    # 96 frames, 8 steps of 12: steps 8 to 15 are an epoch, and every frame is in it once.
    assert sorted(i for step in seen[0][3:11] for i in step) == list(range(96))
