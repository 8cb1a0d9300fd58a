"""What a study would take, before it is begun: runs, shared stages, frames, tokens, FLOPs, hours and bytes.

    tst study run STUDY --preset P --out DIR --dry-run

Rates are measured, not remembered: for every kind of work that is still to do, a miniature of it (one house,
a few frames, a few steps of the same model) is done in a folder that is thrown away. First steps are slow
ones, so they tell rather too much than too little. Hours are of this machine.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from engine.collect import CollectConfig
from engine.collect import estimate as estimate_collection
from studies.config import MachineConfig, Run, StudyConfig
from studies.pipeline import RunPlan, plan, plan_run
from studies.run_config import RunConfig, Sensing
from studies.runner import STAGES, row_path, saved_by_sharing
from studies.stage import Stage

_FEW = 16  # frames of each role, and the largest batch, of a miniature
_STEPS = 4
_SCALE = ("samples", "epochs", "batch", "steps", "check_frames", "seed", "draws", "threads")
_KINDS = ("houses", "store", "tokenizer", "tokens", "pretrain", "transfer", "propagate", "evaluate")


@dataclass
class Rate:
    """What a unit of one kind of work takes on one process."""

    seconds: float  # a house, a frame or a sample
    house_s: float = 0.0  # of stores, beside the frames: to load a house
    bytes: float = 0.0
    gflop: float = 0.0


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


def estimate(study: StudyConfig, out: Path, stages: Path | None = None) -> str:
    """The bill as text. Nothing is left in `out`. Raises ValueError for what cannot be run."""
    return as_text(study, bill(study, out, stages))


def bill(study: StudyConfig, out: Path, stages: Path | None = None) -> Bill:
    """What is to do of a study, and what it takes."""
    runs = plan(study)
    root = out if stages is None or (out / STAGES).exists() else _Elsewhere(stages)
    every = {s.key: s for r in runs for s in r.stages}
    todo = {k: s for k, s in every.items() if s.done(root) is None}  # pyright: ignore[reportArgumentType]
    rows = sum(row_path(out, r).exists() for r in runs) if out.exists() else 0
    found = Bill(len(runs), rows, len(every), len(every) - len(todo), saved_by_sharing(runs))
    found.slots = max(1, study.machine.side_by_side)
    rates = _measure(runs, set(todo))
    seconds: dict[str, float] = {}
    for key, stage in todo.items():
        rate, units, total = rates[_work_of(stage)], _units(stage), found.by_kind[stage.kind]
        spent = rate.seconds * units
        if stage.kind == "store":
            spent += rate.house_s * _houses(stage)
        seconds[key] = spent
        total.stages += 1
        total.units += units
        total.seconds += spent
        total.bytes += rate.bytes * units
        total.gflop += rate.gflop * units
        if stage.kind == "pretrain" and stage.config["pretrain"]["objective"] == "mm":
            masking = stage.config["pretrain"]["masking"]
            found.tokens += units * (masking["inputs"] + masking["targets"])
    ends: dict[str, float] = {}
    for key, stage in every.items():  # needs come first
        begins = max((ends[s.key] for s in stage.waits_for), default=0.0)
        ends[key] = begins + seconds.get(key, 0.0)
    found.longest = max(ends.values(), default=0.0)
    return found


class _Elsewhere:
    """A folder of stages that several studies share, as `Stage.done` looks for it."""

    def __init__(self, stages: Path) -> None:
        self._stages = stages

    def __truediv__(self, name: str) -> Path:
        assert name == STAGES, "stages are looked for by that name"
        return self._stages


def _houses(store: Stage) -> int:
    return store.needs[0].config["count"]


def _units(stage: Stage) -> int:
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
        labelled = _units(stage.needs[0])
        if own["epochs"] is not None:
            return round(own["epochs"] * labelled)
        return own["samples"] if own["protocol"] == "finetune" else labelled
    return _units(stage.needs[0])  # tokens, evaluation: the frames of their store


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


def _measure(runs: Sequence[RunPlan], todo: set[str]) -> dict[str, Rate]:
    """The rate of every kind of work to do, each measured once."""
    rates: dict[str, Rate] = {}
    for run in runs:
        wanted = {_work_of(s) for s in run.stages if s.key in todo}
        if wanted - rates.keys():
            rates = _miniature(run.run) | rates
            missing = wanted - rates.keys()
            assert not missing, f"the miniature of {run.run.label} lacks {sorted(missing)[:1]}"
    return rates


def _miniature(run: Run) -> dict[str, Rate]:
    """Rates of all the work in a run, by doing a little of each."""
    small = run.model_copy(update={"config": RunConfig.model_validate(_small(run.config))})
    found: dict[str, Rate] = {}
    with TemporaryDirectory(prefix="tst-dry-run-") as folder:
        for stage in plan_run(small, MachineConfig(slots=0)).stages:
            record = stage.run(Path(folder))
            metrics, units = record["metrics"], _units(stage)
            if stage.kind == "store":
                rate = _collection(stage, Path(folder))
            elif stage.kind in ("pretrain", "transfer", "tokens", "tokenizer") and metrics.get(
                "samples_per_second"
            ):
                rate = Rate(1 / metrics["samples_per_second"], gflop=metrics.get("gflop_per_sample", 0.0))
            else:
                rate = Rate(record["seconds"] / units)
            if stage.kind == "tokens":
                store = stage.needs[0].folder(Path(folder)) / "store"
                files = store.rglob(f"{metrics['array']}*/**/*")
                rate.bytes = sum(f.stat().st_size for f in files if f.is_file()) / units
            found[_work_of(stage)] = rate
    return found


def _collection(stage: Stage, folder: Path) -> Rate:
    """Of collecting, what a house and what a frame takes, apart."""
    houses = sorted((stage.needs[0].folder(folder) / "houses").glob("*.json"))
    sensing = {k: v for k, v in stage.config.items() if k in Sensing.model_fields}
    config = CollectConfig(
        houses=houses, store=folder / "trial", role=stage.config["role"], frames=_FEW, actors=1, **sensing
    )
    rates = estimate_collection(config).rates
    return Rate(rates.frame_s, house_s=rates.house_s, bytes=rates.frame_bytes)


def _small(config: RunConfig) -> dict[str, Any]:
    """The same run on one house of each set, a few frames and a few steps."""
    data = config.resolved()
    repeats = config.pretrain.masking.repeats
    batch = min(_FEW, config.pretrain.batch) // repeats * repeats or repeats
    data["houses"] = {k: v | {"count": 1} for k, v in data["houses"].items()}
    for phase in data["learn"].values():
        phase["houses"] = dict.fromkeys(phase["houses"], 1.0)
        phase["frames"] = _FEW * len(phase["houses"])
        phase["pretrain"] = _scaled(phase["pretrain"], samples=_STEPS * batch, batch=batch)
    data["tokenizer"] |= {"steps": _STEPS, "batch": _FEW, "check_frames": _FEW}
    data["tokenizer_by_modality"] = {
        k: _scaled(v, steps=_STEPS, batch=_FEW) for k, v in data["tokenizer_by_modality"].items()
    }
    data["pretrain"] |= {"samples": _STEPS * batch, "batch": batch}
    few = min(_FEW, config.transfer.batch)
    data["transfer"] |= {"samples": _STEPS * few, "batch": few, "epochs": None}
    data["transfer_by_protocol"] = {
        k: _scaled(v, samples=_STEPS * few, batch=few, epochs=None)
        for k, v in data["transfer_by_protocol"].items()
    }
    data["labels"] = dict.fromkeys(data["labels"], _FEW)
    data["propagate"] = dict.fromkeys(data["propagate"], _FEW)
    data["judge"] = dict.fromkeys(data["judge"], _FEW)
    return data


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
        units = f"{t.units:,} {names.get(kind, 'samples')}"
        flop = f"{t.gflop / 1e6:.3g}" if t.gflop else ""
        size = f"{t.bytes / 1e9:.3g}" if t.bytes else ""
        lines.append(f"{kind:<12}{t.stages:>8}{units:>20}{t.seconds / 3600:>9.3g}{flop:>11}{size:>10}")
    lines += [
        "",
        f"pre-training sees or predicts {found.tokens:,} tokens",
        f"{found.core_s / 3600:.3g} hours of one process; side by side in {found.slots}: "
        f"{found.wall_s / 3600:.3g} hours here (the longest chain takes {found.longest / 3600:.3g})",
    ]
    return "\n".join(lines)
