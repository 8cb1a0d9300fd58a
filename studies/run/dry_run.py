"""What a study would take, before it is begun: runs, shared stages, frames, tokens, FLOPs, hours and bytes.

    tst study run STUDY --preset P --dry-run             # with --out DIR: what is left of a run that is there

Rates are measured, not remembered: of every kind of work that is still to do, two miniatures (one house, a
few frames and steps of the same model) are done in a folder that is thrown away, a short one and a longer.
What the longer takes more is the rate; the rest is what a stage takes once. One before them is not counted,
for it imports and compiles. Time is that of the processor, so that other work on the machine counts for
little; with a GPU it is the clock's. Hours are of this machine.
"""

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from studies.run.pipeline import RunPlan, plan, plan_run
from studies.run.runner import STAGES, row_path, saved_by_sharing
from studies.run.stage import Stage
from studies.spec.config import MachineConfig, Run, StudyConfig
from studies.spec.run import RunConfig
from training.common.optimiser import pick_device

_FEW = 16  # frames of each role for every step, and the largest batch, of a miniature
_TRIALS = {"first": 1, "short": 1, "long": 5}  # steps; the first is not counted
_SCALE = ("samples", "epochs", "batch", "steps", "check_frames", "seed", "draws", "threads")
_KINDS = ("houses", "store", "tokenizer", "tokens", "pretrain", "transfer", "propagate", "evaluate")


@dataclass
class Rate:
    """What one kind of work takes on one process."""

    each: float  # seconds of a house, a frame or a sample
    once: float = 0.0  # seconds of a stage whatever its length; of a store, of each house
    encode: float = 0.0  # of linear probes, beside the samples: seconds of a labelled frame
    bytes: float = 0.0  # of a unit
    gflop: float = 0.0  # of a unit

    def seconds(self, stage: Stage) -> float:
        """What a stage of this work takes."""
        times = _houses(stage) if stage.kind == "store" else 1
        frames = units(stage.needs[0]) if stage.kind == "transfer" else 0
        return self.each * units(stage) + self.once * times + self.encode * frames


@dataclass
class Total:
    """Stages of one kind that are still to do."""

    stages: int = 0
    units: int = 0
    seconds: float = 0.0
    bytes: float = 0.0
    gflop: float = 0.0


@dataclass
class Bill:
    """A study's stages, by kind, and what is to do of them."""

    runs: int
    rows: int
    stages: int
    done: int
    saved: int
    by_kind: dict[str, Total] = field(default_factory=lambda: {k: Total() for k in _KINDS})
    tokens: int = 0  # seen or predicted in pre-training
    longest: float = 0.0  # seconds of the longest chain of stages
    slots: int = 1

    @property
    def core_s(self) -> float:
        """Seconds of one process after the other."""
        return sum(t.seconds for t in self.by_kind.values())

    @property
    def wall_s(self) -> float:
        """No less than the longest chain, nor than all work shared out evenly."""
        return max(self.longest, self.core_s / max(1, self.slots))


def estimate(study: StudyConfig, out: Path | None = None, stages: Path | None = None) -> str:
    """The bill as text. Nothing is left in `out`. Raises ValueError for what cannot be run."""
    return as_text(study, bill(study, out, stages))


def bill(study: StudyConfig, out: Path | None = None, stages: Path | None = None) -> Bill:
    """What is to do of a study, and what it takes. Without `out` no run has a row, and without either folder
    no stage is done."""
    runs = plan(study)
    root = out / STAGES if out is not None and (out / STAGES).exists() else stages
    every = {s.key: s for r in runs for s in r.stages}
    todo = {k: s for k, s in every.items() if root is None or s.done(root) is None}
    rows = 0 if out is None else sum(row_path(out, r).exists() for r in runs)
    found = Bill(len(runs), rows, len(every), len(every) - len(todo), saved_by_sharing(runs))
    found.slots = max(1, study.machine.side_by_side)
    rates = _measure(runs, set(todo))
    seconds: dict[str, float] = {}
    for key, stage in todo.items():
        here, count, total = rates[_work_of(stage)], units(stage), found.by_kind[stage.kind]
        seconds[key] = here.seconds(stage)
        total.stages += 1
        total.units += count
        total.seconds += seconds[key]
        total.bytes += here.bytes * count
        total.gflop += here.gflop * count
        if stage.kind == "pretrain" and stage.config["pretrain"]["objective"] == "mm":
            masking = stage.config["pretrain"]["masking"]
            found.tokens += count * (masking["inputs"] + masking["targets"])
    ends: dict[str, float] = {}
    for key, stage in every.items():  # needs come first
        begins = max((ends[s.key] for s in stage.waits_for), default=0.0)
        ends[key] = begins + seconds.get(key, 0.0)
    found.longest = max(ends.values(), default=0.0)
    return found


def _houses(store: Stage) -> int:
    return store.needs[0].config["count"]


def units(stage: Stage) -> int:
    """Houses, frames or samples of a stage."""
    config = stage.config
    if stage.kind == "houses":
        return config["count"]
    if stage.kind == "store":
        return config["frames"] * _houses(stage)
    if stage.kind == "tokenizer":
        return config["tokenizer"]["steps"] * config["tokenizer"]["batch"]
    if stage.kind == "pretrain":
        return config["pretrain"]["samples"]
    if stage.kind == "transfer":
        own = config["transfer"]
        labelled = units(stage.needs[0])
        if own["epochs"] is not None:
            return round(own["epochs"] * labelled)
        return labelled if own["protocol"] == "knn" else own["samples"]
    return units(stage.needs[0])  # tokens, evaluation: the frames of their store


def _work_of(stage: Stage) -> str:
    """Stages of the same work differ in how much of it they do, and in nothing else."""

    def without(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {k: without(v) for k, v in value.items() if k not in _SCALE}

    content: dict[str, Any] = {"kind": stage.kind}
    if stage.kind == "houses":
        content |= {"family": stage.config["family"], "days": len(stage.config["days"])}
    elif stage.kind == "store":
        content |= without(stage.config)
        content |= {"family": stage.needs[0].config["family"], "frames": None}
    else:
        content |= without(stage.config) | {"shares": None}
        content["size"] = next(s.config["size"] for s in stage.closure() if s.kind == "store")
        if stage.kind in ("propagate", "evaluate"):
            content["model"] = _work_of(stage.needs[1])
    return json.dumps(content, sort_keys=True)


@dataclass
class Trial:
    """A stage of a miniature, done."""

    stage: Stage
    metrics: dict[str, Any]
    seconds: float
    bytes: int


def _measure(runs: Sequence[RunPlan], todo: set[str]) -> dict[str, Rate]:
    """The rate of every kind of work to do, each measured once."""
    rates: dict[str, Rate] = {}
    with TemporaryDirectory(prefix="tst-dry-run-") as folder:
        done = [_Miniatures(Path(folder) / name, steps) for name, steps in _TRIALS.items()]
        for run in runs:
            wanted = {_work_of(s) for s in run.stages if s.key in todo}
            if wanted - rates.keys():
                _, short, long = (of.do(run.run) for of in done)
                measured = {_work_of(b.stage): rate(a, b) for a, b in zip(short, long, strict=True)}
                rates = measured | rates
                missing = wanted - rates.keys()
                assert not missing, f"the miniature of {run.run.label} lacks {sorted(missing)[:1]}"
    return rates


class _Miniatures:
    """Runs made small to so many steps, in a folder of their own; what they share is done once."""

    def __init__(self, root: Path, steps: int) -> None:
        self._root, self._steps = root, steps
        self._trials: dict[str, Trial] = {}
        self._clock = time.monotonic if pick_device("auto").type == "cuda" else time.process_time

    def do(self, run: Run) -> list[Trial]:
        """Every stage of a run, made small."""
        few = run.model_copy(update={"config": small(run.config, self._steps)})
        stages = plan_run(few, MachineConfig(slots=0)).stages
        for stage in stages:
            if stage.key not in self._trials:
                begun = self._clock()
                metrics = stage.run(self._root)["metrics"]
                self._trials[stage.key] = Trial(
                    stage, metrics, self._clock() - begun, _bytes(stage, metrics, self._root)
                )
        return [self._trials[stage.key] for stage in stages]


def _bytes(stage: Stage, metrics: dict[str, Any], root: Path) -> int:
    """What a stage leaves for others to read: frames or tokens."""
    if stage.kind != "tokens":
        return metrics.get("bytes", 0)
    files = (stage.needs[0].folder(root) / "store").rglob(f"{metrics['array']}*/**/*")
    return sum(f.stat().st_size for f in files if f.is_file())


def rate(short: Trial, long: Trial) -> Rate:
    """What the longer of two takes more, by what it has more."""
    few, many = units(short.stage), units(long.stage)
    found = Rate(
        long.seconds / many, bytes=long.bytes / many, gflop=long.metrics.get("gflop_per_sample", 0.0)
    )
    if few == many:
        return found
    more, first = max(0.0, long.seconds - short.seconds), short.seconds
    if long.stage.kind == "transfer" and long.stage.config["transfer"]["protocol"] == "linear":
        # Frames are encoded once each, while the head waits; then it learns from samples of them.
        encoding = more * min(1.0, long.metrics["data_wait_seconds"] / long.metrics["wall_seconds"])
        labelled = units(short.stage.needs[0])
        found.encode = encoding / (units(long.stage.needs[0]) - labelled)
        more, first = more - encoding, first - found.encode * labelled
    found.each = more / (many - few)
    found.once = max(0.0, first - few * found.each)
    return found


def small(config: RunConfig, steps: int) -> RunConfig:
    """The same run on one house of each set, a few frames and so many steps, in one thread."""
    data = config.resolved()
    repeats = config.pretrain.mm.masking.repeats
    batch = min(_FEW, config.pretrain.batch) // repeats * repeats or repeats
    data["houses"] = {k: v | {"count": 1} for k, v in data["houses"].items()}
    frames = _FEW * steps
    for phase in data["learn"].values():
        phase["houses"] = dict.fromkeys(phase["houses"], 1.0)
        phase["frames"] = frames * len(phase["houses"])
        phase["pretrain"] = _scaled(phase["pretrain"], samples=steps * batch, batch=batch)
    data["tokenizer"] |= {"steps": steps, "batch": _FEW, "check_frames": _FEW, "threads": 1}
    data["tokenizer_by_modality"] = {
        k: _scaled(v, steps=steps, batch=_FEW) for k, v in data["tokenizer_by_modality"].items()
    }
    data["pretrain"] |= {"samples": steps * batch, "batch": batch, "threads": 1}
    few = min(_FEW, config.transfer.batch)
    data["transfer"] |= {"samples": steps * few, "batch": few, "epochs": None, "threads": 1}
    data["transfer_by_protocol"] = {
        k: _scaled(v, samples=steps * few, batch=few, epochs=None)
        for k, v in data["transfer_by_protocol"].items()
    }
    data["evaluate"] |= {"threads": 1}
    for role in ("labels", "propagate", "judge"):
        data[role] = dict.fromkeys(data[role], frames)
    return RunConfig.model_validate(data)


def _scaled(fields: dict[str, Any], **scale: Any) -> dict[str, Any]:
    """Of a few fields, those that say how much are as `scale` has them."""
    return {k: scale.get(k, v) for k, v in fields.items()}


def as_text(study: StudyConfig, found: Bill) -> str:
    """A bill, readable."""
    arms = Counter(run.arm for run in study.runs())
    of_each = ", ".join(f"{n} of {arm}" for arm, n in arms.items())
    lines = [
        f"{study.name} ({study.preset}): {found.runs} runs ({of_each}), {found.rows} of them with a row",
        f"{found.stages} stages, {found.done} done; sharing saves {found.saved} stage runs",
        "",
        f"{'to do':<12}{'stages':>8}{'units':>14}{'core hours':>13}{'PFLOP':>11}{'GB':>10}",
    ]
    names = dict.fromkeys(("store", "tokens", "propagate", "evaluate"), "frames") | {"houses": "houses"}
    for kind, t in found.by_kind.items():
        amount = f"{t.units:,} {names.get(kind, 'samples')}"
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
