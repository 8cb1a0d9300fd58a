"""Record3D (iOS, ARKit): an .r3d file, a ZIP archive of `metadata` (JSON) and of images and depth by number.

`rgbd/N.jpg` are colours, `rgbd/N.depth` the LiDAR's z-depth (float32 [m], NaN where there is none) and
`rgbd/N.conf` ARKit's confidence (0, 1, 2), both compressed by LZFSE. A pose is a quaternion x, y, z, w and a
position [m], camera to world in OpenGL's axes, in ARKit's world, y up. `K` is column-major; where the file
has `perFrameIntrinsicCoeffs`, fx, fy, cx, cy of each frame, they count, and as times [s] `frameTimestamps`.
Nothing is unpacked to disk. Devices are held any way, so each frame is turned until what is up in the world
is up in the image.
"""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt16

from engine.importers.capture import OPENGL_TO_OPENCV, CapturedFrame, FrameSource, millimetres, pose_of
from engine.importers.confidence import trusted
from engine.importers.packages import lzfse
from engine.importers.turning import quarters_upright, turned

METADATA = "metadata"
_NAME = re.compile(r"rgbd/(\d+)\.(jpg|png|depth|conf)")
_LARGEST_BYTES = 64 * 2**20  # of what one member may unpack to; a 12-megapixel image as PNG is 36
_LARGEST_DEPTH_BYTES = 4 * 2**20  # of one frame, unpacked; a phone's largest, 640 x 480, takes 1.2
_LZFSE_MORE_BYTES = 4096  # by which data that cannot be compressed may grow
_AGAIN = "export the capture from the app again"


class Record3D:
    """Files that the app Record3D exports as .r3d."""

    title = "Record3D"

    def recognises(self, path: Path) -> bool:
        """Whether the path ends in .r3d."""
        return path.suffix == ".r3d" and path.is_file()

    def open(self, path: Path) -> "_Archive":
        """The capture. Raises ValueError for an archive that is damaged, lacks frames, or holds what the app
        does not write: names that leave the archive, members that unpack to more than 64 MiB."""
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except (zipfile.BadZipFile, EOFError) as error:
            raise ValueError(
                f"{path} is no archive that can be read ({error}), cut off perhaps: {_AGAIN}"
            ) from error
        _check(path, members)
        try:
            with zipfile.ZipFile(path) as archive:
                values = json.loads(archive.read(METADATA))
        except (KeyError, ValueError, zipfile.BadZipFile, EOFError) as error:
            raise ValueError(f"{path} has no {METADATA} in JSON ({error}): {_AGAIN}") from error
        return _Archive(path, values, {m.filename for m in members})


class _Archive:
    def __init__(self, path: Path, values: dict[str, Any], names: set[str]) -> None:
        self._path = path
        try:
            self._poses = [_pose(p, f"{path}, pose {i}") for i, p in enumerate(values["poses"])]
            self._depth_shape = (int(values["dh"]), int(values["dw"])) if "dh" in values else None
            self._lenses = _lenses(values, len(self._poses), path)
            self._times = _times(values, len(self._poses), path)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{path}: {METADATA} lacks poses, K or sizes ({error!r}): {_AGAIN}") from error
        numbers = sorted(int(m[1]) for n in names if (m := _NAME.fullmatch(n)) and m[2] in ("jpg", "png"))
        if numbers != list(range(len(self._poses))):
            raise ValueError(
                f"{path} has {len(numbers)} images and {len(self._poses)} poses: it was cut off: {_AGAIN}"
            )
        self._endings = ["jpg" if f"rgbd/{i}.jpg" in names else "png" for i in numbers]
        with_depth = sum(f"rgbd/{i}.depth" in names for i in numbers)
        if with_depth not in (0, len(numbers)) or (with_depth and self._depth_shape is None):
            raise ValueError(f"{path} has depth of {with_depth} of {len(numbers)} frames: {_AGAIN}")
        self._names = names
        self.modalities = ("rgb", *(["depth"] if with_depth else []), "pose", "intrinsics")

    def __len__(self) -> int:
        return len(self._poses)

    def frames(self) -> Iterator[CapturedFrame]:
        quarters = 0
        with zipfile.ZipFile(self._path) as archive:
            for i, (pose, lens) in enumerate(zip(self._poses, self._lenses, strict=True)):
                name = f"{i}.{self._endings[i]}"
                rgb = self._colours(archive, f"rgbd/{name}")
                depth = self._depth(archive, i) if "depth" in self.modalities else None
                quarters = quarters_upright(pose, quarters)
                source = FrameSource(name, rgb.shape[:2])
                yield turned(CapturedFrame(rgb, depth, pose, lens, source, time_s=self._times[i]), quarters)

    def files(self) -> list[Path]:
        return [self._path]

    def _bytes(self, archive: zipfile.ZipFile, name: str) -> bytes:
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, EOFError, OSError) as error:
            raise ValueError(f"{self._path}: {name} is damaged ({error}): {_AGAIN}") from error

    def _colours(self, archive: zipfile.ZipFile, name: str) -> UInt8[np.ndarray, "h w 3"]:
        data = np.frombuffer(self._bytes(archive, name), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if len(data) else None
        if image is None:
            raise ValueError(f"{self._path}: {name} is no image that can be read: {_AGAIN}")
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)

    def _depth(self, archive: zipfile.ZipFile, number: int) -> UInt16[np.ndarray, "h w"]:
        name = f"rgbd/{number}.depth"
        depth = millimetres(self._unpacked(archive, name, np.float32))
        confidence = f"rgbd/{number}.conf"
        if confidence not in self._names:
            return depth
        return trusted(depth, self._unpacked(archive, confidence, np.uint8), f"{self._path}: {confidence}")

    def _unpacked(self, archive: zipfile.ZipFile, name: str, kind: type) -> np.ndarray:
        """An array [dh, dw] of a member that LZFSE compressed."""
        assert self._depth_shape is not None
        wanted = self._depth_shape[0] * self._depth_shape[1] * np.dtype(kind).itemsize
        if archive.getinfo(name).file_size > wanted + _LZFSE_MORE_BYTES or wanted > _LARGEST_DEPTH_BYTES:
            raise ValueError(f"{self._path}: {name} is longer than depth of {self._depth_shape} is: {_AGAIN}")
        try:
            data = lzfse().decompress(self._bytes(archive, name))
            return np.frombuffer(data, kind).reshape(self._depth_shape)
        except (ValueError, lzfse().error) as error:
            raise ValueError(
                f"{self._path}: {name} does not unpack to {list(self._depth_shape)} {kind.__name__} "
                f"({error or 'no LZFSE'}): {_AGAIN}"
            ) from error


def _check(path: Path, members: list[zipfile.ZipInfo]) -> None:
    """Raises ValueError for members that Record3D would not have written."""
    for member in members:
        parts = Path(member.filename).parts
        if member.filename.startswith(("/", "\\")) or ".." in parts or ":" in member.filename:
            raise ValueError(
                f"{path}: {member.filename!r} would leave the archive: Record3D does not write such names; "
                "get the file from where it was recorded"
            )
        if member.file_size > _LARGEST_BYTES:
            raise ValueError(
                f"{path}: {member.filename!r} unpacks to {member.file_size / 2**20:,.0f} MiB, where a frame "
                f"takes at most {_LARGEST_BYTES // 2**20}: get the file from where it was recorded"
            )


def _numbers(values: Any, shape: tuple[int, ...], where: str) -> Float64[np.ndarray, "..."]:
    """Numbers of a shape. Raises ValueError, beginning with `where`, for anything else."""
    try:
        numbers = np.array(values, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != shape:
        raise ValueError(f"{where} is not {' x '.join(map(str, shape))} numbers: {_AGAIN}")
    return numbers


def _pose(values: Any, where: str) -> Float64[np.ndarray, "4 4"]:
    numbers = _numbers(values, (7,), where)
    return pose_of(numbers[4:], numbers[:4], where) @ OPENGL_TO_OPENCV


def _lenses(values: dict[str, Any], count: int, path: Path) -> Float32[np.ndarray, "n 4"]:
    """fx, fy, cx, cy [pixels of the colours] of every frame."""
    if each := values.get("perFrameIntrinsicCoeffs"):
        return _numbers(each, (count, 4), f"{path}, perFrameIntrinsicCoeffs").astype(np.float32)
    k = _numbers(values["K"], (9,), f"{path}, K")
    return np.tile(k[[0, 4, 6, 7]].astype(np.float32), (count, 1))


def _times(values: dict[str, Any], count: int, path: Path) -> list[float] | list[None]:
    """The time [s] of every frame, where the file has them."""
    each = values.get("frameTimestamps")
    return _numbers(each, (count,), f"{path}, frameTimestamps").tolist() if each else [None] * count
