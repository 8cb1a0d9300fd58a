"""Label propagation: a teacher's guesses about the test space, and a student that sees no label of it."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from engine.store.access import EvalFrames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from engine.store.store import FrameRange, Store
from tests.training.conftest import ONE_THREAD, TINY_TRANSFER, World, with_classes
from tests.training.killing import have_the_same_weights, killed_at
from tests.training.tiny_world import draw_frames, make_store
from training.transfer import fit as loop
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.data import image_batches, pseudo_labelled
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.propagate import PropagateConfig, propagate
from training.transfer.tasks.segmentation.labels import CLASS_MAP
from training.transfer.tasks.segmentation.metrics import VOID
from training.transfer.transfer import transfer

CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=0)
GUESS = PropagateConfig(runtime=ONE_THREAD, batch=32)
TEACHER = TINY_TRANSFER.model_copy(update={"samples": 480, "lr": 2e-3})


@pytest.fixture(scope="module")
def teacher(world: World, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("teacher")
    transfer(TEACHER, world.transfer, None, folder)
    return folder


def test_pseudo_labels_are_what_the_teacher_is_sure_of(world: World, teacher, tmp_path):
    metrics = propagate(
        GUESS.model_copy(update={"confidence": 0.7}), teacher, world.pretrain, tmp_path / "sure"
    )
    propagate(GUESS.model_copy(update={"confidence": 0.0}), teacher, world.pretrain, tmp_path / "all")
    sure, every = (np.load(tmp_path / name / "labels.npy") for name in ("sure", "all"))
    model, task, _, _ = load_model(teacher)
    images = torch.from_numpy(world.pretrain.read(np.arange(96), ["rgb"])["rgb"])
    with torch.no_grad():
        chance, guess = model({"rgb": images}).softmax(1).max(1)
    assert every.shape == (96, 32, 32)
    assert (every == guess.numpy()).mean() > 0.999  # sums of other batches may differ in the last digit
    assert ((sure == VOID) != (chance < 0.7).numpy()).mean() < 0.001
    np.testing.assert_array_equal(sure[sure != VOID], every[sure != VOID])
    assert 0 < metrics["kept"] < 1
    assert metrics["kept"] == pytest.approx((sure != VOID).mean())
    assert list(metrics["share"]) == metrics["classes"] == task.summary()["classes"]


def test_labels_of_the_space_take_no_part(world: World, teacher, tmp_path):
    """Not as frames, and not through the teacher."""
    labelled: Any
    for labelled in (world.eval, world.transfer):
        with pytest.raises(AssertionError, match="unlabelled"):
            propagate(GUESS, teacher, labelled, tmp_path)
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    other = PretrainFrames(store)
    (home,) = other.spaces
    arrays = draw_frames(16, 32, np.random.default_rng(5))
    store.write_part(
        "t-1", arrays, [FrameRange(home.id, "transfer", "t-1", 0, 16)], [home], "0" * 8, [{"seed": 7}]
    )
    away = [s for s in store.spaces if s.id != home.id]
    cheat = TransferFrames(Store.open(store.path), away, spaces=[home])
    transfer(TINY_TRANSFER.model_copy(update={"samples": 16}), cheat, None, tmp_path / "cheat")
    with pytest.raises(LeakError, match="home"):
        propagate(GUESS, tmp_path / "cheat", other, tmp_path / "guessed")


@pytest.mark.parametrize("protocol", ["finetune", "linear"])
def test_a_student_learns_from_both_and_is_evaluated_in_the_space(world: World, teacher, tmp_path, protocol):
    propagate(GUESS, teacher, world.pretrain, tmp_path / "guessed")
    config = TEACHER.model_copy(update={"protocol": protocol, "pseudo_share": 0.25})
    given: Any = {"pseudo": tmp_path / "guessed", "pseudo_frames": world.pretrain}
    transfer(config, world.transfer, None, tmp_path / "student", **given)
    saved = json.loads((tmp_path / "student" / "config.json").read_text())
    assert {s["id"] for s in saved["labelled_spaces"]} == {"o0", "o1"}
    assert {s["id"] for s in saved["pseudo_labelled_spaces"]} == {"home"}
    scores = evaluate(CPU, world.eval, tmp_path / "student", tmp_path / "eval")
    assert scores["pixel_accuracy"] > 0.6


def test_a_batch_is_of_both_kinds_and_each_image_has_its_own_labels(world: World, teacher, tmp_path):
    propagate(GUESS, teacher, world.pretrain, tmp_path / "guessed")
    true = with_classes(world.transfer)
    taught, _ = pseudo_labelled(tmp_path / "guessed", world.pretrain, true.reader)
    batch = next(image_batches([(true, 12), (taught, 4)], ("rgb",), 1.0, False, 0, 0))
    labels = np.load(tmp_path / "guessed" / "labels.npy")
    for frames, truths, rows in (
        (world.transfer, next(true.labels(64))[CLASS_MAP], range(12)),
        (world.pretrain, labels, range(12, 16)),
    ):
        images = frames.read(np.arange(len(frames)), ["rgb"])["rgb"]
        for row in rows:
            (found,) = np.flatnonzero((images == batch.images["rgb"][row]).all(axis=(1, 2, 3)))
            np.testing.assert_array_equal(batch.labels[CLASS_MAP][row], truths[found])


def test_a_student_inherits_what_its_teacher_was_tuned_on(world: World, teacher, tmp_path):
    """Labels of o0 and o1 reach it at second hand, so it is not evaluated there, even if tuned elsewhere."""
    propagate(GUESS, teacher, world.pretrain, tmp_path / "guessed")
    once = TINY_TRANSFER.model_copy(update={"samples": 16})
    given: Any = {"pseudo": tmp_path / "guessed", "pseudo_frames": world.pretrain}
    only = TransferFrames(world.store, [world.pretrain], spaces=["o1"])
    transfer(once, only, None, tmp_path / "student", **given)
    arrays = draw_frames(16, 32, np.random.default_rng(5))
    store = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    first = [s for s in store.spaces if s.id == "o0"]
    store.write_part(
        "eval-1", arrays, [FrameRange("o0", "eval", "eval-1", 0, 16)], first, "0" * 8, [{"seed": 7}]
    )
    with pytest.raises(LeakError, match="o0"):
        evaluate(CPU, EvalFrames(store, ["o0"]), tmp_path / "student", tmp_path / "eval")
    # A student may teach in turn; what was guessed about is passed on too.
    propagate(GUESS, tmp_path / "student", world.pretrain, tmp_path / "again")
    facts = json.loads((tmp_path / "again" / "config.json").read_text())
    assert {s["id"] for s in facts["labelled_spaces"]} == {"o0", "o1"}
    assert {s["id"] for s in facts["pseudo_labelled_spaces"]} == {"home"}


def test_a_student_killed_and_resumed_gives_the_same_bits(world: World, teacher, tmp_path):
    propagate(GUESS, teacher, world.pretrain, tmp_path / "guessed")
    config = TINY_TRANSFER.model_copy(update={"crop": 0.8, "drop_path": 0.2})
    given: Any = {"pseudo": tmp_path / "guessed", "pseudo_frames": world.pretrain}
    transfer(config, world.transfer, None, tmp_path / "whole", **given)
    with killed_at(3, loop):
        transfer(config, world.transfer, None, tmp_path / "cut", **given)
    transfer(config, world.transfer, None, tmp_path / "cut", **given)
    assert have_the_same_weights(tmp_path / "whole", tmp_path / "cut")


def test_what_does_not_fit_is_refused(world: World, teacher, tmp_path):
    propagate(GUESS, teacher, world.pretrain, tmp_path / "guessed")
    with pytest.raises(ValueError, match="or neither"):
        transfer(TINY_TRANSFER, world.transfer, None, tmp_path / "s", pseudo=tmp_path / "guessed")
    other = make_store(tmp_path / "store", pretrain=16, transfer=16, held_out=16)
    given: Any = {"pseudo": tmp_path / "guessed", "pseudo_frames": PretrainFrames(other)}
    with pytest.raises(ValueError, match="of other frames"):
        transfer(TINY_TRANSFER, world.transfer, None, tmp_path / "s", **given)
    given["pseudo_frames"] = world.pretrain
    for update in ({"protocol": "knn"}, {"batch": 1}, {"pseudo_share": 0.01}):
        config = TransferConfig.model_validate(TINY_TRANSFER.model_dump() | update)
        with pytest.raises(ValueError, match="at least one frame of either kind"):
            transfer(config, world.transfer, None, tmp_path / "s", **given)
