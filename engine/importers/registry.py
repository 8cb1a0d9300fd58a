"""Formats of captures, the more particular first: a capture is read by the first that recognises it."""

import hashlib
import re
from pathlib import Path

from engine.importers.capture import CaptureFormat
from engine.importers.formats.ade20k import Ade20k
from engine.importers.formats.arkitscenes import ArkitScenes
from engine.importers.formats.colmap import Colmap
from engine.importers.formats.images import ImageFolder
from engine.importers.formats.manifest import OwnManifest
from engine.importers.formats.nerfstudio import Nerfstudio
from engine.importers.formats.record3d import Record3D
from engine.importers.formats.replica_renderings import ReplicaRenderings
from engine.importers.formats.scannetpp_dslr import ScannetppDslr
from engine.importers.formats.scannetpp_iphone import ScannetppIphone
from engine.importers.formats.stray_scanner import StrayScanner
from engine.importers.formats.tum import TumRgbd
from engine.importers.formats.video import PlainVideo

CAPTURE_FORMATS: dict[str, CaptureFormat] = {
    "manifest": OwnManifest(),
    "stray-scanner": StrayScanner(),
    "record3d": Record3D(),
    "arkitscenes": ArkitScenes(),
    "ade20k": Ade20k(),
    "replica-renderings": ReplicaRenderings(),
    "scannetpp-iphone": ScannetppIphone(),
    "scannetpp-dslr": ScannetppDslr(),
    "nerfstudio": Nerfstudio(),
    "colmap": Colmap(),
    "tum-rgbd": TumRgbd(),
    "video": PlainVideo(),
    "images": ImageFolder(),
}
"""By the name that `--format` takes."""

_SCANNETPP_SCENE = re.compile("[0-9a-f]{10}")


def find_format(path: Path, name: str | None = None) -> str:
    """The name of the format of a capture: `name`, or the first that recognises it.

    Raises ValueError for a name or a path that no format has.
    """
    known = ", ".join(f"{n} ({f.title})" for n, f in CAPTURE_FORMATS.items())
    if name is not None and name not in CAPTURE_FORMATS:
        raise ValueError(f"there is no format {name!r}; choose from {known}")
    if not path.exists():
        raise ValueError(f"there is no file or folder {path}")
    found = name or next((n for n, f in CAPTURE_FORMATS.items() if f.recognises(path)), None)
    if found is None:
        raise ValueError(f"{path} is no capture that can be read; those are: {known}")
    return found


def place_of(path: Path, name: str) -> tuple[str, str]:
    """The name of the space that a capture of format `name` is of, and, where its data set numbers spaces, a
    digest of which it is, hex, the same for every recording of it; else "".

    Recordings of ScanNet++ by phone and camera have one world: as one space they are kept apart by pose.
    """
    if not name.startswith("scannetpp"):
        return path.resolve().stem, ""
    scene = path.resolve().parent.name
    known = _SCANNETPP_SCENE.fullmatch(scene) is not None
    return scene, hashlib.sha256(f"ScanNet++ {scene}".encode()).hexdigest() if known else ""
