"""A study's file becomes runs: presets, arms, axes and repeats, each laid on the one before."""

from pathlib import Path

import pytest
import yaml

from scenes.config import say_renamed
from studies.commands import STUDIES, find_study
from studies.run.pipeline import plan
from studies.spec.config import HOUSE_STEP, StudyConfig, load_study
from training.models.encoder import SIZES

TINY = {
    "extends": str(STUDIES / "base.yaml"),
    "question": "What then?",
    "arms": {"scratch": {"phases": {"first": None}}, "own": {}},
    "report": {"form": "bars"},
    "presets": {"smoke": {"seeds": [0, 5]}},
}


def study(tmp_path: Path, **fields: object) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(TINY | fields, sort_keys=False))
    return path


def load(tmp_path: Path, **fields: object) -> StudyConfig:
    return load_study(study(tmp_path, **fields), "smoke")


def test_arms_and_repeats_make_runs(tmp_path: Path):
    runs = load(tmp_path).runs()
    assert [(r.arm, r.repeat) for r in runs] == [("scratch", 0), ("own", 0), ("scratch", 1), ("own", 1)]
    assert runs[0].config.phases == {}
    assert runs[1].config.phases["first"].houses == {"test": 1.0}
    assert [r.config.pretrain.seed for r in runs] == [0, 0, 5, 5]
    assert [r.config.pretrain.draws for r in runs] == [0, 0, 5, 5]


def test_a_preset_of_the_file_extended_lies_under_the_studys_own(tmp_path: Path):
    smoke = load(tmp_path).runs()[0].config
    assert smoke.sensing.size == 32
    more = load(tmp_path, presets={"smoke": {"base": {"sensing": {"size": 48}}}}).runs()[0].config
    assert more.sensing.size == 48
    assert more.frames == smoke.frames


def test_axes_cross_and_an_arm_may_have_its_own(tmp_path: Path):
    axes = {"size": {"set": "sensing.size", "to": [32, 64]}}
    own = {"axes": {"frames": {"set": ["frames"], "to": [64, 128]}}}
    runs = load(tmp_path, axes=axes, arms={"scratch": {"phases": {"first": None}}, "own": own}).runs()
    assert len(runs) == 2 * (2 + 4)
    (one,) = [r for r in runs if r.point == {"size": 64, "frames": 128} and r.repeat == 0]
    assert (one.config.sensing.size, one.config.frames) == (64, 128)


def test_levels_may_set_several_things_and_a_preset_may_take_one_away(tmp_path: Path):
    axes = {"learned": {"a": {"frames": 64}, "b": {"frames": 32, "sensing": {"size": 16}}}}
    presets = {"smoke": {"axes": {"learned": {"a": None}}, "seeds": [0]}}
    runs = load(tmp_path, axes=axes, presets=presets).runs()
    assert [r.point for r in runs] == [{"learned": "b"}] * 2
    assert runs[0].config.sensing.size == 16


def test_seeds_of_houses_poses_weights_and_draws_are_apart(tmp_path: Path):
    seeds = [{"houses": 1}, {"poses": 2}, {"init": 3}, {"draws": 4}]
    a, b, c, d = [
        r.config for r in load(tmp_path, presets={"smoke": {"seeds": seeds}}).runs() if r.arm == "own"
    ]
    assert a.houses["test"].seed == 1 + HOUSE_STEP
    assert a.houses["transfer"].seed == 1000 + HOUSE_STEP
    assert (b.sensing.seed, b.houses["test"].seed) == (2, 1)
    assert (c.pretrain.seed, c.pretrain.draws) == (3, 0)
    assert (d.pretrain.seed, d.pretrain.draws) == (0, 4)


def test_frames_fall_evenly_to_houses_or_not_at_all(tmp_path: Path):
    houses = {"iid": {"family": "apartment", "seed": 50, "count": 3}}
    learn = {"first": {"houses": {"test": 1, "iid": 3}}}
    config = load(tmp_path, arms={"own": {"houses": houses, "phases": learn}}).runs()[0].config
    assert config.frames_of("first", config.phases["first"]) == {"test": 16, "iid": 16}
    odd = load(tmp_path, arms={"own": {"houses": {"iid": houses["iid"] | {"count": 5}}, "phases": learn}})
    with pytest.raises(ValueError, match=r"64 frames do not fall evenly to the 5 houses of 'iid'"):
        odd.runs()


@pytest.mark.parametrize(
    ("arm", "message"),
    [
        ({"houses": {"transfer": {"family": "apartment", "seed": 1}}}, "share a house"),
        ({"houses": {"transfer": {"family": "apartment", "seed": 1, "days": [{}]}}}, "share a house"),
        ({"houses": {"transfer": {"family": "apartment", "seed": 99}}}, "furnished from one pool"),
        ({"labels": {"transfer": None, "test": 3}}, "share a house|furnished from one pool"),
        (
            {"evaluate": {"elsewhere": 3}},
            "evaluate names the houses 'elsewhere'; sets there are: test, transfer",
        ),
        ({"frames": 0}, "frames"),
        ({"fames": 3}, "unknown key 'fames'"),
        ({"phases": {"first": {"house": "test"}}}, r"unknown key 'phases\.first\.house'"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, arm: dict, message: str):
    with pytest.raises(ValueError, match=message):
        load(tmp_path, arms={"own": arm}).runs()


def test_a_rectangle_is_sampled_densely(tmp_path: Path):
    walked = {"houses": {"test": {"area_m2": 5}}, "sensing": {"sampler": "walk"}}
    with pytest.raises(
        ValueError, match=r"houses.test.area_m2 is for frames that are sampled densely.*'walk'"
    ):
        load(tmp_path, arms={"own": walked}).runs()


def test_an_unknown_preset_or_key_is_named(tmp_path: Path):
    with pytest.raises(ValueError, match=r"no preset 'smokey'; presets there are: smoke, .*gpu, paper"):
        load_study(study(tmp_path), "smokey")
    with pytest.raises(ValueError, match="unknown key 'arm'; keys there are: extends"):
        load(tmp_path, arm={})


def test_fields_may_be_set_from_outside(tmp_path: Path):
    fields = {"base.sensing.size": 48, "machine.slots": 3}
    config = load_study(study(tmp_path), "smoke", (7,), fields)
    assert config.machine.slots == 3
    assert [r.config.sensing.size for r in config.runs()] == [48, 48]
    assert [r.config.pretrain.seed for r in config.runs()] == [7, 7]


def test_a_study_that_comes_along_is_found_by_name():
    assert find_study(Path("sensors")) == STUDIES / "sensors.yaml"
    assert find_study(Path("none")) == Path("none")


def test_the_encoder_is_said_once_and_may_be_said_by_name(tmp_path: Path):
    named = load(tmp_path, presets={"smoke": {"base": {"encoder": "S"}}}).runs()[0].config
    assert named.pretrain.encoder == named.transfer.encoder == SIZES["S"].encoder
    run = load(tmp_path, base={"transfer": {"encoder": {"registers": 1}}}).runs()[0].config
    assert (run.pretrain.encoder.dim, run.pretrain.encoder.registers) == (64, 0)
    assert run.transfer.encoder == run.pretrain.encoder.model_copy(update={"registers": 1})
    assert type(run).model_validate(run.resolved()) == run
    with pytest.raises(ValueError, match="no encoder is called 'XS'; choose from Ti, S, B, L"):
        load(tmp_path, presets={"smoke": {"base": {"encoder": "XS"}}}).runs()


def test_threads_and_device_are_said_once_for_all_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    say_renamed.cache_clear()
    said = {"runtime": {"threads": 3, "device": "cpu"}, "transfer": {"threads": 2}}
    run = load(tmp_path, presets={"smoke": {"base": said}}).runs()[0].config
    stages = (run.tokenizer, run.pretrain, run.propagation, run.transfer)
    assert [s.runtime.threads for s in stages] == [3, 3, 3, 2]
    assert {s.runtime.device for s in stages} == {"cpu"}
    assert "threads is now runtime.threads" in capsys.readouterr().err
    assert type(run).model_validate(run.resolved()) == run


@pytest.mark.parametrize("field", ["samples", "tokens"])
def test_equal_compute_and_a_phase_with_an_amount_of_its_own_are_refused(tmp_path: Path, field: str):
    phase = {"first": {"houses": {"test": 1}, "pretrain": {field: 64}}}
    arms = {"own": {}, "other": {"equal_compute": "own", "phases": phase}}
    with pytest.raises(ValueError, match="equal_compute is for a run of one phase"):
        plan(load(tmp_path, arms=arms))
