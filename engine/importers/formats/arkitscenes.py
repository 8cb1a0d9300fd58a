"""ARKitScenes (Baruch et al., NeurIPS 2021): the folder of a video, with its low-resolution frames.

`lowres_wide/ID_TIME.png` are colours, `lowres_depth` and `confidence` the LiDAR's [mm; 0, 1, 2],
`lowres_wide_intrinsics/ID_TIME.pincam` has width, height, fx, fy, cx, cy, and a line of `lowres_wide.traj`
time [s], rotation (axis times angle [radians]) and translation [m] from the world, z up, to a camera with
OpenCV's axes. Poses are fewer than frames in the data set's part `raw`: frames without one within 5 ms are
left out. Devices are held any way, so each frame is turned until what is up in the world is up in the image.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float32, Float64

from engine.importers.capture import Z_UP_TO_Y_UP, CapturedFrame, FrameSource, checked_pose, read_rgb
from engine.importers.confidence import trusted_depth
from engine.importers.times import nearest_in_time
from engine.importers.turning import quarters_upright, turned

COLOURS, DEPTH, CONFIDENCE, LENSES, TRAJECTORY = (
    "lowres_wide",
    "lowres_depth",
    "confidence",
    "lowres_wide_intrinsics",
    "lowres_wide.traj",
)
_APART_S = 0.005
_ROUNDED_S = 0.0015  # by which the times in two names of one frame differ


class ArkitScenes:
    """Folders of one video of ARKitScenes."""

    title = "ARKitScenes"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has the low-resolution colours and their trajectory."""
        return (path / COLOURS).is_dir() and (path / TRAJECTORY).is_file()

    def open(self, path: Path) -> "_Video":
        """The video. Raises ValueError where no frame has a pose, or where one lacks depth or intrinsics."""
        times, poses = _trajectory(path / TRAJECTORY)
        images = _by_time(path / COLOURS, ".png")
        lenses = _by_time(path / LENSES, ".pincam")
        depths = _by_time(path / DEPTH, ".png") if (path / DEPTH).is_dir() else {}
        nearest, close = nearest_in_time(np.array(list(images)), times, _APART_S)
        chosen = np.flatnonzero(close)
        if not close.any():
            raise ValueError(
                f"{path / TRAJECTORY} has no pose within {_APART_S} s of an image of {COLOURS}: "
                "download both of the same video"
            )
        wanted = np.array(list(images))[chosen]
        lens = _of_times(lenses, wanted, path / LENSES)
        depth = _of_times(depths, wanted, path / DEPTH) if depths else [None] * len(chosen)
        colours = list(images.values())
        moments = [
            _Moment(float(wanted[k]), colours[i], depth[k], lens[k], poses[nearest[i]])
            for k, i in enumerate(chosen.tolist())
        ]
        return _Video(path, moments)


@dataclass(frozen=True, eq=False)
class _Moment:
    time_s: float
    rgb: Path
    depth: Path | None
    lens: Path
    pose: Float64[np.ndarray, "4 4"]


class _Video:
    def __init__(self, folder: Path, moments: list[_Moment]) -> None:
        self._folder, self._moments = folder, moments
        self.modalities = ("rgb", *(["depth"] if moments[0].depth else []), "pose", "intrinsics")

    def __len__(self) -> int:
        return len(self._moments)

    def frames(self) -> Iterator[CapturedFrame]:
        quarters = 0
        for moment in self._moments:
            depth = None if moment.depth is None else trusted_depth(moment.depth, self._confidence(moment))
            rgb = read_rgb(moment.rgb)
            source = FrameSource(moment.rgb.name, rgb.shape[:2])
            lens = _pincam(moment.lens)
            seen = CapturedFrame(rgb, depth, moment.pose, lens, source, time_s=moment.time_s)
            quarters = quarters_upright(moment.pose, quarters)
            yield turned(seen, quarters)

    def files(self) -> list[Path]:
        found = [self._folder / TRAJECTORY]
        for moment in self._moments:
            found += [moment.rgb, moment.lens]
            if moment.depth is not None:
                found += [p for p in (moment.depth, self._confidence(moment)) if p.is_file()]
        return found

    def _confidence(self, moment: _Moment) -> Path:
        return self._folder / CONFIDENCE / moment.rgb.name


def _trajectory(path: Path) -> tuple[Float64[np.ndarray, " n"], list[Float64[np.ndarray, "4 4"]]]:
    """Times [s] and poses, camera to world with y up. Raises ValueError, with its number, for a bad line."""
    times, poses = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"{path}, line {number}"
        try:
            values = np.array(line.split(), np.float64)
            if values.shape != (7,):
                raise ValueError
        except ValueError:
            raise ValueError(
                f"{where}: {line[:60]!r} is not seven numbers: download the file again"
            ) from None
        extrinsics = np.eye(4)
        extrinsics[:3, :3] = cv2.Rodrigues(values[1:4])[0]
        extrinsics[:3, 3] = values[4:]
        world_to_camera = checked_pose(extrinsics, where)
        times.append(float(values[0]))
        poses.append(Z_UP_TO_Y_UP @ np.linalg.inv(world_to_camera))
    if not poses:
        raise ValueError(f"{path} has no line: download the file again")
    return np.array(times), poses


def _by_time(folder: Path, ending: str) -> dict[float, Path]:
    """Files named ID_TIME, by time [s], in order. Raises ValueError for a folder without one."""
    found = {}
    for path in folder.glob(f"*_*{ending}"):
        try:
            found[float(path.stem.rsplit("_", 1)[1])] = path
        except ValueError:
            raise ValueError(f"{path} is not named VIDEO_TIME{ending}: take it out of the folder") from None
    if not found:
        raise ValueError(f"{folder} has no file VIDEO_TIME{ending}: download this part of the video too")
    return dict(sorted(found.items()))


def _of_times(files: dict[float, Path], wanted: Float64[np.ndarray, " n"], folder: Path) -> list[Path]:
    """The file of each time, which may be rounded otherwise in its name."""
    nearest, close = nearest_in_time(wanted, np.array(list(files)), _ROUNDED_S)
    if not close.all():
        raise ValueError(
            f"{folder} has no file of time {wanted[~close][0]:.3f}: download this part of the video again, "
            f"or take the image of that time out of {COLOURS}"
        )
    found = list(files.values())
    return [found[i] for i in nearest.tolist()]


def _pincam(path: Path) -> Float32[np.ndarray, "4"]:
    """fx, fy, cx, cy [pixels]. Raises ValueError for another file."""
    try:
        values = np.array(path.read_text(encoding="utf-8").split(), np.float64)
        if values.shape != (6,) or not np.isfinite(values).all():
            raise ValueError
    except (OSError, ValueError):
        raise ValueError(
            f"{path} is not width, height, fx, fy, cx, cy [pixels]: download the file again"
        ) from None
    return values[2:].astype(np.float32)
