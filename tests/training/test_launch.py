"""The loop through Ray Train is the loop in this process."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.cluster import ray_session
from tests.training.conftest import TINY_PRETRAIN, World
from tests.training.killing import killed_at
from training.pretrain import pretrain as loop
from training.pretrain.launch import PretrainCommand, Source, launch_pretrain, pretrain_command


def read(folder: Path) -> tuple[bytes, Any]:
    return (folder / "model.safetensors").read_bytes(), json.loads((folder / "metrics.json").read_text())[
        "curve"
    ]


# Ray warns of settings that it reads itself.
@pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")
@pytest.mark.ray
@pytest.mark.slow
def test_a_killed_run_taken_up_by_ray_gives_the_bits_of_this_process(world: World, tmp_path):
    sources = [Source(store=world.store.path)]
    here = launch_pretrain(TINY_PRETRAIN, sources, world.tokenizers, tmp_path / "here", use_ray=False)
    with killed_at(5, loop):
        launch_pretrain(TINY_PRETRAIN, sources, world.tokenizers, tmp_path / "cut", use_ray=False)
    with ray_session(2):
        launch_pretrain(TINY_PRETRAIN, sources, world.tokenizers, tmp_path / "cut")
    assert read(tmp_path / "cut") == read(tmp_path / "here")
    assert here["steps"] == 6


def test_command_in_this_process(world: World, tmp_path, capsys):
    config = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 16})
    command = PretrainCommand(store=world.store.path, out=tmp_path, pretrain=config, ray=False)
    pretrain_command(command)
    assert json.loads(capsys.readouterr().out)["steps"] == 1


def test_a_worker_has_a_lane(world: World, tmp_path):
    sources = [Source(store=world.store.path)]
    with pytest.raises(ValueError, match="9 workers share the 8 lanes"):
        launch_pretrain(TINY_PRETRAIN, sources, world.tokenizers, tmp_path, workers=9)
