"""What a dry run counts, and what it makes of two trials of which one is longer."""

from pathlib import Path

import pytest

from studies.commands import DEMO, STUDIES, StudyRunConfig, run
from studies.run.dry_run import Measurement, estimate_cost, rate_of
from studies.run.pipeline import plan
from studies.run.rows import STAGES
from studies.run.stage import Stage, write_json
from studies.run.stages.transfer import TransferStage
from studies.spec.config import StudyConfig, load_study


@pytest.fixture(scope="module")
def study() -> StudyConfig:
    return load_study(STUDIES / "sensors.yaml", "laptop")


def transfer_of(study: StudyConfig, protocol: str) -> TransferStage:
    """The transfer of the last arm with this protocol."""
    stages = [s for s in plan(study)[-1].stages if isinstance(s, TransferStage)]
    return next(s for s in stages if s.transfer.protocol == protocol)


def test_what_the_longer_trial_takes_more_is_the_rate(study: StudyConfig):
    full = transfer_of(study, "finetune")
    short, long = (
        Measurement(s, {}, seconds=2 + 0.5 * s.units, bytes=10 * s.units)
        for s in (full.reduce(n, {}) for n in (1, 5))
    )
    found = rate_of(short, long)
    assert (found.each, found.once, found.bytes) == (pytest.approx(0.5), pytest.approx(2), 10)
    assert found.seconds(full) == pytest.approx(2 + 0.5 * 3200)


def test_a_linear_probe_encodes_its_frames_once_and_learns_from_samples_of_them(study: StudyConfig):
    def measured(stage: TransferStage) -> Measurement:
        encoding, learning = 0.2 * stage.labelled.units, 0.01 * stage.units
        waited = {"data_wait_seconds": encoding, "wall_seconds": encoding + learning}
        return Measurement(stage, waited, seconds=1 + encoding + learning, bytes=0)

    full = transfer_of(study, "linear")
    short, long = (measured(full.reduce(n, {})) for n in (1, 5))
    assert rate_of(short, long).seconds(full) == pytest.approx(1 + 0.2 * 24 * 60 + 0.01 * 16000)


def reduced(study: StudyConfig, steps: int) -> dict[Stage, Stage]:
    """The reduced stages of a study by the full ones."""
    known: dict[str, Stage] = {}
    return {s: s.reduce(steps, known) for run in plan(study) for s in run.stages}


def test_a_reduced_stage_is_of_the_same_cost_class_with_fewer_units(study: StudyConfig):
    short, long = reduced(study, 1), reduced(study, 5)
    for full, small in short.items():
        assert full.cost_class == small.cost_class == long[full].cost_class, full
        assert small.units <= long[full].units <= full.units, full
        assert type(small) is type(full)
        assert small.waits_for == tuple(short[need] for need in full.waits_for), "what is shared stays shared"
    assert sum(long[full].units > small.units for full, small in short.items()) > len(short) / 2


def test_what_is_done_costs_nothing(tmp_path: Path):
    study = load_study(DEMO, "smoke")
    every = {s.key: s for r in plan(study) for s in r.stages}
    for stage in every.values():
        folder = stage.folder(tmp_path / STAGES)
        folder.mkdir(parents=True)
        write_json(folder / "done.json", {})
    runs = plan(study)
    for found in (
        estimate_cost(study, runs, tmp_path),
        estimate_cost(study, runs, stages=tmp_path / STAGES),
    ):
        assert (found.stages, found.done, found.rows) == (len(every), len(every), 0)
        assert found.core_s == found.wall_s == 0
    assert [p.name for p in tmp_path.iterdir()] == [STAGES]


def test_only_a_dry_run_does_without_a_folder():
    with pytest.raises(ValueError, match="--out is missing"):
        run(StudyRunConfig(study=DEMO))
