"""A whole tiny study in this process, and what its stages read."""

import json
from pathlib import Path
from typing import Any

import pytest

from engine.store.access import Frames
from engine.store.store import Store
from studies.run.runner import run_study
from studies.run.stage import Stage
from studies.spec.config import MachineConfig, StudyConfig

TINY: dict[str, Any] = {
    "base.frames": 48,
    "base.tokenizer": {"patch": 8, "codes": 16, "steps": 4, "batch": 16},
    "base.pretrain.samples": 64,
    "base.pretrain.batch": 16,
    "base.transfer.samples": 64,
    "machine.slots": 0,
}
"""Fields that make a study's smoke scale smaller still."""
Reads = dict[str, set[tuple[str, str]]]
"""By kind of stage, role and modality of all that was read of a store."""


def run_watched(study: StudyConfig, out: Path) -> Reads:
    """Runs the study in the folder `out`; what its stages read."""
    seen: Reads = {}
    kind = ["none"]
    read, run = Frames.read, Stage.run

    def watched_read(self: Frames, ids: Any, modalities: Any) -> Any:
        seen.setdefault(kind[0], set()).update((self.role, m) for m in modalities)
        return read(self, ids, modalities)

    def watched_run(self: Stage, root: Path, machine: MachineConfig) -> Any:
        kind[0] = self.kind
        return run(self, root, machine)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Frames, "read", watched_read)
        patch.setattr(Stage, "run", watched_run)
        run_study(study, out)
    return seen


def store_of(out: Path, role: str) -> Store:
    """The store of a role, in the folder of a study that has one of each."""
    (path,) = [
        p.parent
        for p in out.glob("stages/store-*/done.json")
        if json.loads(p.read_text())["config"]["role"] == role
    ]
    return Store.open(path / "store")
