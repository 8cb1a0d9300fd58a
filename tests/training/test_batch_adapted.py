"""A jointly trained model that adapts to batches: what it predicts, which frames are together, and that the
number of steps comes from transfer frames."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine.store.access import EvalFrames, TransferFrames
from engine.store.errors import LeakError
from tests.training.conftest import ONE_THREAD, World
from tests.training.test_joint import JOINT
from tests.training.tiny_world import make_store
from training.adaptation import batch_adapted
from training.adaptation.batch_adapted import BatchAdaptedOutputs, MmrConfig, batches_of, choose_steps
from training.adaptation.mmr import adapt
from training.transfer.build import load_model
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.transfer import transfer

CPU = torch.device("cpu")
SCORING = EvaluateConfig(runtime=ONE_THREAD)
MMR = MmrConfig(rate=0.05, most_steps=3)


@pytest.fixture(scope="module")
def model(world: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A jointly trained segmenter."""
    folder = tmp_path_factory.mktemp("joint")
    transfer(JOINT, world.transfer, None, folder)
    return folder


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory) -> TransferFrames:
    """Labelled frames of two houses that nothing was learned from."""
    path = tmp_path_factory.mktemp("validation") / "store"
    store = make_store(path, pretrain=16, transfer=32, held_out=16, names=("elsewhere", "v0", "v1"))
    return TransferFrames(store, EvalFrames(store).spaces)


def outputs(made: BatchAdaptedOutputs, model: Path, frames: EvalFrames) -> np.ndarray:
    batches = list(made(load_model(model).model, frames, ["rgb"], 64, CPU, False, "test"))
    assert np.array_equal(np.concatenate([b["id"] for b, _ in batches]), np.arange(len(frames)))
    return torch.cat([output for _, output in batches]).numpy()


class Body(nn.Module):
    """A model without its head."""

    def __init__(self, encoder: nn.Module, features: Any):
        super().__init__()
        self.encoder, self.whole = encoder, [features]

    def forward(self, images: Any) -> Any:
        return self.whole[0](images)


@pytest.mark.parametrize("batching", ["random", "geographic", "room"])
def test_a_batch_is_predicted_after_the_pure_steps_on_it(world: World, model: Path, batching: Any):
    frames, config = world.eval, MMR.model_copy(update={"batching": batching})
    rooms = [i % 3 for i in range(len(frames))] if batching == "room" else None
    made = BatchAdaptedOutputs(config, 2, rooms)
    found = outputs(made, model, frames)
    whole = load_model(model).model
    body, reconstruction = Body(whole.encoder, whole.features), whole.reconstruction
    assert reconstruction is not None
    batches = batches_of(config, frames, rooms)
    assert len(batches) == made.measured["adapt_batches"]
    for ids in batches[:2]:
        images = {
            n: torch.from_numpy(v) for n, v in frames.read(ids, ["rgb", "depth", "normals", "edges"]).items()
        }
        targets = reconstruction.targets(images)
        *_, last = itertools.islice(adapt(body, reconstruction.decoder, images, targets, MMR.rate), 3)
        with torch.no_grad():
            np.testing.assert_allclose(found[ids], whole.decode(last.features).numpy(), atol=1e-5)
    assert made.measured["adapt_steps"] == 2
    assert made.measured["reconstruction_after"] < made.measured["reconstruction_before"]


def test_no_step_is_no_adaptation(world: World, model: Path, tmp_path: Path):
    made = BatchAdaptedOutputs(MMR, 0)
    plain = evaluate(SCORING, world.eval, model, tmp_path / "plain")
    same = evaluate(SCORING, world.eval, model, tmp_path / "adapted", outputs_of=made)
    assert same["miou"] == pytest.approx(plain["miou"], abs=1e-6)
    assert made.measured["reconstruction_after"] == made.measured["reconstruction_before"]


def test_targets_need_be_no_inputs_and_are_those_that_there_are(world: World, model: Path):
    all_of_them = outputs(BatchAdaptedOutputs(MMR, 1), model, world.eval)
    depth = MMR.model_copy(update={"targets": ("depth",)})
    assert not np.allclose(outputs(BatchAdaptedOutputs(depth, 1), model, world.eval), all_of_them)
    wrong = BatchAdaptedOutputs(MMR.model_copy(update={"targets": ("semantic",)}), 1)
    with pytest.raises(ValueError, match="names 'semantic', and the joint training had rgb, depth"):
        outputs(wrong, model, world.eval)
    whole = load_model(model).model
    whole.reconstruction = None
    with pytest.raises(ValueError, match="trained for its task alone"):
        list(BatchAdaptedOutputs(MMR, 1)(whole, world.eval, ["rgb"], 64, CPU, False, ""))


def test_steps_read_no_label(world: World, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Labels are read for the scores, and only when all frames have been adapted to."""
    read, right, adapted = [], EvalFrames.read, batch_adapted.adapted_features

    def watched(self: EvalFrames, ids: Any, names: Any) -> Any:
        read.append(set(names))
        return right(self, ids, names)

    def steps(*args: Any) -> Any:
        read.clear()
        found = adapted(*args)
        assert read
        assert not any(names & {"semantic", "instance"} for names in read)
        return found

    monkeypatch.setattr(EvalFrames, "read", watched)
    monkeypatch.setattr(batch_adapted, "adapted_features", steps)
    evaluate(SCORING, world.eval, model, tmp_path, outputs_of=BatchAdaptedOutputs(MMR, 1))
    assert any("semantic" in names for names in read)


def test_steps_are_chosen_on_transfer_frames_alone(
    world: World, model: Path, validation: TransferFrames, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: Any) -> None:
        raise AssertionError("a frame of evaluation was read")

    monkeypatch.setattr(EvalFrames, "read", refused)
    with pytest.raises(AssertionError, match="frame of evaluation"):
        world.eval.read([0], ["semantic"])
    chosen = choose_steps(MMR, SCORING, validation, model)
    assert len(chosen["scores"]) == MMR.most_steps + 1
    assert chosen["scores"][chosen["steps"]] == max(chosen["scores"])
    losses = chosen["reconstruction_by_steps"]
    assert losses == sorted(losses, reverse=True)
    with pytest.raises(AssertionError, match="transfer spaces only"):
        choose_steps(MMR, SCORING, world.eval, model)  # type: ignore[arg-type]
    with pytest.raises(LeakError, match="was labelled in the transfer of this model"):
        choose_steps(MMR, SCORING, world.transfer, model)


def test_chosen_scores_are_those_of_an_evaluation(
    model: Path, validation: TransferFrames, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The frames of validation as if they were evaluated: as many steps, the same score."""
    chosen = choose_steps(MMR, SCORING, validation, model)
    monkeypatch.setattr(EvalFrames, "role", "transfer")
    frames = EvalFrames(validation.store_path)
    for steps in (0, MMR.most_steps):
        made = BatchAdaptedOutputs(MMR, steps)
        found = evaluate(SCORING, frames, model, tmp_path / str(steps), outputs_of=made)
        assert found["miou"] == pytest.approx(chosen["scores"][steps], abs=1e-9)


def test_batches_are_of_one_house_room_or_walk(validation: TransferFrames):
    spaces = np.array(validation.space_of(range(len(validation))))
    rooms = np.random.default_rng(0).integers(-1, 3, len(validation)).tolist()
    for batching in ("random", "geographic", "room"):
        batches = batches_of(MmrConfig(batching=batching, size=4), validation, rooms)
        assert sorted(np.concatenate(batches).tolist()) == list(range(len(validation)))
        together = {len({(spaces[i], rooms[i]) for i in ids}) for ids in batches}
        houses = {len(set(spaces[ids])) for ids in batches}
        assert (together == {1}) == (batching == "room")
        assert (houses == {1}) == (batching != "random")
    with pytest.raises(ValueError, match="of the sampler dense: collect them with the sampler walk"):
        batches_of(MmrConfig(batching="walk"), validation)
    with pytest.raises(ValueError, match="need the floor plans"):
        batches_of(MmrConfig(batching="room"), validation)


def test_batches_of_a_walk_follow_each_other(validation: TransferFrames, monkeypatch: pytest.MonkeyPatch):
    walked = tuple(s.__class__(**{**vars(s), "sampler": "walk"}) for s in validation.spaces)
    monkeypatch.setattr(TransferFrames, "spaces", property(lambda _: walked))
    batches = batches_of(MmrConfig(batching="walk", size=5), validation)
    assert [len(ids) for ids in batches] == [5, 5, 6, 5, 5, 6]
    assert np.array_equal(np.concatenate(batches), np.arange(32))
