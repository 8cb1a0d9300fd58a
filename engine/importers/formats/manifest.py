"""One's own capture: `manifest.json` lists frames and says in which axes and units they are.

    {"testspace_capture": 1, "camera_axes": "opencv", "up": "z", "depth_unit_mm": 1.0,
     "intrinsics": [fx, fy, cx, cy],
     "frames": [{"rgb": "rgb/0.png", "depth": "depth/0.png", "time_s": 0.0, "pose": [[...4 numbers...], ...]},
                ...]}

Poses are camera to world [m], intrinsics [pixels of rgb] of all frames or in each; depth is z-depth in images
of one 16-bit channel, 0 where it was not measured. Paths are relative to the file. All but `rgb` may be left
out, of every frame alike.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from engine.importers.capture import (
    OPENGL_TO_OPENCV,
    Z_UP_TO_Y_UP,
    CapturedFrame,
    FrameSource,
    checked_pose,
    inside,
    read_depth,
    read_rgb,
)
from engine.importers.turning import shown_quarters
from scenes.config import Config

FILE = "manifest.json"
_Row = tuple[float, float, float, float]


class ManifestFrame(Config):
    """One frame."""

    rgb: str
    depth: str | None = None
    pose: tuple[_Row, _Row, _Row, _Row] | None = None
    intrinsics: _Row | None = None
    time_s: float | None = None


class Manifest(Config):
    """A manifest.json."""

    testspace_capture: Literal[1]
    """Version of this format."""
    frames: tuple[ManifestFrame, ...] = Field(min_length=1)
    intrinsics: _Row | None = None
    depth_unit_mm: float = Field(1.0, gt=0)
    camera_axes: Literal["opencv", "opengl"] = "opencv"
    """x right, y down, z forward; or x right, y up, z backward."""
    up: Literal["y", "z"] = "y"
    """The world's axis that is up; the world is right-handed."""

    @model_validator(mode="after")
    def _frames_are_alike(self) -> "Manifest":
        for name in ("depth", "pose", "intrinsics", "time_s"):
            count = sum(getattr(frame, name) is not None for frame in self.frames)
            if count not in (0, len(self.frames)):
                raise ValueError(
                    f"{count} of {len(self.frames)} frames have {name}: give it to all or to none"
                )
        return self


class OwnManifest:
    """Folders with a manifest.json, or the file itself."""

    title = "manifest.json"

    def recognises(self, path: Path) -> bool:
        """Whether the path is such a folder, or the file; other tools write a manifest.json of their own."""
        file = path if path.name == FILE else path / FILE
        return file.is_file() and b'"testspace_capture"' in file.read_bytes()

    def open(self, path: Path) -> "_Listed":
        """The capture. Raises ValueError for a manifest that is not as `Manifest` says."""
        file = path if path.name == FILE else path / FILE
        try:
            return _Listed(file, Manifest.model_validate(json.loads(file.read_text(encoding="utf-8"))))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(p) for p in first["loc"])
            raise ValueError(f"{file}: {place}: {first['msg']} ({error.error_count()} such)") from error
        except ValueError as error:
            raise ValueError(f"{file} is not JSON ({error}): mend it") from error


class _Listed:
    def __init__(self, file: Path, manifest: Manifest) -> None:
        self._file, self._manifest = file, manifest
        first = manifest.frames[0]
        held = {
            "depth": first.depth,
            "pose": first.pose,
            "intrinsics": first.intrinsics or manifest.intrinsics,
        }
        self.modalities = ("rgb", *(name for name, value in held.items() if value is not None))

    def __len__(self) -> int:
        return len(self._manifest.frames)

    def frames(self) -> Iterator[CapturedFrame]:
        manifest, folder = self._manifest, self._file.parent
        camera = OPENGL_TO_OPENCV if manifest.camera_axes == "opengl" else np.eye(4)
        world = Z_UP_TO_Y_UP if manifest.up == "z" else np.eye(4)
        for i, frame in enumerate(manifest.frames):
            image = inside(folder, frame.rgb)
            rgb = read_rgb(image, as_stored=True)
            depth = read_depth(inside(folder, frame.depth), manifest.depth_unit_mm) if frame.depth else None
            pose = None
            if frame.pose is not None:
                pose = world @ checked_pose(np.array(frame.pose), f"{self._file}, frame {i}") @ camera
            lens = frame.intrinsics or manifest.intrinsics
            source = FrameSource(image.name, rgb.shape[:2], shown_quarters(image))
            lens = None if lens is None else np.array(lens, np.float32)
            yield CapturedFrame(rgb, depth, pose, lens, source, time_s=frame.time_s)

    def files(self) -> list[Path]:
        named = [n for f in self._manifest.frames for n in (f.rgb, f.depth) if n]
        return [self._file, *(inside(self._file.parent, name) for name in named)]
