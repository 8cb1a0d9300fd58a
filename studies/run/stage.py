"""A stage: one piece of work with a content hash, done once and shared by every run that needs it."""

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from engine.store.manifest import write_atomically


@dataclass(frozen=True, eq=False)
class Stage:
    """What to do (`work`), from which stages, under which configuration.

    `work(out, inputs)` gets its own folder and the folders of `needs`, then those of `after`; it returns the
    stage's metrics and may be called again after a kill, when it finds in `out` what it had left there.
    `after` are stages that must be done first and change nothing of the result, such as those a guard looks
    at: they are not in the key.
    """

    kind: str
    label: str
    config: dict[str, Any]
    needs: tuple["Stage", ...]
    work: Callable[[Path, list[Path]], dict[str, Any]]
    after: tuple["Stage", ...] = ()

    @property
    def waits_for(self) -> tuple["Stage", ...]:
        """All stages that must be done before this one."""
        return (*self.needs, *self.after)

    @cached_property
    def key(self) -> str:
        """Hash of the configuration and of everything upstream of it."""
        content = {"kind": self.kind, "config": self.config, "needs": [n.key for n in self.needs]}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def folder(self, root: Path) -> Path:
        """Its own folder, `root` being that of all stages."""
        return root / f"{self.kind}-{self.key}"

    def closure(self) -> list["Stage"]:
        """This stage and all it needs, each once, needs first."""
        seen: dict[str, Stage] = {}
        for need in self.waits_for:
            seen |= {s.key: s for s in need.closure()}
        seen[self.key] = self
        return list(seen.values())

    def done(self, root: Path) -> dict[str, Any] | None:
        """Record of the finished stage: kind, label, config, metrics, seconds; None until it is finished."""
        path = self.folder(root) / "done.json"
        return json.loads(path.read_text()) if path.exists() else None

    def run(self, root: Path) -> dict[str, Any]:
        """Do the work unless it is done. The record comes last and at once: a kill leaves no half truth."""
        if record := self.done(root):
            return record
        out = self.folder(root)
        out.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        metrics = self.work(out, [need.folder(root) for need in self.waits_for])
        record = {
            "kind": self.kind,
            "label": self.label,
            "key": self.key,
            "config": self.config,
            "needs": [n.key for n in self.needs],
            "metrics": metrics,
            "seconds": round(time.monotonic() - start, 2),
        }
        write_json(out / "done.json", record)
        return record


def write_json(path: Path, value: Any) -> None:
    """Write `value` as JSON, atomically."""
    write_atomically(path, json.dumps(value, indent=1, sort_keys=True).encode())
