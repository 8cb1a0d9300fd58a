"""Runs a study: each stage once, one row per run; runs that have a row are skipped."""

import fcntl
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from studies.run.external_access import row_facts
from studies.run.pipeline import RunPlan, plan
from studies.run.rows import HEAD, STAGES
from studies.run.schedule import run_stages
from studies.run.stage import Stage, write_json
from studies.run.stages.pretrain import PretrainStage
from studies.spec.config import StudyConfig, slug

_MEASURED = (
    "wall_seconds",
    "cpu_seconds",
    "samples_per_second",
    "seconds_per_image",
    "seconds_per_image_in_batch",
    "adapt_seconds_per_image",
    "adapt_seconds_per_image_alone",
    "tokens_per_second",
    "data_wait_seconds",
    "data_wait_share",
    "memory_mb",
    "mfu",
    "device",
    "threads",
)
_PLACES = ("from",)
_OF_THE_ROW = ("knowledge",)


def run_study(study: StudyConfig, out: Path, stages: Path | None = None) -> list[Path]:
    """Do the runs that have no row under `out`, and return the files of all rows of the study.

    `stages`: a folder of stages that several studies share; default: `<out>/stages`. It may be killed at any
    time: called again it continues, and the rows are the same except for their cost. Raises ValueError if
    another process uses the same folder or a stage needs a package that is not installed, and
    StageFailedError if a stage failed; runs that do not need that stage have their rows by then.
    """
    return run_plans(study, plan(study), out, stages)


def run_plans(study: StudyConfig, runs: list[RunPlan], out: Path, stages: Path | None = None) -> list[Path]:
    """`run_study` for planned `runs` of `study`."""
    study.report.check(_arm_axes(runs), {a: tuple(levels) for a, levels in study.levels.items()})
    _place_stages(out, stages)
    root = out / STAGES
    with _only_one(root.resolve()):
        todo = [r for r in runs if not row_path(out, r).exists()]
        needed: dict[str, Stage] = {}
        repeats: dict[str, int] = {}  # the first that needs a stage
        for run, stage in ((r.run, s) for r in todo for s in r.stages):
            # the first stage of a key: what its guard reads comes before it
            needed.setdefault(stage.key, stage)
            repeats.setdefault(stage.key, run.repeat)
        to_do = [s for s in needed.values() if s.done(root) is None]
        for stage in to_do:
            stage.check_installed()
        print(
            f"{study.name} ({study.preset}): {len(runs)} runs, {len(runs) - len(todo)} have a row; "
            f"{len(to_do)} stages to do; sharing saves {saved_by_sharing(runs)} stage runs",
            flush=True,
        )

        (out / "rows").mkdir(exist_ok=True)
        write_json(out / HEAD, _head(study, [row_path(out, r).name for r in runs]))

        def write_rows() -> None:
            for run in todo:
                finished = all(s.done(root) for s in run.evaluations.values())
                if finished and not row_path(out, run).exists():
                    write_json(row_path(out, run), _row(run, root))

        run_stages(study, list(needed.values()), root, finished=write_rows, repeats=repeats)
        write_rows()
    return [row_path(out, run) for run in runs]


def saved_by_sharing(runs: list[RunPlan]) -> int:
    """Number of stages that sharing saves: stages of all runs, less distinct stages."""
    return sum(len(r.stages) for r in runs) - len({s.key for r in runs for s in r.stages})


def _head(study: StudyConfig, rows: list[str]) -> dict[str, Any]:
    """The fields of the study, and the names of its rows."""
    return {
        "study": study.name,
        "question": study.question,
        "figure": study.figure,
        "preset": study.preset,
        "arms": [name for name, own in study.arms.items() if own is not None],
        "axes": study.levels,
        "report": study.report.model_dump(mode="json"),
        "rows": rows,
    }


def row_path(out: Path, run: RunPlan) -> Path:
    """File of a run's row, by its label and key."""
    return out / "rows" / f"{slug(run.run.label)}-{run.key}.json"


def _arm_axes(runs: list[RunPlan]) -> dict[str, tuple[str, ...]]:
    return {r.run.arm: tuple(r.run.point) for r in runs}


def _row(plan: RunPlan, root: Path) -> dict[str, Any]:
    run, last = plan.run, {s.key for s in plan.evaluations.values()}
    records = {s.key: _finished(s, root) for s in plan.stages}
    folders = {s.key: s.folder(Path(STAGES)) for s in plan.stages}
    metrics: dict[str, Any] = {
        f"{name}/{key}": value
        for name, stage in plan.evaluations.items()
        for key, value in _results(records[stage.key]["metrics"]).items()
    }
    trained = [records[s.key]["metrics"] for s in plan.phases]
    metrics["frames_seen"] = sum(p.frames or run.config.frames for p in run.config.phases.values())
    metrics["samples_seen"] = sum(s.units for s in plan.phases)
    metrics["pretrain_gflop"] = sum(
        m["gflop_per_sample"] * s.units for m, s in zip(trained, plan.phases, strict=True)
    )
    if trained:
        metrics["pretrain_loss"] = trained[-1]["loss"]
    return {
        "arm": run.arm,
        "point": run.point,
        "seeds": run.seeds.model_dump(),
        "repeat": run.repeat,
        "upper_bound": run.config.upper_bound,
        **row_facts(run.config.resolved(), [records[s.key]["metrics"] for s in plan.evaluations.values()]),
        "metrics": metrics,
        "stages": {
            key: {
                "kind": r["kind"],
                "label": r["label"],
                "folder": str(folders[key]),
                "needs": r["needs"],
                "metrics": _results(r["metrics"]),
            }
            for key, r in records.items()
            if key not in last
        },
        "evaluations": {name: str(s.folder(Path(STAGES))) for name, s in plan.evaluations.items()},
        "cost": {
            "seconds": {_name(s): records[s.key]["seconds"] for s in plan.stages},
            "evaluations": {name: _what_it_takes(stage) for name, stage in plan.evaluations.items()},
            "seconds_total": round(sum(r["seconds"] for r in records.values()), 1),
            "measured": {_name(s): _measurements(records[s.key]["metrics"]) for s in plan.stages},
            "machine": f"{platform.machine()}, {platform.system()}",
            "torch": metadata.version("torch"),
        },
        "code_version": code_version(),
        "config": run.config.resolved(),
    }


def _name(stage: Stage) -> str:
    """A stage in the costs of a row."""
    return f"{stage.label} [{stage.key[:6]}]"


def _what_it_takes(evaluation: Stage) -> dict[str, list[str]]:
    """Stages that a repeat of an evaluation does anew: of tuning and scoring, and of pre-training."""
    closure = list(evaluation.closure())
    pretraining = [s for s in closure if s.kind == PretrainStage.kind]
    tuning = [s for s in closure if s.rank > PretrainStage.rank]
    return {"tuning": [_name(s) for s in tuning], "pretraining": [_name(s) for s in pretraining]}


def _results(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics of a stage that do not depend on when and where it ran, and that the row does not have."""
    return {
        k: _results(v) if isinstance(v, dict) else v
        for k, v in metrics.items()
        if k not in (*_MEASURED, *_PLACES, *_OF_THE_ROW)
    }


def _measurements(metrics: dict[str, Any]) -> dict[str, Any]:
    """The metrics of a stage that measure its cost."""
    return {k: metrics[k] for k in _MEASURED if k in metrics}


def _finished(stage: Stage, root: Path) -> dict[str, Any]:
    record = stage.done(root)
    assert record is not None, f"{stage.label} should have been done"
    return record


def code_version() -> str:
    """Commit of the checkout this runs from, `+changes` if it differs; elsewhere the package's version."""
    root = Path(__file__).resolve().parents[2]
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+changes"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return metadata.version("testspace")


def _place_stages(out: Path, stages: Path | None) -> None:
    """Make `<out>/stages`: a folder, or a link to one that other studies use too. A link to a folder that is
    no longer there, because it was moved, leads to `stages` from now on."""
    out.mkdir(parents=True, exist_ok=True)
    own = out / STAGES
    lost = own.is_symlink() and not own.exists()
    if stages is None:
        if lost:
            raise ValueError(
                f"{own} leads to {own.readlink()}, which is not there: say with --stages where it was moved "
                "to; if it is gone, remove the link, and what has a row is not done again"
            )
        own.mkdir(exist_ok=True)
        return
    stages.mkdir(parents=True, exist_ok=True)
    if lost:
        own.unlink()
    if not own.exists():
        own.symlink_to(stages.resolve(), target_is_directory=True)
    if own.resolve() != stages.resolve():
        raise ValueError(f"{own} is there and is not {stages}: take another --out, or leave --stages out")


@contextmanager
def _only_one(stages: Path) -> Iterator[None]:
    """Lock the folder of stages against a second process, which would write the same files."""
    with (stages / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{stages}: another process runs a study here; wait for it or stop it") from None
        yield
        sys.stdout.flush()
