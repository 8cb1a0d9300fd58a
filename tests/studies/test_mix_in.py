"""The transfer mix-in: of the houses that give the labels RGB alone is sensed, stored and learned from."""

from pathlib import Path

import pytest
import yaml

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.run.stage import Stage
from studies.spec.config import load_study

MIX_IN = STUDIES / "mix-in.yaml"


def mixed(preset: str, arm: str = "mixed") -> RunPlan:
    return next(
        p for p in plan(load_study(MIX_IN, preset)) if p.run.arm == arm and p.run.point["share"] == 0.2
    )


def of(stages: tuple[Stage, ...], kind: str) -> list[Stage]:
    return [s for s in stages if s.kind == kind]


@pytest.mark.parametrize("preset", ["smoke", "gpu", "paper"])
def test_only_rgb_of_the_transfer_houses_is_there(preset: str):
    planned = mixed(preset)
    (pretrain,) = planned.phases
    home, away = (s for s in pretrain.needs if s.kind == "store")
    assert away.config["sensory"] == ["rgb"]
    assert "sensory" not in home.config
    assert pretrain.config["modalities"] == {"transfer": ("rgb",)}
    tokens = of(planned.stages, "tokens")
    assert [s.config["modality"] for s in tokens if away in s.needs] == ["rgb"]
    assert len([s for s in tokens if home in s.needs]) == 4
    for tokenizer in of(planned.stages, "tokenizer"):
        both = tokenizer.config["modality"] == "rgb"
        assert set(tokenizer.needs) == ({home, away} if both else {home})


def test_an_arm_has_all_sensors():
    pretrain = mixed("gpu", "all-sensors").phases[0]
    assert not [s for s in pretrain.needs if "sensory" in s.config]
    assert "modalities" not in pretrain.config


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ({"modalities": {"elsewhere": ["rgb"]}}, "'elsewhere' senses"),
        ({"modalities": {"transfer": ["rgb", "lidar"]}}, "lidar"),
        (
            {"modalities": {"transfer": ["rgb"], "test": ["rgb"]}},
            "mm needs 'depth', and test, transfer do not",
        ),
    ],
)
def test_what_cannot_be_sensed_is_refused(tmp_path: Path, first: dict[str, object], says: str):
    arm = {"learn": {"first": {"houses": {"test": 0.8, "transfer": 0.2}, **first}}}
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "extends": str(MIX_IN),
                "arms": {"mixed": None, "without": None, "all-sensors": None, "mine": arm},
                "report": {"form": "bars", "x": None, "claims": []},
            }
        )
    )
    with pytest.raises(ValueError, match=says):
        load_study(path, "smoke").runs()
