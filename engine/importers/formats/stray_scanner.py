"""Stray Scanner (iOS, ARKit): rgb.mp4, odometry.csv, camera_matrix.csv, and LiDAR depth with confidence.

A line of odometry.csv is a frame of the video: time [s], number, position [m] and quaternion x, y, z, w,
camera to world, OpenCV axes, in ARKit's world, y up. Depth is in millimetres, one image for each frame; where
ARKit's confidence is lowest, depth is taken for not measured.
"""

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt16

from engine.importers.capture import CapturedFrame, FrameSource, pose_of
from engine.importers.confidence import read_confidence, trusted, trusted_depth
from engine.importers.formats.video import count_frames, read_video, video_quarters
from engine.importers.turning import turned

VIDEO, ODOMETRY, MATRIX, DEPTH, CONFIDENCE = (
    "rgb.mp4",
    "odometry.csv",
    "camera_matrix.csv",
    "depth",
    "confidence",
)


class StrayScanner:
    """Folders that the app Stray Scanner exports."""

    title = "Stray Scanner"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has the app's video and odometry."""
        return (path / VIDEO).is_file() and (path / ODOMETRY).is_file()

    def open(self, path: Path) -> "_Scan":
        """The scan. Raises ValueError where video, odometry and depth have different numbers of frames."""
        poses, times = _odometry(path / ODOMETRY)
        count = count_frames(path / VIDEO)
        if count != len(poses):
            raise ValueError(
                f"{path / ODOMETRY} has {len(poses)} poses, {VIDEO} {count} frames: one was cut off: copy "
                "the scan from the device again"
            )
        depth = _numbered(path / DEPTH) if (path / DEPTH).is_dir() else []
        if depth and len(depth) != count:
            raise ValueError(
                f"{path / DEPTH} has {len(depth)} images, {VIDEO} {count} frames: copy the scan "
                "from the device again"
            )
        return _Scan(path, poses, times, depth)


class _Scan:
    def __init__(
        self,
        folder: Path,
        poses: list[Float64[np.ndarray, "4 4"]],
        times: list[float],
        depth: list[Path],
    ) -> None:
        self._folder, self._poses, self._times, self._depth = folder, poses, times, depth
        self._lens = _lens(folder / MATRIX)
        self.modalities = ("rgb", *(["depth"] if depth else []), "pose", "intrinsics")

    def __len__(self) -> int:
        return len(self._poses)

    def frames(self) -> Iterator[CapturedFrame]:
        video = self._folder / VIDEO
        quarters = video_quarters(video)
        images = read_video(video, as_stored=True)
        for i, (rgb, pose) in enumerate(zip(images, self._poses, strict=True)):
            depth = self._trusted(self._depth[i]) if self._depth else None
            source = FrameSource(f"frame_{i:06d}", rgb.shape[:2], quarters)
            seen = CapturedFrame(rgb, depth, pose, self._lens, source, time_s=self._times[i])
            yield turned(seen, quarters)

    def files(self) -> list[Path]:
        confidence = [p for p in map(self._confidence, self._depth) if p.is_file()]
        own = [self._folder / name for name in (VIDEO, ODOMETRY, MATRIX)]
        return [*own, *self._depth, *confidence]

    def _confidence(self, depth: Path) -> Path:
        return self._folder / CONFIDENCE / f"{depth.stem}.png"

    def _trusted(self, path: Path) -> UInt16[np.ndarray, "h w"]:
        confidence = self._confidence(path)
        if path.suffix != ".npy":
            return trusted_depth(path, confidence)
        depth = _read_npy(path)
        if not confidence.is_file():
            return depth
        return trusted(depth, read_confidence(confidence), f"{confidence} beside {path}")


def _read_npy(path: Path) -> UInt16[np.ndarray, "h w"]:
    """Depth [mm] of a NumPy file. Raises ValueError for a file that is none, or was cut off."""
    try:
        with path.open("rb") as file:
            depth = np.lib.format.read_array(file)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} is no NumPy file that can be read ({error}): copy the scan from the device again"
        ) from None
    if depth.ndim != 2 or depth.dtype != np.uint16:
        raise ValueError(
            f"{path} is {depth.dtype} {list(depth.shape)}; depth is an image of uint16, in millimetres"
        )
    return depth


def _odometry(path: Path) -> tuple[list[Float64[np.ndarray, "4 4"]], list[float]]:
    """Poses and times [s], one a line. Raises ValueError, with the line's number, for one that is none."""
    poses, times = [], []
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        names = ("timestamp", "x", "y", "z", "qx", "qy", "qz", "qw")
        if not set(names) <= set(reader.fieldnames or ()):
            raise ValueError(
                f"{path} has no columns {', '.join(names)}: export the scan with the app's latest version"
            )
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            try:
                time, *numbers = (float(row[name]) for name in names)
            except (TypeError, ValueError):
                raise ValueError(f"{where} is not of numbers: it was cut off: copy the scan again") from None
            poses.append(pose_of(np.array(numbers[:3]), np.array(numbers[3:]), where))
            times.append(time)
    if not poses:
        raise ValueError(f"{path} has no line: copy the scan from the device again")
    return poses, times


def _lens(path: Path) -> np.ndarray:
    try:
        matrix = np.loadtxt(path, delimiter=",")
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all():
            raise ValueError
    except (OSError, ValueError):
        raise ValueError(
            f"{path} is not the 3 x 3 numbers of the camera: copy the scan from the device again"
        ) from None
    return np.array([matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]], np.float32)


def _numbered(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.suffix in (".png", ".npy") and p.stem.isdigit())
