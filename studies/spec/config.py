"""What a study is: arms and axes over a base, repeated over seeds, in one YAML file with several scales.

extends: base.yaml            # another file, laid under this one
name, question, figure        # what is asked, and the figure of the paper it follows
base: {...}                   # fields of a run (studies/spec/run.py)
arms: {NAME: {...}}           # what is compared: fields laid on the base; `axes:` of its own, if any
axes: {NAME: ...}             # crossed with every arm: {LEVEL: {...}}, or {set: [PLACE], to: [LEVEL]}
seeds: [0, 1, 2]              # repeats; a number, or {houses, poses, init, draws}
report: {...}                 # how it is drawn (studies/spec/report.py)
machine: {...}                # cores and actors, which change no result
presets: {NAME: {...}}        # scales: each lays its few differences on all of the above
"""

import re
from itertools import product
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from scenes.config import Config
from scenes.machine import available_cores
from studies.spec.renamed import place_with_new_names, with_new_names
from studies.spec.report import Level, ReportConfig
from studies.spec.run import RunConfig
from studies.spec.yaml import load_yaml, merge, parse, set_at


class Seeds(Config):
    """What is drawn anew in a repeat. Arms are paired: all of them have the same repeats."""

    houses: int = 0
    """Which houses: every set moves on by this many times `HOUSE_STEP` seeds."""
    poses: int = 0
    """Where the cameras stand."""
    init: int = 0
    """Weights before training."""
    draws: int = 0
    """Masks, augmentation and the order of frames."""


HOUSE_STEP = 100_000


def _seeds(value: Any) -> Any:
    return {"init": value, "draws": value} if isinstance(value, int) else value


class Axis(Config):
    """Levels of one quantity, each with what it sets."""

    set: tuple[str, ...] = ()
    """Places of a run's fields that take the level's value, such as `houses.iid.count`."""
    to: tuple[Level, ...] = ()
    """The levels, for `set`."""
    levels: dict[Level, dict[str, Any] | None] = {}
    """Levels with the fields that each lays on the run; null takes one away."""

    @property
    def table(self) -> dict[Level, dict[str, Any]]:
        """What each level lays on the run."""
        out: dict[Level, dict[str, Any]] = {k: v for k, v in self.levels.items() if v is not None}
        for level in self.to:
            out[level] = {}
            for place in self.set:
                set_at(out[level], place, level)
        return out


def _axis(value: Any) -> Any:
    """Levels may stand at the axis itself."""
    if isinstance(value, dict) and not value.keys() & {"set", "to", "levels"}:
        return {"levels": value}
    if isinstance(value, dict) and isinstance(value.get("set"), str):
        return value | {"set": [value["set"]]}
    return value


Axes = dict[str, Annotated[Axis, BeforeValidator(_axis)]]


class MachineConfig(Config):
    """Where it runs. Changes no byte of what is stored and no digit of a result."""

    slots: int | None = Field(default=None, ge=0)
    """Stages that run side by side; by default one a core; 0: all in this process, one after another."""
    actors: int = Field(default=0, ge=0)
    """Ray actors that collect; 0: each collection in the process of its stage."""
    ray_train: bool = False
    """Pre-train in Ray Train workers; false runs the same loop in the stage's own process."""
    workers: int = Field(default=1, ge=1)
    """Ray Train workers of a pre-training."""
    gpus: float = Field(default=0, ge=0)
    """Share of a GPU that a training stage claims, where it trains by itself."""

    @property
    def side_by_side(self) -> int:
        """How many stages work at once; 0: one, in this process."""
        return available_cores() if self.slots is None else self.slots


class Run(Config):
    """One row to be: a run's configuration and where in the study it stands."""

    arm: str
    point: dict[str, Level]
    repeat: int
    seeds: Seeds
    config: RunConfig

    @property
    def label(self) -> str:
        """Short and readable; unique in a study."""
        words = [self.arm, *(f"{axis}={level}" for axis, level in self.point.items()), f"r{self.repeat}"]
        return " ".join(words)


class StudyConfig(Config):
    """One study at one scale."""

    name: str
    """Short name, used for folders and titles."""
    question: str
    """What the study asks, in a sentence or two."""
    figure: str = ""
    """The figure of the paper that it follows."""
    preset: str = "base"
    """The scale this was resolved for."""
    base: dict[str, Any]
    """Fields of a run that all have in common."""
    arms: dict[str, dict[str, Any] | None] = Field(min_length=1)
    """What is compared."""
    axes: Axes = {}
    """What is varied in every arm."""
    seeds: tuple[Annotated[Seeds, BeforeValidator(_seeds)], ...] = Field(default=(Seeds(),), min_length=1)
    """Repeats."""
    report: ReportConfig
    """How the result is drawn."""
    machine: MachineConfig = MachineConfig()
    """Where it runs."""

    def runs(self) -> list[Run]:
        """All runs, repeats outermost so that every arm has a row as early as may be.

        Raises ValueError naming the arm and the place of what does not fit.
        """
        out = []
        for repeat, seeds in enumerate(self.seeds):
            for arm, own in self.arms.items():
                if own is None:
                    continue
                fields = {k: v for k, v in own.items() if k != "axes"}
                axes = {**self.axes, **_arm_axes(own, f"{self.name}: arms.{arm}")}
                for levels in product(*(axis.table.items() for axis in axes.values())):
                    point = dict(zip(axes, (level for level, _ in levels), strict=True))
                    data = merge(self.base, fields)
                    for _, laid in levels:
                        data = merge(data, laid)
                    where = f"{self.name} ({self.preset}): arm {arm}" + (f", {point}" if point else "")
                    config = parse(RunConfig, _seeded(data, seeds), where)
                    out.append(Run(arm=arm, point=point, repeat=repeat, seeds=seeds, config=config))
        return out

    @property
    def levels(self) -> dict[str, list[Level]]:
        """Every axis with its levels in order, those of arms included."""
        found: dict[str, dict[Level, None]] = {}
        for run in self.runs():
            for axis, level in run.point.items():
                found.setdefault(axis, {})[level] = None
        return {axis: list(levels) for axis, levels in found.items()}

    def resolved(self) -> dict[str, Any]:
        """The study as JSON values."""
        return self.model_dump(mode="json")


class _ArmAxes(Config):
    axes: Axes = {}


def _arm_axes(own: dict[str, Any], where: str) -> Axes:
    return parse(_ArmAxes, {"axes": own.get("axes", {})}, where).axes


def _seeded(data: dict[str, Any], seeds: Seeds) -> dict[str, Any]:
    """The run's fields in one repeat."""
    out = merge(data, {})
    out["houses"] = {
        name: h if h is None else h | {"seed": h["seed"] + HOUSE_STEP * seeds.houses}
        for name, h in data.get("houses", {}).items()
    }
    sensing = data.get("sensing", {})
    out["sensing"] = sensing | {"seed": sensing.get("seed", 0) + seeds.poses}
    out["pretrain"] = data.get("pretrain", {}) | {"seed": seeds.init, "draws": seeds.draws}
    out["transfer"] = data.get("transfer", {}) | {"seed": seeds.init, "draws": seeds.draws}
    return out


_KEYS = (
    "extends", "name", "question", "figure", "base", "arms", "axes", "seeds", "report", "machine", "presets"
)  # fmt: skip


def load_study(
    path: Path, preset: str | None = None, seeds: tuple[int, ...] = (), fields: dict[str, Any] | None = None
) -> StudyConfig:
    """The study in the YAML file at `path`, at the scale `preset` (default: the first in the file).

    `seeds`: repeats instead of the file's. `fields`: places and values laid on all of it, such as
    {"base.sensing.size": 32}. Raises ValueError naming the file, the place and the keys or presets there are.
    """
    files = _chain(path)
    own = files[-1][1]
    known = dict.fromkeys(p for _, data in reversed(files) for p in data.get("presets") or {})
    if preset is None:
        preset = next(iter(own.get("presets") or {}), next(iter(known), "base"))
    if preset != "base" and preset not in known:
        raise ValueError(f"{path}: no preset {preset!r}; presets there are: {', '.join(known)}")
    merged: dict[str, Any] = {}
    for _, data in files:
        merged = merge(merged, {k: v for k, v in data.items() if k not in ("presets", "extends")})
        merged = merge(merged, (data.get("presets") or {}).get(preset) or {})
    merged = {"name": path.stem, "question": ""} | merged | {"preset": preset}
    if seeds:
        merged["seeds"] = list(seeds)
    for place, value in (fields or {}).items():
        set_at(merged, *place_with_new_names(place, value, place))
    return parse(StudyConfig, merged, f"{path} (preset {preset})")


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file and what it extends, the lowest first."""
    chain: list[tuple[Path, dict[str, Any]]] = []
    at: Path | None = path
    while at is not None:
        data = load_yaml(at)
        if unknown := sorted(set(data) - set(_KEYS)):
            raise ValueError(f"{at}: unknown key {unknown[0]!r}; keys there are: {', '.join(_KEYS)}")
        if any(at == seen for seen, _ in chain):
            raise ValueError(f"{at} extends itself")
        chain.insert(0, (at, with_new_names(data, str(at))))
        at = at.parent / data["extends"] if "extends" in data else None
    return chain


def slug(text: str) -> str:
    """A label as part of a file's name."""
    return re.sub(r"[^A-Za-z0-9.=+-]+", "-", text).strip("-")
