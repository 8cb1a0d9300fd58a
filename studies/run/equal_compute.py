"""Runs whose pre-training is to cost as many FLOPs as another arm's (`RunConfig.equal_compute`).

FLOPs of both are counted from their configurations (`training.pretrain.cost`), so that no number of samples
is typed into a study.
"""

from collections.abc import Sequence

from studies.run.phases import pretrain_stages
from studies.run.stage import changed
from studies.run.stages.pretrain import PretrainStage
from studies.spec.config import Run
from studies.spec.report import Level


def with_equal_compute(runs: Sequence[Run]) -> list[Run]:
    """The runs, with numbers of samples in place of `equal_compute`.

    Raises ValueError, with the label of the run, where no run or several are meant, where the run that is
    meant has no pre-training or follows another one, and where this one has several phases.
    """
    samples: dict[tuple[str, tuple[tuple[str, Level], ...]], int] = {}  # repeats differ in seeds alone
    out = []
    for run in runs:
        reference = _reference(run, runs)
        if reference is run:
            out.append(run)
            continue
        key = (run.arm, tuple(run.point.items()))
        if key not in samples:
            stage = _only_phase(run)
            gflop = pretrain_gflop(reference)
            if not gflop:
                raise ValueError(f"{run.label}: equal_compute is with an arm without pre-training")
            samples[key] = max(1, round(gflop / stage.gflop_per_sample))
        pretrain = changed(run.config.pretrain, samples=samples[key], tokens=None)
        out.append(run.model_copy(update={"config": changed(run.config, pretrain=pretrain)}))
    return out


def pretrain_gflop(run: Run) -> float:
    """GFLOP of all phases of pre-training of a run."""
    return sum(stage.units * stage.gflop_per_sample for stage in pretrain_stages(run.config))


def _only_phase(run: Run) -> PretrainStage:
    stages = pretrain_stages(run.config)
    own = {name for phase in run.config.phases.values() for name in phase.pretrain}
    if len(stages) != 1 or own & {"samples", "tokens"}:
        raise ValueError(
            f"{run.label}: equal_compute is for a run of one phase whose samples are those of `pretrain`"
        )
    return stages[0]


def _reference(run: Run, runs: Sequence[Run]) -> Run:
    """The run that is meant: of the same repeat, at the same levels or at the one that is named; the run
    itself where its numbers of samples are its own."""
    if run.config.equal_compute is None:
        return run
    arm, _, level = run.config.equal_compute.partition("@")
    found = [r for r in runs if (r.arm, r.repeat) == (arm, run.repeat)]
    if level:
        found = [r for r in found if level in map(str, r.point.values())]
    else:
        shared = {axis for r in found for axis in r.point} & run.point.keys()
        found = [r for r in found if all(r.point[axis] == run.point[axis] for axis in shared)]
    if len(found) != 1:
        raise ValueError(
            f"{run.label}: equal_compute is with {run.config.equal_compute!r}, which means {len(found)} "
            "runs: name an arm, or arm@level, that means one"
        )
    if found[0] is not run and _reference(found[0], runs) is not found[0]:
        raise ValueError(f"{run.label}: equal_compute is with {arm!r}, which itself follows another arm")
    return found[0]
