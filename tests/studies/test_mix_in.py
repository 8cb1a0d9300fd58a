"""The transfer mix-in: of the houses that give the labels RGB alone is sensed, stored and learned from."""

from pathlib import Path

import pytest
import yaml

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.spec.config import load_study

MIX_IN = STUDIES / "mix-in.yaml"


def mixed(preset: str, arm: str = "mixed") -> RunPlan:
    return next(
        p for p in plan(load_study(MIX_IN, preset)) if p.run.arm == arm and p.run.point["share"] == 0.2
    )


@pytest.mark.parametrize("preset", ["smoke", "gpu", "paper"])
def test_only_rgb_of_the_transfer_houses_is_there(preset: str):
    planned = mixed(preset)
    (pretrain,) = planned.phases
    home, away = pretrain.stores
    assert away.sensory == ("rgb",)
    assert home.sensory is None
    assert pretrain.shown == (None, ("rgb",))
    assert [s.modality for s in pretrain.tokens if s.store == away] == ["rgb"]
    assert len([s for s in pretrain.tokens if s.store == home]) == 4
    for modality, tokenizer in pretrain.tokenizers.items():
        assert tokenizer.stores == ((home, away) if modality == "rgb" else (home,))


def test_an_arm_has_all_sensors():
    pretrain = mixed("gpu", "all-sensors").phases[0]
    assert all(store.sensory is None for store in pretrain.stores)
    assert pretrain.shown == (None, None)


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
    arm = {"phases": {"first": {"houses": {"test": 0.8, "transfer": 0.2}, **first}}}
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
