"""A phone's walk through a house, written as an app would: `<folder>/walk` and the format's ending."""

from pathlib import Path
from typing import Any

from pydantic import Field

from agents.phone.recording import PhoneConfig
from engine.importers.phone import CaptureConfig, capture
from engine.importers.writers.registry import CAPTURE_WRITERS
from scenes.meshes.libraries.library import default_library
from studies.run.stage import Stage, changed
from studies.run.stages.houses import HousesStage
from studies.spec.config import MachineConfig

REDUCED_SECONDS = 12.0
"""Of a reduced walk, for every step."""


class CaptureStage(Stage):
    """The files of one walk. There are no labels in them."""

    kind = "capture"
    rank = 1
    unit = "frames"

    houses: HousesStage
    """The house."""
    phone: PhoneConfig
    """The recording."""
    format: str
    """What it is written as."""
    library: str = Field(default_factory=lambda: default_library().digest)
    """Digest of the asset library."""

    @property
    def label(self) -> str:
        title = CAPTURE_WRITERS[self.format].title
        return f"a phone's walk through {self.houses.name}: {self.phone.seconds:g} s, as {title}"

    def work(self, root: Path, machine: MachineConfig) -> dict[str, Any]:
        (house,) = self.houses.files(root)
        out = self.path(root)
        if not out.exists():  # it is put in place whole
            capture(CaptureConfig(house=house, out=out, format=self.format, **dict(self.phone)))
        files = [out] if out.is_file() else [f for f in out.rglob("*") if f.is_file()]
        return {"seconds": self.phone.seconds, "bytes": sum(f.stat().st_size for f in files)}

    def path(self, root: Path) -> Path:
        """Where it lies."""
        return self.folder(root) / f"walk{CAPTURE_WRITERS[self.format].ending}"

    @property
    def units(self) -> int:
        return round(self.phone.seconds * self.phone.fps)

    @property
    def cost_settings(self) -> dict[str, Any]:
        own = {"height": self.phone.height, "width": self.phone.width, "format": self.format}
        return own | {"family": self.houses.houses.family}

    def reduced(self, steps: int) -> dict[str, Any]:
        return {"phone": changed(self.phone, seconds=REDUCED_SECONDS * steps)}
