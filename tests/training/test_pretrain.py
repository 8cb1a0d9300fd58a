"""Pre-training: it learns, resumes to the same bits, stops when it blows up, and sees only what it may."""

import json
import os
import secrets
import signal
import struct
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboardX.proto import event_pb2

from engine.store.access import PretrainFrames
from engine.store.errors import LeakError
from tests.training.conftest import TINY_PRETRAIN, World
from tests.training.killing import have_the_same_weights, killed_at
from training.common import checkpoint
from training.common.checkpoint import STATE
from training.common.optimiser import make_adamw, set_rate, warmup_cosine
from training.models.encoder import EncoderConfig
from training.models.modality import TokenSpec
from training.pretrain import pretrain as loop
from training.pretrain.build import build_objective
from training.pretrain.config import PretrainConfig
from training.pretrain.dataloader import Lanes
from training.pretrain.multimodal.masking import ALL_TO_ALL, Component, MaskingConfig
from training.pretrain.multimodal.multimodal import MultimodalConfig, MultimodalObjective
from training.pretrain.pretrain import pretrain

OBJECTIVES = ("mm", "mae")
GOLDEN = Path(__file__).parents[1] / "golden" / "pretrain_losses.json"


def config(objective: str, **kwargs: Any) -> PretrainConfig:
    return TINY_PRETRAIN.model_copy(update={"objective": objective, **kwargs})


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_batch_with_one_mask_can_be_learnt_by_heart(world: World, objective: str):
    model = build_objective(config(objective), world.pretrain, world.tokenizers)
    arrays = world.pretrain.read(np.arange(8), model.reads)
    batch = model.prepare(arrays, np.random.default_rng(0))
    optimiser = make_adamw(model, 0.0)
    set_rate(optimiser, 2e-3)
    losses = []
    for _ in range(100):
        loss = model(batch)["total"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


def test_first_loss_is_that_of_an_even_guess(world: World):
    model = build_objective(config("mm"), world.pretrain, world.tokenizers)
    batch = model.prepare(world.pretrain.read(np.arange(32), model.reads), np.random.default_rng(0))
    with torch.no_grad():
        total = model(batch)["total"].item()
    # Random heads add some variance of logits on top of ln(codes).
    assert np.log(32) - 0.1 < total < np.log(32) + 1.0


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_killed_and_resumed_gives_the_same_bits(world: World, objective: str, tmp_path):
    whole = pretrain(config(objective), world.pretrain, world.tokenizers, tmp_path / "whole")

    with killed_at(5, loop):
        pretrain(config(objective), world.pretrain, world.tokenizers, tmp_path / "cut")
    assert (tmp_path / "cut" / STATE).exists()
    assert not (tmp_path / "cut" / "metrics.json").exists()
    cut = pretrain(config(objective), world.pretrain, world.tokenizers, tmp_path / "cut")
    assert cut["curve"] == whole["curve"]
    assert cut["loss"] == whole["loss"]
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")
    assert not (tmp_path / "cut" / STATE).exists()


def train_and_die(store: Path, tokenizers: dict[str, Path], out: Path, step: int) -> None:
    """What a process of its own does: it is killed, as it stands, at a step."""
    torch.set_num_threads(1)
    rate = loop.warmup_cosine

    def die(*args: Any) -> float:
        if args[0] == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return rate(*args)

    loop.warmup_cosine = die
    pretrain(config("mm", checkpoint_every=1), PretrainFrames(store), tokenizers, out)


def test_killed_at_any_step_it_gives_the_same_bits(world: World, tmp_path):
    """Also while a checkpoint is being written, which then does not count."""
    step = secrets.randbelow(6)
    arguments = (world.store.path, world.tokenizers, tmp_path / "cut", step)
    process = get_context("spawn").Process(target=train_and_die, args=arguments)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    every = config("mm", checkpoint_every=1)
    cut = pretrain(every, world.pretrain, world.tokenizers, tmp_path / "cut")
    whole = pretrain(every, world.pretrain, world.tokenizers, tmp_path / "whole")
    assert cut["curve"] == whole["curve"], f"killed at step {step}"
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut"), f"killed at step {step}"


def test_a_checkpoint_that_cannot_be_written_stops_the_run(world: World, tmp_path, monkeypatch):
    def full(*_args: Any) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_tensors", full)
    with pytest.raises(OSError, match="no space left"):
        pretrain(config("mae"), world.pretrain, {}, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_a_snapshot_is_of_one_moment(world: World, tmp_path):
    model = build_objective(config("mae"), world.pretrain, {})
    optimiser = make_adamw(model, 0.0)
    tensors = checkpoint.snapshot(model, optimiser)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    with checkpoint.Writer(tmp_path / "state") as writer:
        writer.save(tensors, {"step": 1})
    assert checkpoint.load_training(tmp_path / "state", model, optimiser) == {"step": 1}
    assert all(p.abs().sum() > 0 for n, p in model.named_parameters() if n.endswith("weight"))


def test_another_seed_gives_another_run(world: World, tmp_path):
    a = pretrain(config("mae", samples=32), world.pretrain, {}, tmp_path / "a")
    b = pretrain(config("mae", samples=32, seed=1), world.pretrain, {}, tmp_path / "b")
    assert a["loss"] != b["loss"]


def test_outputs_and_metrics(world: World, tmp_path):
    metrics = pretrain(config("mm"), world.pretrain, world.tokenizers, tmp_path)
    assert json.loads((tmp_path / "metrics.json").read_text()) == metrics
    assert metrics["steps"] == 6
    assert [p[0] for p in metrics["curve"]] == [1, 2, 3, 4, 5, 6]
    assert set(metrics["losses"]) == {"total", "rgb", "depth", "normals", "edges"}
    saved = json.loads((tmp_path / "config.json").read_text())
    assert PretrainConfig.model_validate(saved["pretrain"]) == config("mm")


def test_metrics_of_every_step_are_there_for_tensorboard(world: World, tmp_path):
    metrics = pretrain(config("mm"), world.pretrain, world.tokenizers, tmp_path)
    assert 0 < metrics["mfu"] < 1
    assert metrics["tokens_per_second"] == pytest.approx(56 * metrics["samples_per_second"])
    assert 0 <= metrics["data_wait_share"] <= 1
    (file,) = (tmp_path / "tensorboard").iterdir()
    points: dict[str, list[float]] = {}
    event_type: Any = vars(event_pb2)["Event"]
    for record in records(file.read_bytes()):
        event = event_type.FromString(record)
        for value in event.summary.value:
            points.setdefault(value.tag, []).append(value.simple_value)
    assert {len(values) for values in points.values()} == {6}
    losses = {f"loss/{m}" for m in ("total", "rgb", "depth", "normals", "edges")}
    machine = {f"machine/{m}" for m in ("tokens_per_second", "data_wait_share", "mfu", "memory_mb")}
    assert points.keys() == losses | machine | {"learning_rate", "gradient_norm"}
    np.testing.assert_allclose(points["loss/total"], [p[1] for p in metrics["curve"]], rtol=1e-6)


def records(data: bytes) -> Iterator[bytes]:
    """Of a TFRecord file: length (8 bytes), its checksum (4), the record, its checksum (4)."""
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield data[at + 12 : at + 12 + length]
        at += length + 16


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step(world: World, tmp_path, monkeypatch):
    build, models = loop.build_objective, []

    def keep(*args: Any) -> Any:
        models.append(build(*args))
        return models[-1]

    def spoil_at_step_3(*args: Any) -> float:
        if args[0] == 3:
            with torch.no_grad():
                models[0].encoder.norm.weight.fill_(float("nan"))
        return warmup_cosine(*args)

    monkeypatch.setattr(loop, "build_objective", keep)
    monkeypatch.setattr(loop, "warmup_cosine", spoil_at_step_3)
    with pytest.raises(FloatingPointError, match="step 3"):
        pretrain(config("mae"), world.pretrain, {}, tmp_path)
    assert not (tmp_path / "metrics.json").exists()


def test_only_pretraining_frames_and_never_a_label(world: World, tmp_path):
    for frames in (world.transfer, world.eval):
        with pytest.raises(LeakError, match="must hold no label"):
            pretrain(config("mae"), frames, {}, tmp_path)
    model = build_objective(config("mm"), world.pretrain, world.tokenizers)
    assert "semantic" not in model.reads
    with pytest.raises(LeakError):
        world.pretrain.read([0], ["semantic"])


def test_what_does_not_fit_is_said(world: World, tmp_path):
    with pytest.raises(ValueError, match="no tokenizer for"):
        pretrain(config("mm"), world.pretrain, {}, tmp_path)
    with pytest.raises(ValueError, match="must be among the modalities"):
        pretrain(config("mm", modalities=("depth", "edges")), world.pretrain, world.tokenizers, tmp_path)
    with pytest.raises(ValueError, match="Extra inputs"):
        PretrainConfig.model_validate({"stepps": 3})


def test_a_batch_counts_samples_and_lanes_read_frames():
    four = MultimodalConfig(masking=MaskingConfig(repeats=4))
    assert PretrainConfig(batch=64, mm=four).split == Lanes(8, 2, 0)
    assert PretrainConfig(batch=64, mm=four, objective="mae", draws=3).split == Lanes(8, 8, 3)
    assert PretrainConfig(batch=36, lanes=6).split == Lanes(6, 6, 0)
    with pytest.raises(ValueError, match="4 samples of each"):
        PretrainConfig(batch=18, mm=four).split  # noqa: B018


def test_schedule_rises_linearly_and_ends_at_nothing():
    rates = [warmup_cosine(s, 100, 10, 2.0) for s in range(101)]
    assert rates[:10] == pytest.approx([0.2 * (i + 1) for i in range(10)])
    assert rates[55] == pytest.approx(1.0)
    assert rates[100] == pytest.approx(0.0)
    assert max(rates) == pytest.approx(2.0)


def test_no_decay_on_norms_biases_and_embeddings(world: World):
    model = build_objective(config("mm"), world.pretrain, world.tokenizers)
    names = {id(p): n for n, p in model.named_parameters()}
    decayed = {
        names[id(p)] for g in make_adamw(model, 0.05).param_groups if g["weight_decay"] for p in g["params"]
    }
    assert "model.encoder.blocks.0.attention.qkv.weight" in decayed
    free = set(names.values()) - decayed
    assert {
        "model.encoder.rgb_embedding",
        "model.modality_embedding.depth",
        "model.encoder.norm.weight",
    } <= free
    assert all("norm" in n or "embedding" in n or n.endswith("bias") for n in free)


def golden_losses() -> list[float]:
    """Total losses of a few fp32 steps on drawn tokens: model, masks, losses and optimiser together."""
    specs = tuple(TokenSpec(n, f"tok_{n}", 4, 16, pixels=n == "rgb") for n in ("rgb", "depth", "edges"))
    masking = MaskingConfig(inputs=12, targets=16, mixture=(*ALL_TO_ALL, Component(inputs={"rgb": 1000.0})))
    model = MultimodalObjective(EncoderConfig(dim=64, depth=2, patch=8), 32, specs, masking, 1, seed=5)
    optimiser = make_adamw(model, 0.05)
    losses = []
    for step in range(6):
        rng = np.random.default_rng((5, step))
        rgb = rng.integers(0, 256, (8, 32, 32, 3)).astype(np.uint8)
        tokens = {s.array: (rgb[:, ::8, ::8, i] // 16).astype(np.uint16) for i, s in enumerate(specs)}
        set_rate(optimiser, warmup_cosine(step, 6, 2, 1e-3))
        values = model(model.prepare({"rgb": rgb, **tokens}, rng))
        optimiser.zero_grad()
        values["total"].backward()
        optimiser.step()
        losses.append(values["total"].item())
    return losses


def test_losses_are_those_recorded():
    """A change of the numbers must be meant: then record anew what `golden_losses` gives."""
    np.testing.assert_allclose(golden_losses(), json.loads(GOLDEN.read_text()), rtol=1e-4)
