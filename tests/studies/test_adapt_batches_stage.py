"""A run that adapts to batches of frames: which evaluations do, where the number of steps is from, what is
refused, and which room a camera is in."""

from typing import Any, cast

import numpy as np
import pytest
import shapely

from engine.store.access import Frames
from scenes.generate.generate import generate_house
from scenes.meshes.compile import compile_house
from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.evaluate import EvaluateStage
from studies.run.stages.test_time.adapt_batches import AdaptBatchesStage
from studies.run.stages.test_time.floor_plans import rooms_of
from studies.spec.config import load_study
from training.adaptation.adapted import AdaptConfig
from training.adaptation.batch_adapted import MmrConfig
from training.adaptation.mae import AdaptationConfig


def planned(arm: str, **fields: Any) -> RunPlan:
    asked = {f"base.{k}": v for k, v in fields.items()}
    study = load_study(STUDIES / "ttt-mmr.yaml", "smoke", fields=asked)
    return next(p for p in plan(study) if p.run.arm == arm)


def test_arms_differ_in_adapting_alone():
    before = planned("joint")
    for arm, validation in (("random", "validation"), ("room", "validation"), ("walk", "validation-walks")):
        run = planned(arm)
        for name, stage in run.evaluations.items():
            plain = before.evaluations[name]
            assert type(plain) is EvaluateStage
            assert isinstance(stage, AdaptBatchesStage)
            assert (stage.model, stage.store, stage.seen) == (plain.model, plain.store, plain.seen)
            assert stage.evaluate == plain.evaluate
            assert stage.mmr.batching == stage.chosen.mmr.batching == arm
            assert stage.chosen.labelled.houses.name == validation
            assert stage.chosen.labelled.sensing.sampler == ("walk" if arm == "walk" else "dense")
            assert stage.chosen.labelled not in stage.model.waits_for
    assert planned("task-alone").evaluations["test"].needs != before.evaluations["test"].needs


def test_random_batches_have_the_seed_of_the_repeat_and_cost_grows_with_steps():
    study = load_study(STUDIES / "ttt-mmr.yaml", "smoke", seeds=(0, 5))
    stages = [p.evaluations["test"] for p in plan(study) if p.run.arm == "random"]
    assert {s.mmr.seed for s in stages if isinstance(s, AdaptBatchesStage)} == {0, 5}
    stage = planned("random").evaluations["test"]
    assert isinstance(stage, AdaptBatchesStage)
    assert stage.units == 9 * 6
    assert stage.chosen.units == 2 * 8 * 6
    assert stage.reduce(2, {}).chosen.units == 16 * 2 * 6


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"validation": {"validation": None}}, "name a set of them in validation"),
        ({"houses.validation.seed": 1000}, "houses.transfer share a house"),
        ({"houses.validation.family": "apartment", "houses.validation.seed": 0}, "share a house"),
        ({"houses.validation.family": "apartment"}, "furnished from one pool"),
        ({"upper_bound": True}, "leave upper_bound out"),
    ],
)
def test_steps_that_cannot_be_chosen_fairly_are_refused(fields: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        planned("random", **fields)


def test_a_model_of_the_task_alone_cannot_adapt():
    with pytest.raises(ValueError, match=r"set transfer\.joint"):
        planned("task-alone", adapt={"mmr": {}})
    both = {"mmr": MmrConfig(), "mae": AdaptationConfig(steps=3)}
    with pytest.raises(ValueError, match="leave mmr or the others out"):
        AdaptConfig(**both)
    assert "mmr" not in AdaptConfig().model_dump(), "keys of stages without it stay"


class Posed:
    """Frames of one space, of which the poses are all that is known."""

    def __init__(self, space: str, poses: np.ndarray):
        self.runs, self.poses = ((space, 0, len(poses)),), poses

    def __len__(self) -> int:
        return len(self.poses)

    def read(self, ids: np.ndarray, names: list[str]) -> dict[str, np.ndarray]:
        assert names == ["pose"]
        return {"pose": self.poses[ids]}


def test_a_camera_is_in_the_room_whose_floor_it_is_above(tmp_path):
    """By the floors of the compiled geometry, which are in the world's axes."""
    house = generate_house(3, "apartment")
    house.save(tmp_path / f"{house.space_id}.json")
    floors = compile_house(house).floor
    poses = np.tile(np.eye(4), (len(floors) + 1, 1, 1))
    for pose, region in zip(poses, floors, strict=False):
        point = shapely.Polygon(region.polygon).representative_point()
        pose[:3, 3] = (point.x, 1.5, point.y)
    poses[-1, :3, 3] = 1000.0
    frames = cast(Frames, Posed(house.space_id, poses))
    found = rooms_of(frames, [tmp_path / f"{house.space_id}.json"])
    assert found == [*range(len(floors)), -1]
    assert len(floors) > 2
    with pytest.raises(ValueError, match="no floor plan of"):
        rooms_of(frames, [])
