"""Pre-training on several stores in proportion, the transfer mix-in, and going on from a finished one."""

import json
import shutil
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import PretrainFrames, UnlabelledTransferFrames
from engine.store.errors import LeakError
from engine.stream.mixture import MixedFrames
from tests.training.conftest import MODALITIES, TINY_ENCODER, TINY_PRETRAIN, World
from tests.training.tiny_world import make_store
from training.common.checkpoint import load_tensors
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.launch import PretrainCommand, Source, launch_pretrain, pretrain_command
from training.pretrain.pretrain import pretrain
from training.tokenizers.tokenize_store import tokenize

MAE = TINY_PRETRAIN.model_copy(update={"objective": "mae", "samples": 32})
SHORT = TINY_PRETRAIN.model_copy(update={"samples": 32})


def test_two_stores_in_proportion(world: World, tmp_path):
    other = make_store(tmp_path / "other").path
    pair = [Source(store=world.store.path, share=0.75), Source(store=other, share=0.25)]
    mixed = launch_pretrain(MAE, pair, {}, tmp_path / "mixed", use_ray=False)
    views = MixedFrames([PretrainFrames(world.store.path), PretrainFrames(other)], [3, 1])
    assert mixed["frames_digest"] == views.digest()
    alone = launch_pretrain(MAE, [Source(store=world.store.path)], {}, tmp_path / "alone", use_ray=False)
    assert mixed["loss"] != alone["loss"]


def test_the_mix_in_shows_what_is_sensed_of_transfer_houses_and_never_a_label(world: World, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(world.store.path, store)
    sources = [Source(store=store, share=0.9), Source(store=store, share=0.1, role="transfer")]
    with pytest.raises(ValueError, match="of role transfer: tokenize it first"):
        launch_pretrain(SHORT, sources, world.tokenizers, tmp_path / "out", use_ray=False)
    for modality in MODALITIES:
        tokenize(store, modality, world.tokenizers[modality], threads=1, role="transfer")
    metrics = launch_pretrain(SHORT, sources, world.tokenizers, tmp_path / "out", use_ray=False)
    assert metrics["steps"] == 2
    view = UnlabelledTransferFrames(store)
    assert "semantic" not in view.modalities
    with pytest.raises(LeakError, match="semantic"):
        view.read([0], ["semantic"])
    with pytest.raises(LeakError, match="semantic"):
        MixedFrames([PretrainFrames(store), view], [1, 1]).read([0], ["semantic"])
    with pytest.raises(LeakError, match="TransferFrames of"):
        pretrain(MAE, MixedFrames([world.pretrain, world.transfer], [1, 1]), {}, tmp_path / "leak")


def test_a_store_of_the_mixture_without_tokens_is_named(world: World, tmp_path):
    bare = make_store(tmp_path / "bare").path
    sources = [Source(store=path) for path in (world.store.path, bare)]
    with pytest.raises(ValueError, match="bare has no tokens of"):
        launch_pretrain(SHORT, sources, world.tokenizers, tmp_path / "out", use_ray=False)


def test_command_with_a_mix(world: World, tmp_path, capsys):
    command = PretrainCommand(
        store=world.store.path,
        mix=(Source(store=world.store.path, share=0.1, role="transfer"),),
        out=tmp_path,
        pretrain=MAE,
        ray=False,
    )
    pretrain_command(command)
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    with pytest.raises(ValueError, match="leave nothing"):
        pretrain_command(command.model_copy(update={"mix": (Source(store=tmp_path, share=1.0),)}))


def start(config: PretrainConfig, world: World, tmp_path: Any, **changes: Any) -> Any:
    return pretrain(
        config.model_copy(update=changes),
        world.pretrain,
        world.tokenizers,
        tmp_path / "second",
        start_from=tmp_path / "first",
    )


def test_going_on_from_a_finished_pretraining(world: World, tmp_path):
    first = pretrain(SHORT, world.pretrain, world.tokenizers, tmp_path / "first")
    still = start(SHORT, world, tmp_path, samples=16, base_lr=1e-12, weight_decay=0.0)
    assert still["warm_start"] == {"from": str(tmp_path / "first"), "frames_digest": first["frames_digest"]}
    weights = [load_tensors(tmp_path / d / "model.safetensors")[0] for d in ("first", "second")]
    assert weights[0].keys() == weights[1].keys()
    for name, value in weights[0].items():
        torch.testing.assert_close(weights[1][name], value, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"encoder": TINY_ENCODER.model_copy(update={"dim": 128})}, "encoder: "),
        ({"decoder_depth": 2}, "decoder_depth: 1 there, 2 here"),
        ({"modalities": ("rgb", "depth")}, "modalities: "),
        ({"objective": "mae"}, "objective: 'mm' there"),
        ({"warm_start": "somewhere"}, "not from both"),
    ],
)
def test_what_differs_from_the_one_before_is_named(world: World, tmp_path, changes, named):
    pretrain(SHORT, world.pretrain, world.tokenizers, tmp_path / "first")
    with pytest.raises(ValueError, match=named):
        start(SHORT, world, tmp_path, **changes)


def test_draws_and_weights_have_seeds_of_their_own(world: World, tmp_path):
    config = SHORT.model_copy(update={"seed": 3})
    assert config.draw_seed == 3
    apart = config.model_copy(update={"draws": 4})
    assert apart.draw_seed == 4
    same = [build_objective(c, world.pretrain, world.tokenizers).state_dict() for c in (config, apart)]
    assert all(torch.equal(value, same[1][name]) for name, value in same[0].items())
    losses = [
        pretrain(c, world.pretrain, world.tokenizers, tmp_path / str(i))["loss"]
        for i, c in enumerate((config, apart))
    ]
    assert np.abs(losses[0] - losses[1]) > 0
