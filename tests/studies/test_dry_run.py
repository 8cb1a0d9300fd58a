"""What a dry run counts, and what it makes of two trials of which one is longer."""

from pathlib import Path

import pytest

from studies.commands import DEMO, STUDIES, StudyRunConfig, run
from studies.run.dry_run import Trial, bill, rate, small, units
from studies.run.pipeline import plan, plan_run
from studies.run.runner import STAGES
from studies.run.stage import Stage, write_json
from studies.spec.config import MachineConfig, StudyConfig, load_study


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return load_study(STUDIES / "sensors.yaml", "laptop")


def trials(study: StudyConfig, steps: int) -> dict[str, Stage]:
    """Stages of the last arm made small, by the first words of their labels."""
    run = study.runs()[-1]
    few = run.model_copy(update={"config": small(run.config, steps)})
    return {s.label.split(" from ")[0]: s for s in plan_run(few, MachineConfig(slots=0)).stages}


def test_what_the_longer_trial_takes_more_is_the_rate(study: StudyConfig):
    short, long = (
        Trial(s, {}, seconds=2 + 0.5 * units(s), bytes=10 * units(s))
        for s in (trials(study, n)["transfer (finetune)"] for n in (1, 5))
    )
    found = rate(short, long)
    assert (found.each, found.once, found.bytes) == (pytest.approx(0.5), pytest.approx(2), 10)
    real = next(s for s in plan(study)[0].stages if s.label.startswith("transfer (finetune)"))
    assert found.seconds(real) == pytest.approx(2 + 0.5 * 3200)


def test_a_linear_probe_encodes_its_frames_once_and_learns_from_samples_of_them(study: StudyConfig):
    def trial(stage: Stage) -> Trial:
        encoding, learning = 0.2 * units(stage.needs[0]), 0.01 * units(stage)
        waited = {"data_wait_seconds": encoding, "wall_seconds": encoding + learning}
        return Trial(stage, waited, seconds=1 + encoding + learning, bytes=0)

    short, long = (trial(trials(study, n)["transfer (linear)"]) for n in (1, 5))
    real = next(s for s in plan(study)[0].stages if s.label.startswith("transfer (linear)"))
    assert rate(short, long).seconds(real) == pytest.approx(1 + 0.2 * 24 * 60 + 0.01 * 16000)


def test_what_is_done_costs_nothing(tmp_path: Path):
    study = load_study(DEMO, "smoke")
    every = {s.key: s for r in plan(study) for s in r.stages}
    for stage in every.values():
        folder = stage.folder(tmp_path / STAGES)
        folder.mkdir(parents=True)
        write_json(folder / "done.json", {})
    for found in (bill(study, tmp_path), bill(study, stages=tmp_path / STAGES)):
        assert (found.stages, found.done, found.rows) == (len(every), len(every), 0)
        assert found.core_s == found.wall_s == 0
    assert [p.name for p in tmp_path.iterdir()] == [STAGES]


def test_only_a_dry_run_does_without_a_folder():
    with pytest.raises(ValueError, match="--out is missing"):
        run(StudyRunConfig(study=DEMO))
