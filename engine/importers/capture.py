"""A capture of a real space, whatever wrote it: frames in the axes and units of a store.

A format of captures is a class like those beside this file: it recognises a path and opens it as a `Capture`.
`engine/importers/registry.py` lists them.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float, Float32, Float64, Shaped, UInt8, UInt16

Z_UP_TO_Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""From a right-handed world with z up to one with y up."""
OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
"""From camera axes x right, y up, z backward to x right, y down, z forward; its own inverse."""
_ROTATION_TOLERANCE = 1e-3  # by which a written pose may miss being a rotation: text has few digits


MapChange = Callable[[Shaped[np.ndarray, "h w"]], Shaped[np.ndarray, "_ _"]]
"""What is done to a map of numbers that stand for something, so that no two of them are mixed."""


@dataclass(frozen=True, eq=False)
class FrameSource:
    """The image that a frame was made of, as one who labels it with another tool knows it."""

    name: str  # of the file, or frame_000012 of a video
    shape: tuple[int, int]  # height and width as stored [pixels]
    shown_quarters: int = 0  # quarter turns to the left with which viewers show it
    changes: tuple[MapChange, ...] = ()  # that made the frame of the image as stored

    def after(self, change: MapChange) -> "FrameSource":
        """The same, of a frame that was changed once more."""
        return replace(self, changes=(*self.changes, change))


@dataclass(frozen=True, eq=False)
class CapturedFrame:
    """One frame. None: the capture does not have it."""

    rgb: UInt8[np.ndarray, "h w 3"]  # sRGB
    depth: UInt16[np.ndarray, "dh dw"] | None = None  # z-depth [mm] of the same view, 0 = not measured
    pose: Float64[np.ndarray, "4 4"] | None = None  # camera to world, OpenCV axes, y-up world [m]
    intrinsics: Float32[np.ndarray, "4"] | None = None  # fx, fy, cx, cy [pixels of rgb]
    source: FrameSource | None = None
    semantic: UInt8[np.ndarray, "h w"] | None = None  # class of each pixel, of data sets that have labels
    time_s: float | None = None  # from any beginning


class Capture(Protocol):
    """Frames in the order in which they were taken."""

    modalities: tuple[str, ...]  # that every frame has: rgb, and any of depth, pose, intrinsics, semantic

    def __len__(self) -> int:
        """Number of frames."""
        ...

    def frames(self) -> Iterator[CapturedFrame]:
        """Every frame, in order. Raises ValueError, naming the file, for one that cannot be used."""
        ...

    def files(self) -> list[Path]:
        """All files that the capture is read from."""
        ...


class CaptureFormat(Protocol):
    """A way in which captures are written."""

    title: str  # as its makers write it

    def recognises(self, path: Path) -> bool:
        """Whether the file or folder looks like one."""
        ...

    def open(self, path: Path) -> Capture:
        """The capture. Raises ValueError, naming the file and what to do, for one that is broken."""
        ...


def checked_pose(matrix: Float[np.ndarray, "4 4"], where: str) -> Float64[np.ndarray, "4 4"]:
    """The pose with the rotation nearest to what was written.

    Raises ValueError, beginning with `where`, if it is not finite, scales, shears or mirrors.
    """
    pose = np.array(matrix, np.float64)
    if pose.shape != (4, 4) or not np.isfinite(pose).all():
        raise ValueError(f"{where}: a pose is 4 x 4 finite numbers: leave the frame out, or mend its line")
    rotation = pose[:3, :3]
    left, _, right = np.linalg.svd(rotation)
    nearest = left @ right
    if np.abs(rotation - nearest).max() > _ROTATION_TOLERANCE or np.linalg.det(nearest) < 0:
        raise ValueError(
            f"{where}: the pose is no rotation and translation (it scales, shears or mirrors): write it as "
            "one, in metres"
        )
    pose[:3, :3], pose[3] = nearest, (0.0, 0.0, 0.0, 1.0)
    return pose


def pose_of(
    position: Float[np.ndarray, "3"], quaternion: Float[np.ndarray, "4"], where: str
) -> Float64[np.ndarray, "4 4"]:
    """A pose from a position [m] and a quaternion x, y, z, w. Raises ValueError, beginning with `where`."""
    length = float(np.linalg.norm(quaternion))
    if not np.isfinite(position).all() or not abs(length - 1.0) < 0.01:
        raise ValueError(
            f"{where}: position {position.tolist()}, quaternion {quaternion.tolist()} is no pose: the "
            "numbers must be finite, the quaternion of length 1: leave the frame out, or mend its line"
        )
    x, y, z, w = quaternion / length
    pose = np.eye(4)
    pose[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    pose[:3, 3] = position
    return pose


def read_rgb(path: Path, as_stored: bool = False) -> UInt8[np.ndarray, "h w 3"]:
    """An image file as sRGB, turned as its EXIF orientation says unless it is wanted `as_stored`, as poses,
    depth and intrinsics see it. Raises ValueError for what is no image."""
    way = cv2.IMREAD_COLOR | (cv2.IMREAD_IGNORE_ORIENTATION if as_stored else 0)
    image = cv2.imread(str(path), way)
    if image is None:
        raise ValueError(f"{path} is missing or no image that can be read: take the frame out of the capture")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_depth(path: Path, unit_mm: float) -> UInt16[np.ndarray, "h w"]:
    """A 16-bit image of depths, each step `unit_mm` millimetres, in whole millimetres.

    What is beyond 65.535 m is 0, not measured. Raises ValueError for another file.
    """
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if image is None or image.dtype != np.uint16 or image.ndim != 2:
        found = "missing or no image" if image is None else f"{image.dtype} {list(image.shape)}"
        raise ValueError(f"{path} is {found}; depth is an image of one 16-bit channel")
    return millimetres(image * (unit_mm / 1000))


def millimetres(metres: Float[np.ndarray, "h w"]) -> UInt16[np.ndarray, "h w"]:
    """Depth [m] in whole millimetres; 0 where it is not finite, not above 0 or beyond 65.535 m."""
    scaled = np.where(np.isfinite(metres), np.rint(metres * 1000), 0)
    return np.where((scaled > 0) & (scaled <= 65535), scaled, 0).astype(np.uint16)


def inside(folder: Path, name: str) -> Path:
    """The path of a file that a capture names. Raises ValueError for one outside its folder."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"{folder} names {name!r}, which lies outside it: copy the file into the folder")
    return path


def capture_digest(source: Path, capture: Capture) -> str:
    """sha256 of the capture's files and their names within it, hex. Raises ValueError for a missing one."""
    digest = hashlib.sha256()
    root = source.resolve() if source.is_dir() else source.resolve().parent
    for path in capture.files():
        own = path.resolve()
        name = own.relative_to(root).as_posix() if own.is_relative_to(root) else own.name
        digest.update(name.encode() + b"\0")
        try:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except FileNotFoundError:
            raise ValueError(
                f"{path} is missing, and {source} names it: copy it too, or take it out of the capture"
            ) from None
    return digest.hexdigest()
