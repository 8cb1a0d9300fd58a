"""The table of formats that a simulated phone writes: to add one, add a line to `CAPTURE_WRITERS`."""

from engine.importers.writers.arkitscenes import ArkitScenesWriter
from engine.importers.writers.manifest import ManifestWriter
from engine.importers.writers.nerfstudio import NerfstudioWriter
from engine.importers.writers.record3d import Record3DWriter
from engine.importers.writers.replica_renderings import ReplicaRenderingsWriter
from engine.importers.writers.scannetpp import ScannetppWriter
from engine.importers.writers.stray_scanner import StrayScannerWriter
from engine.importers.writers.tum import TumWriter
from engine.importers.writers.writer import CaptureWriter

CAPTURE_WRITERS: dict[str, CaptureWriter] = {
    "stray-scanner": StrayScannerWriter(),
    "record3d": Record3DWriter(),
    "arkitscenes": ArkitScenesWriter(),
    "nerfstudio": NerfstudioWriter(),
    "replica-renderings": ReplicaRenderingsWriter(),
    "scannetpp-iphone": ScannetppWriter(),
    "tum-rgbd": TumWriter(),
    "manifest": ManifestWriter(),
}
"""By the name that `tst import --format` takes too."""


def known_writer(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no writer has it."""
    if name not in CAPTURE_WRITERS:
        raise ValueError(f"no capture is written as {name!r}; choose from {', '.join(CAPTURE_WRITERS)}")
    return name
