"""Cost estimate of a study: runs, shared stages, frames, tokens, FLOPs, hours and bytes.

    tst study run STUDY --preset P --dry-run             # with --out DIR: what is left of a run that is there

Rates are measured on this machine. Each cost class of stages to do is reduced (`Stage.reduce`) to one house,
a few frames and a few steps of the same model, and run in a temporary folder with 1 step and with 5: the
difference gives the time of a unit of work, the rest is the fixed cost of a stage. A warm-up run before them
is not counted. Times are processor times, which other work on the machine changes little; with a GPU they
are wall times.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.run.pipeline import RunPlan, plan
from studies.run.rows import STAGES
from studies.run.runner import row_path, saved_by_sharing
from studies.run.stage import Stage
from studies.run.stages.registry import KINDS
from studies.spec.config import MachineConfig, StudyConfig
from training.common.optimiser import pick_device

_STEPS = {"warm-up": 1, "short": 1, "long": 5}  # steps of the reduced stages


@dataclass
class Rate:
    """Cost of the stages of one cost class, in one process."""

    each: float  # seconds a unit
    once: float = 0.0  # seconds a fixed unit: a stage; of a store, a house
    encode: float = 0.0  # seconds a frame that is encoded once
    bytes: float = 0.0  # a unit
    gflop: float = 0.0  # a unit

    def seconds(self, stage: Stage) -> float:
        """Time of a stage of this cost class [s]."""
        encoding = self.encode * stage.frames_encoded_once
        return self.each * stage.units + self.once * stage.fixed_units + encoding


@dataclass
class Total:
    """Stages of one kind that are still to do."""

    unit: str
    stages: int = 0
    units: int = 0
    seconds: float = 0.0
    bytes: float = 0.0
    gflop: float = 0.0


def _no_stages() -> dict[str, Total]:
    return {kind: Total(stage.unit) for kind, stage in KINDS.items()}


@dataclass
class CostEstimate:
    """Stages of a study that are to do, by kind, and what they take."""

    runs: int
    rows: int
    stages: int
    done: int
    saved: int
    by_kind: dict[str, Total] = field(default_factory=_no_stages)
    tokens: int = 0  # seen or predicted in pre-training
    longest: float = 0.0  # seconds of the longest chain of stages
    slots: int = 1

    @property
    def core_s(self) -> float:
        """Time of all stages one after another [s]."""
        return sum(t.seconds for t in self.by_kind.values())

    @property
    def wall_s(self) -> float:
        """Lower bound of the wall time [s]: the longest chain, or all work divided evenly among the slots."""
        return max(self.longest, self.core_s / max(1, self.slots))


def estimate(study: StudyConfig, out: Path | None = None, stages: Path | None = None) -> str:
    """The cost estimate as text; writes nothing into `out`. Raises ValueError for an invalid study."""
    return as_text(study, estimate_cost(study, plan(study), out, stages))


def estimate_cost(
    study: StudyConfig, runs: list[RunPlan], out: Path | None = None, stages: Path | None = None
) -> CostEstimate:
    """The cost of the planned `runs` of a study that have no row in `out`, and of stages that are not done in
    `out` or in the shared folder `stages`."""
    root = out / STAGES if out is not None and (out / STAGES).exists() else stages
    every = {s.key: s for r in runs for s in r.stages}
    todo = {k: s for k, s in every.items() if root is None or s.done(root) is None}
    rows = 0 if out is None else sum(row_path(out, r).exists() for r in runs)
    found = CostEstimate(len(runs), rows, len(every), len(every) - len(todo), saved_by_sharing(runs))
    found.slots = max(1, study.machine.side_by_side)
    for stage in todo.values():
        stage.check_installed()
    rates = measure_rates(todo.values())
    seconds: dict[str, float] = {}
    for key, stage in todo.items():
        rate = rates[stage.cost_class]
        total = found.by_kind.setdefault(stage.kind, Total(stage.unit))
        seconds[key] = rate.seconds(stage)
        total.stages += 1
        total.units += stage.units
        total.seconds += seconds[key]
        total.bytes += rate.bytes * stage.units
        total.gflop += rate.gflop * stage.units
        found.tokens += stage.tokens_seen
    ends: dict[str, float] = {}
    for key, stage in every.items():  # needs come first
        begins = max((ends[s.key] for s in stage.waits_for), default=0.0)
        ends[key] = begins + seconds.get(key, 0.0)
    found.longest = max(ends.values(), default=0.0)
    return found


@dataclass
class Measurement:
    """A reduced stage that was run: its metrics, time and bytes."""

    stage: Stage
    metrics: dict[str, Any]
    seconds: float
    bytes: int


def measure_rates(stages: Iterable[Stage]) -> dict[str, Rate]:
    """The rate of every cost class among `stages`, each measured once."""
    rates: dict[str, Rate] = {}
    with TemporaryDirectory(prefix="tst-dry-run-") as folder:
        reduced = [_ReducedRuns(Path(folder) / name, steps) for name, steps in _STEPS.items()]
        for stage in stages:
            if stage.cost_class not in rates:
                _, short, long = (runs.measure(stage) for runs in reduced)
                rates[stage.cost_class] = rate_of(short, long)
    return rates


class _ReducedRuns:
    """Stages reduced to `steps` steps and run in the folder `root`; shared inputs are run once."""

    def __init__(self, root: Path, steps: int) -> None:
        self._root, self._steps = root, steps
        self._reduced: dict[str, Stage] = {}
        self._measured: dict[str, Measurement] = {}
        self._clock = time.monotonic if pick_device("auto").type == "cuda" else time.process_time

    def measure(self, full: Stage) -> Measurement:
        """Run the reduced stage, and before it the stages that it needs."""
        last = full.reduce(self._steps, self._reduced)
        for stage in last.closure():
            if stage.key not in self._measured:
                begun = self._clock()
                metrics = stage.run(self._root, MachineConfig(slots=0))["metrics"]
                seconds = self._clock() - begun
                written = stage.bytes_written(self._root, metrics)
                self._measured[stage.key] = Measurement(stage, metrics, seconds, written)
        return self._measured[last.key]


def rate_of(short: Measurement, long: Measurement) -> Rate:
    """The rate from two measurements of one cost class: difference in time over difference in units."""
    few, many = short.stage.units, long.stage.units
    found = Rate(
        long.seconds / many, bytes=long.bytes / many, gflop=long.metrics.get("gflop_per_sample", 0.0)
    )
    if few == many:
        return found
    more, first = max(0.0, long.seconds - short.seconds), short.seconds
    encoded = long.stage.frames_encoded_once - short.stage.frames_encoded_once
    if encoded:
        # Frames are encoded while the head waits for data; then it learns from samples of their features.
        encoding = more * min(1.0, long.metrics["data_wait_seconds"] / long.metrics["wall_seconds"])
        found.encode = encoding / encoded
        more, first = more - encoding, first - found.encode * short.stage.frames_encoded_once
    found.each = more / (many - few)
    found.once = max(0.0, first - few * found.each)
    return found


def as_text(study: StudyConfig, found: CostEstimate) -> str:
    """A cost estimate as a table of text."""
    arms = Counter(run.arm for run in study.runs())
    of_each = ", ".join(f"{n} of {arm}" for arm, n in arms.items())
    lines = [
        f"{study.name} ({study.preset}): {found.runs} runs ({of_each}), {found.rows} of them with a row",
        f"{found.stages} stages, {found.done} done; sharing saves {found.saved} stage runs",
        "",
        f"{'to do':<12}{'stages':>8}{'units':>14}{'core hours':>13}{'PFLOP':>11}{'GB':>10}",
    ]
    for kind, t in found.by_kind.items():
        amount = f"{t.units:,} {t.unit}"
        flop = f"{t.gflop / 1e6:.3g}" if t.gflop else ""
        size = f"{t.bytes / 1e9:.3g}" if t.bytes else ""
        lines.append(f"{kind:<12}{t.stages:>8}{amount:>20}{t.seconds / 3600:>9.3g}{flop:>11}{size:>10}")
    lines += [
        "",
        f"pre-training sees or predicts {found.tokens:,} tokens",
        f"{found.core_s / 3600:.3g} hours of one process; side by side in {found.slots}: "
        f"{found.wall_s / 3600:.3g} hours here (the longest chain takes {found.longest / 3600:.3g})",
    ]
    return "\n".join(lines)
