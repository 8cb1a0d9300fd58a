"""ScanNet++ (Yeshwanth et al., ICCV 2023): the phone's video with LiDAR, SCENE/iphone.

    iphone/pose_intrinsic_imu.json   of frame_000000 and so on: aligned_pose, intrinsic, timestamp [s]
           rgb.mp4                   or rgb/frame_000000.jpg, as the data set's toolkit unpacks it
           depth.bin                 or depth/frame_000000.png [mm]

Poses are camera to world, OpenCV axes, in the world of the scene's mesh, z up; intrinsics are of rgb. Depth
has 192 x 256 pixels. `depth.bin` holds, of each frame, its length (uint32) and a block of LZ4 (uint16, mm) or
of Deflate without header (float32, m); or all frames in one such Deflate stream. Phones are held any way, so
each frame is turned until what is up in the world is up in the image.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, UInt8, UInt16
from numcodecs.lz4 import decompress

from engine.importers.capture import (
    Z_UP_TO_Y_UP,
    CapturedFrame,
    FrameSource,
    checked_pose,
    millimetres,
    read_depth,
    read_rgb,
)
from engine.importers.formats.video import count_frames, read_video
from engine.importers.turning import quarters_upright, turned

POSES, VIDEO, RGB, PACKED, DEPTH = "pose_intrinsic_imu.json", "rgb.mp4", "rgb", "depth.bin", "depth"
ROWS, COLUMNS = 192, 256
_WORLD_POSE = "aligned_pose"


class ScannetppIphone:
    """The folder `iphone` of a scene."""

    title = "ScanNet++, SCENE/iphone"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has poses and colours."""
        return (path / POSES).is_file() and ((path / VIDEO).is_file() or (path / RGB).is_dir())

    def open(self, path: Path) -> "_Phone":
        """The recording. Raises ValueError where colours, depth and poses are not of one recording."""
        values = _values(path / POSES)
        names = list(values)
        if (path / RGB).is_dir():
            images = {p.stem: p for p in sorted((path / RGB).glob("frame_*")) if p.suffix in (".jpg", ".png")}
            lost = next((n for n in images if n not in values), "")
            if lost or not images:
                what = (
                    f"{images[lost]} has no pose in {POSES}" if lost else f"{path / RGB} has no frame_*.jpg"
                )
                raise ValueError(f"{what}: download the scene again, or unpack it again with its toolkit")
            return _Phone(path, values, [images[n] for n in names if n in images])
        count = count_frames(path / VIDEO)
        if count != len(names):
            raise ValueError(
                f"{path / POSES} has {len(names)} poses, {VIDEO} {count} frames: one was cut off: download "
                "the scene again"
            )
        return _Phone(path, values, None)


class _Phone:
    def __init__(self, folder: Path, values: dict[str, Any], images: list[Path] | None) -> None:
        self._folder, self._images = folder, images
        self._names = list(values) if images is None else [p.stem for p in images]
        where = folder / POSES
        self._poses = [_pose(values[n], f"{where}, {n}") for n in self._names]
        self._lenses = [_lens(values[n], f"{where}, {n}") for n in self._names]
        self._times = [_time(values[n], f"{where}, {n}") for n in self._names]
        order = {name: number for number, name in enumerate(values)}
        self._numbers = [order[name] for name in self._names]
        self._depth: _Packed | list[Path] | None = None
        if (folder / DEPTH).is_dir():
            self._depth = [folder / DEPTH / f"{n}.png" for n in self._names]
        elif (folder / PACKED).is_file():
            self._depth = _Packed(folder / PACKED, len(values))
        self.modalities = ("rgb", *(["depth"] if self._depth else []), "pose", "intrinsics")

    def __len__(self) -> int:
        return len(self._names)

    def frames(self) -> Iterator[CapturedFrame]:
        quarters = 0
        for i, rgb in enumerate(self._colours()):
            depth = None
            if isinstance(self._depth, _Packed):
                depth = self._depth.frame(self._numbers[i])
            elif self._depth:
                depth = read_depth(self._depth[i], 1.0)
            quarters = quarters_upright(self._poses[i], quarters)
            source = FrameSource(self._names[i], rgb.shape[:2])
            pose, lens, time_s = self._poses[i], self._lenses[i], self._times[i]
            yield turned(CapturedFrame(rgb, depth, pose, lens, source, time_s=time_s), quarters)

    def files(self) -> list[Path]:
        depth = [self._folder / PACKED] if isinstance(self._depth, _Packed) else self._depth or []
        return [self._folder / POSES, *(self._images or [self._folder / VIDEO]), *depth]

    def _colours(self) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
        if self._images is None:
            return read_video(self._folder / VIDEO, as_stored=True)
        return (read_rgb(path, as_stored=True) for path in self._images)


class _Packed:
    """Depth of `depth.bin`, of either kind. Raises ValueError for a file that was cut off."""

    def __init__(self, path: Path, count: int) -> None:
        self._path = path
        self._data = path.read_bytes()
        self._blocks = _blocks(self._data)
        self._whole: np.ndarray | None = None
        if self._blocks is None:
            pixels = count * ROWS * COLUMNS
            depth = np.frombuffer(_inflated(self._data, pixels * 4, f"{path}"), "<f4")
            self._whole = depth.reshape(count, ROWS, COLUMNS)
        elif len(self._blocks) != count:
            raise ValueError(
                f"{path} has depth of {len(self._blocks)} frames, {POSES} {count} poses: one was cut off: "
                "download the scene again"
            )

    def frame(self, number: int) -> UInt16[np.ndarray, "h w"]:
        """Depth [mm] of a frame."""
        if self._blocks is None:
            assert self._whole is not None
            return millimetres(self._whole[number])
        start, length = self._blocks[number]
        block, pixels = self._data[start : start + length], ROWS * COLUMNS
        try:
            # The codec's own header: how long the block becomes.
            data = decompress(struct.pack("<I", pixels * 2) + block)
            return np.frombuffer(data, "<u2").reshape(ROWS, COLUMNS).astype(np.uint16)
        except RuntimeError:
            where = f"{self._path}, frame {number}"
            return millimetres(
                np.frombuffer(_inflated(block, pixels * 4, where), "<f4").reshape(ROWS, COLUMNS)
            )


def _blocks(data: bytes) -> list[tuple[int, int]] | None:
    """Start and length of each frame's block; None where lengths do not lead from block to block."""
    found, at = [], 0
    while at + 4 <= len(data):
        (length,) = struct.unpack_from("<I", data, at)
        found.append((at + 4, length))
        at += 4 + length
    return found if at == len(data) and found else None


def _inflated(data: bytes, size: int, where: str) -> bytes:
    """A Deflate stream without header, of `size` bytes. Raises ValueError for another, or one cut off."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        found = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise ValueError(f"{where} is neither LZ4 nor Deflate ({error}): download the scene again") from error
    if len(found) != size:
        raise ValueError(
            f"{where} unpacks to {'more' if len(found) > size else len(found)} than the {size} bytes of its "
            "depth: download the scene again"
        )
    return found


def _values(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(values, dict) or not values:
            raise ValueError("it has no frames")
    except ValueError as error:
        raise ValueError(f"{path} is no JSON of frames ({error}): download it again") from error
    return dict(sorted(values.items()))


def _pose(frame: Any, where: str) -> Float64[np.ndarray, "4 4"]:
    if not isinstance(frame, dict) or _WORLD_POSE not in frame:
        raise ValueError(
            f"{where} has no {_WORLD_POSE}, the pose in the world of the scene's mesh: download the data "
            "set's current release"
        )
    return Z_UP_TO_Y_UP @ checked_pose(_matrix(frame[_WORLD_POSE], 4, f"{where}: {_WORLD_POSE}"), where)


def _lens(frame: dict[str, Any], where: str) -> Float32[np.ndarray, "4"]:
    matrix = _matrix(frame.get("intrinsic"), 3, f"{where}: intrinsic")
    lens = np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]], np.float32)
    if not np.isfinite(lens).all() or (lens[:2] <= 0).any():
        raise ValueError(f"{where}: intrinsic {lens.tolist()} is of no camera: download the scene again")
    return lens


def _time(frame: dict[str, Any], where: str) -> float | None:
    """Of the frame [s], where it has one."""
    try:
        time_s = frame.get("timestamp")
        return None if time_s is None else float(time_s)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: timestamp is no number of seconds: download the scene again") from error


def _matrix(values: Any, side: int, where: str) -> Float64[np.ndarray, "_ _"]:
    try:
        return np.array(values, np.float64).reshape(side, side)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} is not {side} x {side} numbers: download the scene again") from error
