"""What a study is: arms and axes over a base, repeated over seeds, in one YAML file with several scales.

extends: base.yaml            # a file whose entries this one overrides
name, question, figure        # what is asked, and the figure of the paper it follows
base: {...}                   # fields of a run (studies/spec/run.py)
arms: {NAME: {...}}           # what is compared: fields that override the base; `axes:` of an arm alone
axes: {NAME: ...}             # crossed with every arm: {LEVEL: {...}}, or {set: [PLACE], to: [LEVEL]}, or
                              # {set: [PLACE], subsets: {of: [NAME]}} (studies/spec/subsets.py)
seeds: [0, 1, 2]              # repeats; a number, or {houses, poses, init, draws}
report: {...}                 # how it is drawn (studies/spec/report.py)
machine: {...}                # cores and actors, which change no result
presets: {NAME: {...}}        # scales: each overrides entries of all of the above

A preset may say `extends: OTHER`: then the other's entries, in this file and in those that it extends, are
under its own, and a preset of its own name in a file below is left out. A name that begins with _ is of a
preset that others extend, and cannot be chosen.
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
from studies.spec.subsets import Subsets
from studies.spec.yaml import load_yaml, merge, parse, set_at


class Seeds(Config):
    """Seeds of one repeat. All arms have the same repeats, so their differences are paired."""

    houses: int = 0
    """Houses: `HOUSE_STEP` times this is added to the seed of every set of houses."""
    poses: int = 0
    """Camera poses."""
    init: int = 0
    """Initial weights."""
    draws: int = 0
    """Masks, augmentation and the order of frames."""


HOUSE_STEP = 100_000


def _seeds(value: Any) -> Any:
    return {"init": value, "draws": value} if isinstance(value, int) else value


class Axis(Config):
    """Levels of one quantity, and the fields that each level sets."""

    set: tuple[str, ...] = ()
    """Dotted places of the run's fields that get the level as their value, such as `houses.iid.count`."""
    to: tuple[Level, ...] = ()
    """The levels, for `set`."""
    subsets: Subsets | None = None
    """Or levels that are subsets of some names, for `set`."""
    levels: dict[Level, dict[str, Any] | None] = {}
    """Levels with the fields of the run that each overrides; null removes a level."""

    @property
    def table(self) -> dict[Level, dict[str, Any]]:
        """The fields of the run that each level overrides."""
        out: dict[Level, dict[str, Any]] = {k: v for k, v in self.levels.items() if v is not None}
        values: dict[Level, Any] = dict(zip(self.to, self.to, strict=True))
        values |= {
            level: list(names) for level, names in (self.subsets.table if self.subsets else {}).items()
        }
        for level, value in values.items():
            out[level] = {}
            for place in self.set:
                set_at(out[level], place, value)
        return out


def _axis(value: Any) -> Any:
    """The short forms of an axis: levels without `levels`, one place without a list."""
    if isinstance(value, dict) and not value.keys() & {"set", "to", "levels", "subsets"}:
        return {"levels": value}
    if isinstance(value, dict) and isinstance(value.get("set"), str):
        return value | {"set": [value["set"]]}
    return value


Axes = dict[str, Annotated[Axis, BeforeValidator(_axis)]]


class MachineConfig(Config):
    """Where the stages run. Stored bytes and results do not depend on it."""

    slots: int | None = Field(default=None, ge=0)
    """Stages that run in parallel; default: one per core; 0: one after another in this process."""
    actors: int = Field(default=0, ge=0)
    """Ray actors of a collection; 0: the process of its stage collects."""
    ray_train: bool = False
    """Pre-train in Ray Train workers; false: the same loop in the process of the stage."""
    workers: int = Field(default=1, ge=1)
    """Ray Train workers of a pre-training."""
    gpus: float = Field(default=0, ge=0)
    """Share of a GPU that a stage claims which renders or has a network; 0: no stage sees a GPU."""

    @property
    def side_by_side(self) -> int:
        """Number of stages that run in parallel; 0: one after another in this process."""
        return available_cores() if self.slots is None else self.slots


class Run(Config):
    """A run of a study: its configuration, and its arm, levels and repeat. A finished run is one row."""

    arm: str
    point: dict[str, Level]
    repeat: int
    seeds: Seeds
    config: RunConfig

    @property
    def label(self) -> str:
        """Arm, levels and repeat; unique in a study."""
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
    """The preset that was resolved."""
    base: dict[str, Any]
    """Fields that all runs have in common."""
    arms: dict[str, dict[str, Any] | None] = Field(min_length=1)
    """What is compared: the fields that each arm overrides; null removes an arm."""
    axes: Axes = {}
    """What is varied in every arm."""
    seeds: tuple[Annotated[Seeds, BeforeValidator(_seeds)], ...] = Field(default=(Seeds(),), min_length=1)
    """Repeats."""
    report: ReportConfig
    """How the result is drawn."""
    machine: MachineConfig = MachineConfig()
    """Where it runs."""

    def runs(self) -> list[Run]:
        """All runs; repeats are the outermost loop, so that every arm soon has a row.

        Raises ValueError that names the arm and the place of an invalid field.
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

    `seeds` replace the file's repeats. `fields` override the study by dotted place, such as
    {"base.sensing.size": 32}. Raises ValueError that names the file, the place and the
    valid keys or presets.
    """
    files = _chain(path)
    own = files[-1][1]
    known = dict.fromkeys(
        p for _, data in reversed(files) for p in data.get("presets") or {} if not p.startswith("_")
    )
    preset = preset or str(next(iter(own.get("presets") or {}), next(iter(known), "base")))
    if preset != "base" and preset not in known:
        raise ValueError(f"{path}: no preset {preset!r}; presets there are: {', '.join(known)}")
    merged: dict[str, Any] = {}
    for (_, data), entries in zip(files, _preset_entries(files, preset), strict=True):
        merged = merge(merged, {k: v for k, v in data.items() if k not in ("presets", "extends")})
        for entry in entries:
            merged = merge(merged, {k: v for k, v in entry.items() if k != "extends"})
    merged = {"name": path.stem, "question": ""} | merged | {"preset": preset}
    if seeds:
        merged["seeds"] = list(seeds)
    for place, value in (fields or {}).items():
        set_at(merged, *place_with_new_names(place, value, place))
    return parse(StudyConfig, merged, f"{path} (preset {preset})")


def _preset_entries(files: list[tuple[Path, dict[str, Any]]], preset: str) -> list[list[dict[str, Any]]]:
    """For each file, what it has of the preset and of those that it extends, the most basic first.

    Raises ValueError where presets extend each other in a circle."""
    names = [preset]
    first: dict[str, int] = {}  # number of the file from which on the entries of a preset count
    while True:
        name = names[0]
        said = [i for i, (_, data) in enumerate(files) if "extends" in _entry(data, name)]
        if not said:
            break
        first[name] = said[-1]
        path, data = files[said[-1]]
        names.insert(0, _entry(data, name)["extends"])
        if names[0] in names[1:]:
            raise ValueError(f"{path}: presets {' and '.join(names[1:])} extend each other")
        if not any(names[0] in (data.get("presets") or {}) for _, data in files):
            raise ValueError(f"{path}: preset {name!r} extends {names[0]!r}, which no file has")
    return [
        [_entry(data, name) for name in names if i >= first.get(name, 0)] for i, (_, data) in enumerate(files)
    ]


def _entry(data: dict[str, Any], preset: str) -> dict[str, Any]:
    return (data.get("presets") or {}).get(preset) or {}


def _chain(path: Path) -> list[tuple[Path, dict[str, Any]]]:
    """The file and the files that it extends, the most basic first."""
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
    """A label in characters that are valid in a file name."""
    return re.sub(r"[^A-Za-z0-9.=+-]+", "-", text).strip("-")
