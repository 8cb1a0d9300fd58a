"""A store of a capture: frames of a phone's walk, imported from its files, in one role.

Both roles come of one division of the walk (`engine/importers/division.py`), which is the same whenever it is
made. Frames of pre-training have no labels; held-out ones get those of the house that was walked in, rendered
at their poses and kept where measured depth agrees.
"""

from pathlib import Path
from typing import Any

from engine.importers.importing import ImportConfig, Portion, import_frames
from engine.store.apart import Apart
from studies.run.stages.capture import CaptureStage
from studies.run.stages.store import StoreStage
from studies.spec.config import MachineConfig


class CapturedStage(StoreStage):
    """Frames of one walk in one role, evenly over all that the division gives it."""

    walk: CaptureStage
    """The capture."""
    held_out: float
    """Share of its frames that is for evaluation."""
    apart: Apart
    """What no learned frame may be near."""

    @property
    def label(self) -> str:
        return f"{self.role} frames of {self.houses.name}: 1 × {self.frames}, a phone's"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        (house,) = self.houses.files(root)
        store = self.path(root)
        config = ImportConfig(
            source=self.walk.path(root),
            store=store,
            size=self.sensing.size,
            format=self.walk.format,
            space=house.stem,
            held_out=self.held_out,
            apart=self.apart,
            labels=house,
        )
        found = import_frames(config, Portion(self.role, self.frames)).division
        assert found is not None
        return {
            "role": self.role,
            "set": self.houses.name,
            "houses": 1,
            "frames": self.frames,
            "bytes": sum(f.stat().st_size for f in store.rglob("*") if f.is_file()),
            "frames_to_learn_from": len(found.learned),
            "frames_held_out": len(found.held_out),
            "frames_between": found.between,
            "places": found.places,
        }

    @property
    def fixed_units(self) -> int:
        return 1

    @property
    def cost_settings(self) -> dict[str, Any]:
        return {"role": self.role, "size": self.sensing.size, "walk": self.walk.cost_settings}

    def reduced(self, steps: int) -> dict[str, Any]:
        """Of a short walk there must be enough frames for both roles."""
        near = Apart(metres=0, degrees=0, seconds=0)
        return super().reduced(steps) | {"held_out": 0.4, "apart": near}
