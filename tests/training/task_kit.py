"""What every task must fulfil: a test class of a task inherits `TaskKit` and sets `name` and `metric`."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.store.access import EvalFrames, Frames, PretrainFrames, TransferFrames
from engine.store.errors import LeakError
from engine.store.store import FrameRange
from tests.training.conftest import ONE_THREAD, TINY_TRANSFER, World
from tests.training.killing import have_the_same_weights, killed_at
from tests.training.tiny_world import draw_frames, make_store
from training.transfer import fit as loop
from training.transfer.build import load_model
from training.transfer.config import TransferConfig
from training.transfer.data import LabelledFrames
from training.transfer.evaluate import EvaluateConfig, evaluate
from training.transfer.propagate import PropagateConfig, propagate
from training.transfer.task import TrainingProtocol
from training.transfer.tasks.registry import TASKS
from training.transfer.transfer import transfer

CPU = EvaluateConfig(runtime=ONE_THREAD, pictures=2)


def evaluated_where_labelled(folder: Path) -> tuple[TransferFrames, EvalFrames]:
    """Transfer frames, and evaluation frames of one of their spaces, "o0"."""
    store = make_store(folder, pretrain=16, transfer=16, held_out=16)
    frames = TransferFrames(store, [PretrainFrames(store)])
    arrays = draw_frames(16, 32, np.random.default_rng(5))
    spaces = [s for s in frames.spaces if s.id == "o0"]
    store.write_part(
        "eval-1", arrays, [FrameRange("o0", "eval", "eval-1", 0, 16)], spaces, "0" * 8, [{"seed": 7}]
    )
    return frames, EvalFrames(store, ["o0"])


class TaskKit:
    name: str
    metric: str
    higher_is_better: bool = True
    budget: dict[TrainingProtocol, dict[str, Any]] = {
        "finetune": {"samples": 480, "lr": 2e-3},
        "linear": {"samples": 480, "lr": 1e-2},
        "knn": {},
    }
    """Fields of a transfer that learns the task in a few seconds, by protocol."""

    def config(self, protocol: TrainingProtocol, **fields: Any) -> TransferConfig:
        """A small transfer of the task, validated."""
        data = TINY_TRANSFER.model_dump() | {"task": self.name, "protocol": protocol}
        return TransferConfig.model_validate(data | self.budget[protocol] | fields)

    @property
    def protocols(self) -> tuple[TrainingProtocol, ...]:
        return TASKS[self.name].protocols

    def test_every_protocol_learns_it_and_the_scores_are_written(self, world: World, tmp_path):
        for protocol in self.protocols:
            tuned, scores = tmp_path / protocol, tmp_path / f"{protocol}-scores"
            transfer(self.config(protocol), world.transfer, None, tuned)
            metrics = evaluate(CPU, world.eval, tuned, scores)
            assert json.loads((scores / "metrics.json").read_text()) == metrics
            if protocol == "knn":
                continue
            barely = tmp_path / f"{protocol}-barely"
            transfer(self.config(protocol, samples=16, lr=1e-9), world.transfer, None, barely)
            before = evaluate(CPU, world.eval, barely, tmp_path / f"{protocol}-before")
            gain = metrics[self.metric] - before[self.metric]
            assert (gain if self.higher_is_better else -gain) > 0, protocol

    def test_metrics_are_of_the_whole_set_whatever_the_batch(self, world: World, tmp_path):
        protocol = self.protocols[0]
        transfer(self.config(protocol, samples=160), world.transfer, None, tmp_path / "tuned")
        whole, parts = (
            evaluate(CPU.model_copy(update={"batch": batch}), world.eval, tmp_path / "tuned", tmp_path / name)
            for batch, name in ((32, "whole"), (5, "parts"))
        )
        assert parts[self.metric] == pytest.approx(whole[self.metric], rel=1e-3)

    def test_killed_and_resumed_gives_the_same_bits(self, world: World, tmp_path):
        for protocol in self.protocols:
            if protocol == "knn":
                continue
            fields = {"crop": 0.7, "drop_path": 0.3} if protocol == "finetune" else {}
            config = self.config(protocol, samples=96, **fields)
            whole, cut = tmp_path / f"{protocol}-whole", tmp_path / f"{protocol}-cut"
            transfer(config, world.transfer, None, whole)
            with killed_at(3, loop):
                transfer(config, world.transfer, None, cut)
            transfer(config, world.transfer, None, cut)
            assert have_the_same_weights(whole, cut), protocol

    def test_no_label_of_the_test_space_is_read_before_evaluation(self, world: World, tmp_path, monkeypatch):
        read: list[tuple[type[Frames], str]] = []
        original = Frames.read

        def noted(self: Frames, ids: Any, modalities: Any) -> Any:
            read.extend((type(self), name) for name in modalities)
            return original(self, ids, modalities)

        monkeypatch.setattr(Frames, "read", noted)
        config = self.config(self.protocols[0], samples=16)
        transfer(config, world.transfer, None, tmp_path / "tuned")
        wanted = set(config.own.label_reader(world.transfer.labels).reads)
        assert {name for view, name in read if view is TransferFrames} == {*config.inputs, *wanted}
        assert {view for view, _ in read} == {TransferFrames}, "transfer reads frames of another kind"
        evaluate(CPU, world.eval, tmp_path / "tuned", tmp_path / "scores")
        assert {view for view, _ in read} == {TransferFrames, EvalFrames}

    def test_a_planted_look_at_the_test_space_is_found(self, world: World, tmp_path, monkeypatch):
        """The test before this one fails where labels of evaluation frames are read in a transfer."""
        split = LabelledFrames.split

        def looking(self: LabelledFrames, batch: Any, inputs: Any) -> Any:
            world.eval.read(np.arange(4), self.reader.reads)
            return split(self, batch, inputs)

        monkeypatch.setattr(LabelledFrames, "split", looking)
        with pytest.raises(AssertionError, match="frames of another kind"):
            self.test_no_label_of_the_test_space_is_read_before_evaluation(world, tmp_path, monkeypatch)

    def test_views_that_show_the_test_space_are_refused(self, world: World, tmp_path):
        config = self.config(self.protocols[0], samples=16)
        frames: Any
        for frames in (world.pretrain, world.eval):
            with pytest.raises(AssertionError, match="transfer spaces only"):
                transfer(config, frames, None, tmp_path)
        frames = world.transfer
        with pytest.raises(AssertionError, match="evaluation frames only"):
            evaluate(CPU, frames, tmp_path, tmp_path)

    def test_a_model_is_not_evaluated_where_its_labels_are_from(self, tmp_path):
        frames, held_out = evaluated_where_labelled(tmp_path / "store")
        for protocol in self.protocols:
            transfer(self.config(protocol, samples=16), frames, None, tmp_path / protocol)
            with pytest.raises(LeakError, match="o0"):
                evaluate(CPU, held_out, tmp_path / protocol, tmp_path / "scores")

    def test_its_facts_are_json_and_all_that_a_model_needs(self, world: World, tmp_path):
        config = self.config(self.protocols[0], samples=16)
        data = LabelledFrames(world.transfer, config.own.label_reader(world.transfer.labels))
        facts = config.own.learn_facts(world.transfer.labels, data)
        assert json.loads(json.dumps(facts)) == facts
        transfer(config, world.transfer, None, tmp_path / "tuned")
        loaded = load_model(tmp_path / "tuned")
        assert (loaded.task.facts, loaded.config) == (facts, config)
        assert not loaded.model.training

    def test_targets_are_a_pure_function_of_labels(self, world: World):
        config = self.config(self.protocols[0])
        data = LabelledFrames(world.transfer, config.own.label_reader(world.transfer.labels))
        task = config.own.build(config.own.learn_facts(world.transfer.labels, data))
        labels = next(data.labels(8))
        assert all(len(values) == 8 for values in labels.values())
        before = {name: values.copy() for name, values in labels.items()}
        first, again = task.targets(labels), task.targets(labels)
        assert str(first) == str(again)
        for name, values in labels.items():
            np.testing.assert_array_equal(values, before[name])

    def test_it_gives_pseudo_labels_that_a_student_learns_from_or_says_that_it_has_none(
        self, world: World, tmp_path
    ):
        config = self.config(self.protocols[0], samples=16)
        transfer(config, world.transfer, None, tmp_path / "teacher")
        asked = PropagateConfig(runtime=ONE_THREAD)
        loaded = load_model(tmp_path / "teacher")
        try:
            loaded.task.pseudo_labeller(0.5, loaded.model.shape)
        except ValueError as error:
            assert not TASKS[self.name].teaches
            with pytest.raises(ValueError, match=str(error)):
                propagate(asked, tmp_path / "teacher", world.pretrain, tmp_path / "guessed")
            return
        assert TASKS[self.name].teaches
        propagate(asked, tmp_path / "teacher", world.pretrain, tmp_path / "guessed")
        given: Any = {"pseudo": tmp_path / "guessed", "pseudo_frames": world.pretrain}
        transfer(config, world.transfer, None, tmp_path / "student", **given)
        assert self.metric in evaluate(CPU, world.eval, tmp_path / "student", tmp_path / "scores")
