"""The transfer mix-in: of the images that have the labels, pre-training sees RGB, and no label."""

from pathlib import Path

import pytest
import yaml

from studies.commands import STUDIES
from studies.run.pipeline import RunPlan, plan
from studies.run.stages.evaluate import EvaluateStage
from studies.spec.config import load_study

MIX_IN = STUDIES / "mix-in.yaml"


def planned(preset: str, arm: str, share: float) -> RunPlan:
    return next(
        p
        for p in plan(load_study(MIX_IN, preset))
        if (p.run.arm, p.run.point.get("share", share)) == (arm, share)
    )


@pytest.mark.parametrize("preset", ["smoke", "gpu", "paper"])
def test_rgb_of_the_transfer_images_is_added(preset: str):
    run = planned(preset, "mixed", 0.5)
    (pretrain,) = run.phases
    home, away = pretrain.stores
    labelled = {m.model.labelled for m in run.evaluations.values() if isinstance(m, EvaluateStage)}
    assert labelled == {away}, "the images of the transfer themselves"
    assert pretrain.shown == (None, ("rgb",))
    assert pretrain.shares == (0.5, 0.5)
    assert [s.modality for s in pretrain.tokens if s.store == away] == ["rgb"]
    assert len([s for s in pretrain.tokens if s.store == home]) == 4
    without = planned(preset, "mixed", 0)
    assert without.phases[0].stores == (home,), "no frame of the test house is given up for it"
    assert without.phases[0].tokenizers == pretrain.tokenizers


def test_the_transfer_images_alone():
    (pretrain,) = planned("gpu", "transfer-only", 0.5).phases
    (store,) = pretrain.stores
    assert store.role == "transfer"
    assert list(pretrain.tokenizers) == ["rgb"]
    assert pretrain.tokenizers["rgb"].stores == (store,)


def test_it_is_the_default_and_off_by_a_field():
    for name in ("sensors", "spaces-worth", "continual"):
        for run in load_study(STUDIES / f"{name}.yaml", "laptop").runs():
            assert run.config.mix_in.share == 0.5
    fields = {"base.mix_in.share": 0}
    plans = plan(load_study(STUDIES / "sensors.yaml", "smoke", fields=fields))
    assert all(s.role == "pretrain" for p in plans for phase in p.phases for s in phase.stores)


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        (
            {"base.mix_in": {"share": 0.5, "houses": "elsewhere", "frames": 4}},
            "mix_in names the houses 'elsewhere'",
        ),
        ({"base.mix_in": {"share": 0.5, "houses": "test"}}, "give mix_in.frames"),
        ({"base.mix_in": {"share": 0.5, "houses": "test", "frames": 4}}, "where models are evaluated"),
        ({"arms.mine.phases": {"first": {"houses": {}}}}, "mix_in a share, and modalities as"),
    ],
)
def test_a_mix_in_that_does_not_fit_is_refused(tmp_path: Path, fields: dict[str, object], says: str):
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump({"extends": str(STUDIES / "base.yaml"), "arms": {"mine": {}}, "report": {}})
    )
    with pytest.raises(ValueError, match=says):
        load_study(path, "smoke", fields=fields).runs()


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
    arm = {"frames": 60, "phases": {"first": {"houses": {"test": 0.8, "transfer": 0.2}, **first}}}
    path = tmp_path / "mine.yaml"
    path.write_text(
        yaml.safe_dump(
            {
                "extends": str(MIX_IN),
                "arms": {"mixed": None, "transfer-only": None, "mine": arm},
                "report": {"form": "bars", "x": None, "claims": []},
            }
        )
    )
    with pytest.raises(ValueError, match=says):
        load_study(path, "smoke").runs()
