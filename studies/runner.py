"""Runs a study: every stage once, a row a run, nothing that has a row again."""

import fcntl
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from studies.config import StudyConfig
from studies.pipeline import RunPlan, plan
from studies.schedule import run_stages
from studies.stage import Stage, write_json

_MEASURED = ("wall_seconds", "samples_per_second", "data_wait_seconds", "device", "threads")
_PLACES = ("from",)


def run_study(study: StudyConfig, out: Path) -> list[Path]:
    """Do what is missing under `out` and return the files of all rows of the study.

    Can be killed at any time: run again, it goes on, and the rows come out the same (their cost apart).
    Raises ValueError if another process is at work in the same folder.
    """
    out.mkdir(parents=True, exist_ok=True)
    runs = plan(study)
    with _only_one(out):
        todo = [r for r in runs if not _row_path(out, r).exists()]
        stages = {s.key: s for r in todo for s in r.stages}
        waiting = sum(s.done(out) is None for s in stages.values())
        shared = sum(len(r.stages) for r in runs) - len({s.key for r in runs for s in r.stages})
        print(
            f"{study.name} ({study.preset}): {len(runs)} runs, {len(runs) - len(todo)} have a row; "
            f"{waiting} stages to do; sharing saves {shared} stage runs",
            flush=True,
        )

        def write_rows() -> None:
            for run in todo:
                if run.evaluation.done(out) and not _row_path(out, run).exists():
                    write_json(_row_path(out, run), _row(study, run, out))

        run_stages(study, list(stages.values()), out, finished=write_rows)
        write_rows()
    return [_row_path(out, run) for run in runs]


def read_rows(out: Path) -> list[dict[str, Any]]:
    """All rows under `out`, by method and seed; `file` is the name of each row's file."""
    rows = [json.loads(p.read_text()) | {"file": p.name} for p in sorted((out / "rows").glob("*.json"))]
    return sorted(rows, key=lambda row: (row["study"], row["method"], row["seed"]))


def _row_path(out: Path, run: RunPlan) -> Path:
    folder = out / "rows"
    folder.mkdir(exist_ok=True)
    return folder / f"{run.name}.json"


def _row(study: StudyConfig, run: RunPlan, out: Path) -> dict[str, Any]:
    records = {s.key: _finished(s, out) for s in run.stages}
    last = records[run.evaluation.key]
    return {
        "study": study.name,
        "question": study.question,
        "preset": study.preset,
        "method": run.method,
        "seed": run.seed,
        "metrics": _results(last["metrics"]),
        "stages": {
            key: {
                "kind": r["kind"],
                "label": r["label"],
                "folder": str(Path("stages") / f"{r['kind']}-{key}"),
                "metrics": _results(r["metrics"]),
            }
            for key, r in records.items()
            if key != run.evaluation.key
        },
        "evaluation": f"stages/evaluate-{run.evaluation.key}",
        "cost": {
            "seconds": {r["label"]: r["seconds"] for r in records.values()},
            "seconds_total": round(sum(r["seconds"] for r in records.values()), 1),
            "measured": {r["label"]: _measurements(r["metrics"]) for r in records.values()},
            "machine": f"{platform.machine()}, {platform.system()}",
            "torch": metadata.version("torch"),
        },
        "code_version": code_version(),
        "config": study.resolved(),
    }


def _results(metrics: dict[str, Any]) -> dict[str, Any]:
    """What a stage found out: the same whenever and wherever in the run's folder it ran."""
    return {k: v for k, v in metrics.items() if k not in _MEASURED and k not in _PLACES}


def _measurements(metrics: dict[str, Any]) -> dict[str, Any]:
    """What it took: never the same twice."""
    return {k: metrics[k] for k in _MEASURED if k in metrics}


def _finished(stage: Stage, out: Path) -> dict[str, Any]:
    record = stage.done(out)
    assert record is not None, f"{stage.label} should have been done"
    return record


def code_version() -> str:
    """Commit of the checkout this runs from, `+changes` if it differs; elsewhere the package's version."""
    root = Path(__file__).resolve().parent.parent
    command = ["git", "-C", str(root), "describe", "--always", "--dirty=+changes"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return metadata.version("testspace")


@contextmanager
def _only_one(out: Path) -> Iterator[None]:
    """Two runners in one folder would do every stage twice and write over each other."""
    with (out / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"{out}: another tst is running a study here; wait for it or stop it") from None
        yield
        sys.stdout.flush()
