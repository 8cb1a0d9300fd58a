"""A stage: a piece of work with a content hash, run once and shared by all runs that need it.

A kind of stage is a class in `studies/run/stages/`. Its fields are its configuration and its inputs, which
are other stages. Its key is a hash of all fields, so that none that the result depends on can be forgotten;
fields that change no result (names, guards) are declared with `Field(exclude=True)`.
"""

import hashlib
import json
import time
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel

from engine.store.manifest import write_atomically
from scenes.config import Config
from studies.run.drawing import Drawing, StageRecord
from studies.spec.config import MachineConfig

C = TypeVar("C", bound=BaseModel)
# Fields of configurations that say how much work there is; the cost of a unit depends on the others.
_AMOUNTS = ("samples", "epochs", "batch", "steps", "check_frames", "seed", "draws", "threads")


class Stage(Config):
    """A piece of work. A subclass has the fields, does the work, and defines its cost and its drawings.

    An input is a field that holds a stage, a tuple of stages or a mapping to stages. Two stages with the same
    key are equal.
    """

    kind: ClassVar[str]
    """Name of the kind, in keys, folders and rows."""
    rank: ClassVar[int]
    """Of stages that are ready, those of lower rank start first. Kinds early in the chain from houses to
    scores have low ranks, since more stages wait for them."""
    unit: ClassVar[str] = "samples"
    """What `units` counts."""
    trains: ClassVar[bool] = False
    """Whether it runs a network."""

    # --- what it is ---------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def label(self) -> str:
        """Text that names the stage in logs and pages; not in the key."""

    @property
    def settings(self) -> dict[str, Any]:
        """The fields in the key that hold no stages, as JSON values."""
        return self.model_dump(mode="json", exclude=set(self._stage_fields), serialize_as_any=True)

    @cached_property
    def inputs(self) -> dict[str, "tuple[Stage, ...]"]:
        """The stages whose results it reads, by field."""
        return {
            k: _stages(v) for k, v in self._stage_fields.items() if not type(self).model_fields[k].exclude
        }

    @cached_property
    def needs(self) -> "tuple[Stage, ...]":
        """All inputs, in the order of the fields."""
        return tuple(stage for stages in self.inputs.values() for stage in stages)

    @cached_property
    def after(self) -> "tuple[Stage, ...]":
        """Stages in fields that are excluded from the key: they must be done first and do not change the
        result, such as the stores that a guard reads."""
        fields = type(self).model_fields
        return tuple(s for k, v in self._stage_fields.items() if fields[k].exclude for s in _stages(v))

    @property
    def waits_for(self) -> "tuple[Stage, ...]":
        """All stages that must be done first."""
        return (*self.needs, *self.after)

    @cached_property
    def key(self) -> str:
        """Hash of the kind, the settings and the keys of the inputs, by name."""
        inputs = {k: _keys(v) for k, v in self._stage_fields.items() if k in self.inputs}
        content = {"kind": self.kind, "settings": self.settings, "inputs": inputs}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def __repr__(self) -> str:
        return f"<{self.kind}-{self.key}: {self.label}>"

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and self.key == other.key

    @cached_property
    def _stage_fields(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if _stages(value)}

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A new instance; pydantic's copy would keep the cached key of the original."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**fields | dict(update or {}))

    # --- doing it -----------------------------------------------------------------------------------------

    def check_installed(self) -> None:
        """Raises ValueError, with the line that installs it, where a package is missing that the work needs.
        Called for every stage before the first is run."""

    @abstractmethod
    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        """Do the work in `self.folder(root)`, which exists, and return the metrics as JSON values.

        All stages in `waits_for` are done; their results are in their `folder(root)`. After a kill it is
        called again with the folder as it was left. Results must not depend on `machine`.
        """

    def gpus(self, machine: MachineConfig) -> float:
        """Share of a GPU that its process claims on Ray; where it is 0 the process sees none."""
        return machine.gpus if self.trains else 0.0

    def folder(self, root: Path) -> Path:
        """Its own folder in `root`, the folder of all stages."""
        return root / f"{self.kind}-{self.key}"

    def closure(self) -> "list[Stage]":
        """This stage and, before it, all stages that it waits for, directly or not, each once."""
        seen: dict[str, Stage] = {}
        for need in self.waits_for:
            seen |= {s.key: s for s in need.closure()}
        seen[self.key] = self
        return list(seen.values())

    def done(self, root: Path) -> dict[str, Any] | None:
        """Record of the finished stage (kind, label, config, metrics, seconds); None before that."""
        path = self.folder(root) / "done.json"
        return json.loads(path.read_text()) if path.exists() else None

    def run(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        """Do the work unless it is done, and return the record, which is written last, atomically."""
        if record := self.done(root):
            return record
        out = self.folder(root)
        out.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        metrics = self.work(root, machine)
        record = {
            "kind": self.kind,
            "label": self.label,
            "key": self.key,
            "config": self.settings,
            "needs": [n.key for n in self.needs],
            "metrics": metrics,
            "seconds": round(time.monotonic() - start, 2),
        }
        write_json(out / "done.json", record)
        return record

    # --- what it costs ------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def units(self) -> int:
        """Amount of work, counted in `unit`; the time of a stage is linear in it."""

    @property
    def fixed_units(self) -> int:
        """Number of times that the fixed cost, such as start-up, is paid."""
        return 1

    @property
    def frames_encoded_once(self) -> int:
        """Frames that are encoded once each before training, at a cost beside that of the units."""
        return 0

    @property
    def tokens_seen(self) -> int:
        """Tokens seen or predicted in pre-training."""
        return 0

    @property
    def frame_size(self) -> int | None:
        """Height and width of the frames it works on [pixels]; None where there are none."""
        return next((size for stage in self.needs if (size := stage.frame_size) is not None), None)

    @property
    def cost_settings(self) -> dict[str, Any]:
        """What the cost of a unit depends on, as JSON values."""
        return without_amounts(self.settings) | {"size": self.frame_size}

    @cached_property
    def cost_class(self) -> str:
        """Stages of one cost class take the same time per unit."""
        return json.dumps({"kind": self.kind} | self.cost_settings, sort_keys=True)

    def reduced(self, steps: int) -> dict[str, Any]:
        """The fields, except inputs, that change when it is reduced to a few frames and `steps` steps."""
        return {}

    def reduce(self, steps: int, known: "dict[str, Stage]") -> Self:
        """The same work reduced to a few frames and `steps` steps, with reduced inputs, in one thread.

        `known`: the reduced stages so far, by key of the full stage; shared inputs stay shared.
        """
        if self.key not in known:
            small = {k: _each(v, lambda s: s.reduce(steps, known)) for k, v in self._stage_fields.items()}
            known[self.key] = self.model_copy(update=small | self.reduced(steps))
        found = known[self.key]
        assert isinstance(found, type(self))
        return found

    def bytes_written(self, root: Path, metrics: dict[str, Any]) -> int:
        """Bytes that the finished stage stored for other stages."""
        return metrics.get("bytes", 0)

    # --- how it is drawn ----------------------------------------------------------------------------------

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        """Curves, table lines and pictures of a finished stage for the page of a study; none by default."""
        yield from ()


def changed(config: C, **fields: Any) -> C:
    """`config` with some fields changed, validated. Raises pydantic's ValidationError."""
    return type(config).model_validate({n: getattr(config, n) for n in type(config).model_fields} | fields)


def without_amounts(value: Any) -> Any:
    """JSON values without the fields that say how much work there is, at any depth."""
    if not isinstance(value, dict):
        return value
    return {k: without_amounts(v) for k, v in value.items() if k not in _AMOUNTS}


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True).encode())


def _stages(value: Any) -> tuple[Stage, ...]:
    """The stages in a field's value: a stage, a tuple or a mapping of stages; else none."""
    if isinstance(value, Mapping):
        value = tuple(value.values())
    found = value if isinstance(value, tuple) else (value,)
    return tuple(stage for stage in found if isinstance(stage, Stage))


def _each(value: Any, of: Any) -> Any:
    """A field's value with the function `of` applied to each of its stages."""
    if isinstance(value, Mapping):
        return {name: of(stage) for name, stage in value.items()}
    return tuple(of(stage) for stage in value) if isinstance(value, tuple) else of(value)


def _keys(value: Any) -> Any:
    return _each(value, lambda stage: stage.key)
