"""Formats of captures, the more particular first: a capture is read by the first that recognises it."""

from pathlib import Path

from engine.importers.capture import CaptureFormat
from engine.importers.images import ImageFolder
from engine.importers.nerfstudio import Nerfstudio
from engine.importers.stray_scanner import StrayScanner
from engine.importers.tum import TumRgbd
from engine.importers.video import PlainVideo

CAPTURE_FORMATS: dict[str, CaptureFormat] = {
    "stray-scanner": StrayScanner(),
    "nerfstudio": Nerfstudio(),
    "tum-rgbd": TumRgbd(),
    "video": PlainVideo(),
    "images": ImageFolder(),
}
"""By the name that `--format` takes."""


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
