"""A store: frames of one set of houses in one role, in `<folder>/store`, of all sensors or of some."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import Field

from engine.collect.collect import CollectConfig, collect
from engine.store.access import UnlabelledRole
from engine.store.schema import Role
from engine.store.show import contact_sheet
from engine.store.store import Store
from scenes.meshes.libraries.library import default_library
from studies.run.drawing import Drawing, Picture, StageRecord, TableLine
from studies.run.stage import Stage, without_amounts
from studies.run.stages.houses import HousesStage
from studies.spec.config import MachineConfig
from studies.spec.frames import Sensing

REDUCED_FRAMES = 16  # of each role for every step, and the largest batch, of a reduced stage
_ROLES: tuple[Role, ...] = ("pretrain", "transfer", "eval")


class StoreStage(Stage):
    """Frames of one set of houses in one role."""

    kind = "store"
    rank = 1
    unit = "frames"

    houses: HousesStage
    """The houses."""
    role: Role
    """What the frames are for."""
    frames: int
    """Frames of each house."""
    sensing: Sensing
    """How they are sensed. Only pre-training frames are sampled as the run says; the others densely, in
    all of a house or in a rectangle of it."""
    sensory: tuple[str, ...] | None = None
    """The only modalities that are sensed; none: all."""
    library: str = Field(default_factory=lambda: default_library().digest)
    """Digest of the asset library."""

    @property
    def label(self) -> str:
        only = f", {', '.join(self.sensory)} alone" if self.sensory else ""
        area = f", {self.sensing.sampling.area_m2:g} m² of each" if self.sensing.sampler == "ring" else ""
        count = f"{self.houses.houses.count} × {self.frames}"
        return f"{self.role} frames of {self.houses.name}: {count}{area}{only}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        files, store = self.houses.files(root), self.path(root)
        collect(
            CollectConfig(
                houses=files,
                store=store,
                role=self.role,
                frames=self.frames,
                actors=machine.actors,
                **({} if self.sensory is None else {"sensory": self.sensory}),
                **dict(self.sensing),
            )
        )
        return {
            "role": self.role,
            "set": self.houses.name,
            "houses": len(files),
            "frames": len(files) * self.frames,
            "bytes": sum(f.stat().st_size for f in store.rglob("*") if f.is_file()),
        }

    def gpus(self, machine: MachineConfig) -> float:
        """That of the renderer, where it is not in actors, which claim their own."""
        return 0.0 if machine.actors else machine.gpus

    def path(self, root: Path) -> Path:
        """Where its store is."""
        return self.folder(root) / "store"

    @property
    def unlabelled_role(self) -> UnlabelledRole:
        """Its role, for a stage that learns from its frames without labels."""
        assert self.role != "eval", "evaluation frames are never learned from"
        return self.role

    @property
    def units(self) -> int:
        return self.frames * self.houses.units

    @property
    def fixed_units(self) -> int:
        """Every house is loaded once."""
        return self.houses.units

    @property
    def frame_size(self) -> int:
        return self.sensing.size

    @property
    def cost_settings(self) -> dict[str, Any]:
        own = without_amounts(self.settings) | {"frames": None}
        return own | {"family": self.houses.houses.family}

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"frames": REDUCED_FRAMES * steps}

    @classmethod
    def drawings(cls, record: StageRecord) -> Iterator[Drawing]:
        section = "What the body sensed"
        count, size = record.metrics.get("frames"), record.metrics.get("bytes")
        cells = ("" if count is None else f"{count:,}", "" if size is None else f"{size / 1e6:,.1f}")
        yield TableLine(section, "", ("store", "frames", "MB"), (record.label, *cells))
        path = record.folder / "store"
        if path.is_dir():
            store = Store.open(path)
            for role in _ROLES:
                if any(run.role == role for run in store.runs):
                    labels = ", without labels" if role == "pretrain" else ""
                    sheet = partial(contact_sheet, store, 8, role=role)
                    yield Picture(section, role, sheet, title=f"{role}: {record.label}{labels}")
