"""Runs stages in parallel on Ray, each as soon as the stages that it waits for are done.

Small models gain little from a second thread, so by default one stage runs per core. The output of a stage
goes to `log.txt` in its folder; the last line of each running stage is shown.
"""

import contextlib
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

import ray
from ray.exceptions import (
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    OwnerDiedError,
    RayError,
    WorkerCrashedError,
)

from engine.cluster import check_gpu, has_gpu, ray_session
from studies.run.stage import Stage
from studies.spec.config import MachineConfig, StudyConfig

LOG = "log.txt"
_EVERY = 15.0  # seconds between status lines where there is no terminal to rewrite
# The process or its machine died: killed, out of memory, node lost.
_DIED = (WorkerCrashedError, OutOfMemoryError, NodeDiedError, OwnerDiedError, ObjectLostError)
TRIES = 3


class StageFailedError(ValueError):
    """A stage failed; the message names the stage, the cause and the log."""


def run_stages(
    study: StudyConfig,
    stages: list[Stage],
    root: Path,
    finished: Callable[[], None],
    repeats: Mapping[str, int] = MappingProxyType({}),
) -> None:
    """Run all `stages` that are not done in the folder `root`; `finished` is called after each.

    `repeats`: of a stage's key, the number of the first repeat that needs it; of stages that are ready, those
    of earlier repeats are started first, so that a long study has rows of all arms early.

    With 0 slots they run one after another in this process, and an exception of a stage is raised. On Ray, a
    stage whose process or machine died is started again, at most `TRIES` times in all. If a stage raises, the
    stages that wait for it are not started, the others are finished, and a StageFailedError names all
    failures.
    """
    waiting = {s.key: s for s in stages if s.done(root) is None}
    total = len(waiting)
    if not waiting:
        return
    slots = study.machine.side_by_side
    if slots == 0:
        for number, stage in enumerate(waiting.values(), start=1):
            print(f"[{number}/{total}] {stage.label}", flush=True)
            stage.run(root, study.machine)
            finished()
        return
    # Ray Data and Ray Train need CPUs beside the stages that hold none.
    machine = study.machine
    with ray_session(2 * slots + machine.workers * slots * machine.ray_train + machine.actors):
        if any(stage.gpus(machine) for stage in waiting.values()):
            check_gpu(f"machine.gpus {machine.gpus}", "set machine.gpus to 0, or take another preset")
        _run_on_ray(study, waiting, root, finished, slots, repeats)


def _run_on_ray(
    study: StudyConfig,
    waiting: dict[str, Stage],
    root: Path,
    finished: Callable[[], None],
    slots: int,
    repeats: Mapping[str, int],
) -> None:
    total, done = len(waiting), 0
    running: dict[Any, tuple[Stage, float]] = {}
    failures: list[str] = []
    lost: dict[str, int] = {}  # how often a stage's process died
    status = _Status(total)
    # A process that has looked for GPUs does not look again, so with GPUs each stage has its own.
    task = ray.remote(max_calls=1)(_work) if has_gpu() else ray.remote(_work)
    try:
        while waiting or running:
            ready = [s for s in waiting.values() if all(n.done(root) is not None for n in s.waits_for)]
            ready.sort(key=lambda s: (repeats.get(s.key, 0), s.rank, -len(s.needs)))
            for stage in ready[: slots - len(running)]:
                del waiting[stage.key]
                status.say(f"start  {stage.label}")
                running[_start(task, stage, root, study.machine)] = (stage, time.monotonic())
            if not running:
                break  # the stages that are left wait for failed ones
            ended, _ = ray.wait(list(running), timeout=1.0)
            for handle in ended:
                stage, since = running.pop(handle)
                try:
                    ray.get(handle)
                except _DIED as error:
                    lost[stage.key] = lost.get(stage.key, 0) + 1
                    if lost[stage.key] < TRIES:
                        status.say(f"lost   {stage.label}: {_first_line(error)}; it is begun again")
                        waiting[stage.key] = stage
                        continue
                    log = stage.folder(root) / LOG
                    failures.append(f"{stage.label} died {TRIES} times: {error}\n  {log}")
                except RayError as error:
                    cause = getattr(error, "cause", None) or error
                    failures.append(
                        f"{stage.label} failed: {cause}\n  all it printed: {stage.folder(root) / LOG}"
                    )
                    status.say(f"failed {stage.label}: {_first_line(cause)}")
                else:
                    done += 1
                    status.say(f"[{done}/{total}] {stage.label}: {time.monotonic() - since:.0f} s")
                    finished()
            status.show([(s.label, s.folder(root) / LOG) for s, _ in running.values()])
    finally:
        for handle in running:
            ray.cancel(handle, force=True)
        status.clear()
    if failures:
        raise StageFailedError(
            "\n".join(failures)
            + f"\n{len(waiting)} stages that need them were not begun; mend the cause and run the same "
            "command again: what is done stays done"
        )


def _start(task: Any, stage: Stage, root: Path, machine: MachineConfig) -> Any:
    """Begin a stage on Ray; returns Ray's handle of it."""
    # A small claim of CPU keeps stages off a head node that has none.
    claims = {"num_cpus": 0.01, "num_gpus": stage.gpus(machine), "scheduling_strategy": "SPREAD"}
    return task.options(**claims, max_retries=0).remote(stage, root.absolute(), machine)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _work(stage: Stage, root: Path, machine: MachineConfig) -> None:
    """One stage, in a Ray worker; its output goes to its log."""
    folder = stage.folder(root)
    folder.mkdir(parents=True, exist_ok=True)
    with (
        (folder / LOG).open("a", buffering=1) as log,
        contextlib.redirect_stdout(log),
        contextlib.redirect_stderr(log),
    ):
        node = ray.get_runtime_context().get_node_id()
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES") or "none"
        print(f"{stage.label}: on node {node}, process {os.getpid()}, GPU {gpus}", flush=True)
        try:
            stage.run(root, machine)
        except BaseException:
            traceback.print_exc(file=log)
            raise


class _Status:
    """Status lines: rewritten in place on a terminal, printed every 15 s elsewhere."""

    def __init__(self, total: int, file: TextIO = sys.stdout):
        self._file, self._total = file, total
        self._lines, self._last = 0, time.monotonic()

    def say(self, text: str) -> None:
        """Print a line that stays."""
        self.clear()
        print(text, file=self._file, flush=True)

    def show(self, running: list[tuple[str, Path]]) -> None:
        """Print a line for each running stage (label, log file), over those that were shown before."""
        if not self._file.isatty() and time.monotonic() - self._last < _EVERY:
            return
        self.clear()
        lines = [f"    {label}: {_last_line(log)}"[:150] for label, log in running]
        if lines:
            print("\n".join(lines), file=self._file, flush=True)
        self._lines, self._last = len(lines), time.monotonic()

    def clear(self) -> None:
        """Take the lines of running stages off the terminal."""
        if self._lines and self._file.isatty():
            print(f"\x1b[{self._lines}A\x1b[J", end="", file=self._file, flush=True)
        self._lines = 0


def _last_line(log: Path) -> str:
    """The last line of a log, such as a progress bar."""
    if not log.exists():
        return "starting"
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 2000))
        text = file.read().decode(errors="replace")
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n") if line.strip()]
    return lines[-1] if lines else "starting"
