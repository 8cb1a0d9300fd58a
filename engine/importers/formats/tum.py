"""TUM RGB-D (Sturm et al., IROS 2012): rgb.txt, depth.txt and groundtruth.txt, whose lines begin with a time.

Depth images hold 5,000 steps a metre. Poses are camera to world, OpenCV axes, in the motion capture's world,
z up. Lists were recorded at their own rates: to each colour image the nearest depth and pose within 20 ms.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from engine.importers.capture import (
    Z_UP_TO_Y_UP,
    CapturedFrame,
    FrameSource,
    inside,
    pose_of,
    read_depth,
    read_rgb,
)
from engine.importers.times import nearest_in_time
from engine.importers.turning import quarters_of, turned

_STEP_MM = 0.2
_APART_S = 0.02
_INTRINSICS = {  # of the colour cameras as the data set's pages give them, pixel centres at whole numbers
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}


class TumRgbd:
    """Folders of the TUM RGB-D benchmark, and of the many tools that write its layout."""

    title = "TUM RGB-D"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has the benchmark's list of colour images."""
        return (path / "rgb.txt").is_file()

    def open(self, path: Path) -> "_Recording":
        """The recording. Intrinsics are known of the benchmark's own cameras, by the folder's name."""
        images = _rows(path / "rgb.txt", 2)
        depths = _rows(path / "depth.txt", 2) if (path / "depth.txt").is_file() else None
        poses = _rows(path / "groundtruth.txt", 8) if (path / "groundtruth.txt").is_file() else None
        keep = np.ones(len(images), bool)
        near: dict[str, np.ndarray] = {}
        for name, rows in (("depth", depths), ("pose", poses)):
            if rows is not None:
                near[name], close = nearest_in_time(_times(images), _times(rows), _APART_S)
                keep &= close
        if not keep.any():
            raise ValueError(
                f"{path}: to no image of rgb.txt is there a depth and a pose within {_APART_S} s: check that "
                "the lists are of one recording and in seconds"
            )
        chosen = [
            _Moment(
                float(images[i][0]),
                inside(path, images[i][1]),
                inside(path, depths[near["depth"][i]][1]) if depths is not None else None,
                _pose(path, poses[near["pose"][i]]) if poses is not None else None,
            )
            for i in np.flatnonzero(keep).tolist()
        ]
        lists = [path / f"{n}.txt" for n in ("rgb", "depth", "groundtruth") if (path / f"{n}.txt").is_file()]
        lens = next((v for k, v in _INTRINSICS.items() if k in path.resolve().name), None)
        return _Recording(chosen, lens, lists)


@dataclass(frozen=True, eq=False)
class _Moment:
    time_s: float
    rgb: Path
    depth: Path | None
    pose: Float64[np.ndarray, "4 4"] | None


class _Recording:
    def __init__(
        self, moments: list[_Moment], lens: tuple[float, float, float, float] | None, lists: list[Path]
    ) -> None:
        self._moments, self._lists = moments, lists
        self._lens = (
            None if lens is None else np.array(lens, np.float32) + np.array([0, 0, 0.5, 0.5], np.float32)
        )
        held = {"depth": moments[0].depth, "pose": moments[0].pose, "intrinsics": self._lens}
        self.modalities = ("rgb", *(name for name, value in held.items() if value is not None))

    def __len__(self) -> int:
        return len(self._moments)

    def frames(self) -> Iterator[CapturedFrame]:
        for moment in self._moments:
            depth = None if moment.depth is None else read_depth(moment.depth, _STEP_MM)
            rgb, quarters = read_rgb(moment.rgb, as_stored=True), quarters_of(moment.rgb)
            source = FrameSource(moment.rgb.name, rgb.shape[:2], quarters)
            seen = CapturedFrame(rgb, depth, moment.pose, self._lens, source, time_s=moment.time_s)
            yield turned(seen, quarters)

    def files(self) -> list[Path]:
        images = [p for m in self._moments for p in (m.rgb, m.depth) if p is not None]
        return [*self._lists, *images]


def _rows(path: Path, width: int) -> list[list[str]]:
    """The fields of each line. Raises ValueError for a line of another number of fields, or no time."""
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        try:
            if len(fields) != width:
                raise ValueError
            [float(v) for v in (fields if width > 2 else fields[:1])]
        except ValueError:
            raise ValueError(
                f"{path}, line {number}: {line[:60]!r} is not {width} fields that begin with a time [s]: "
                "delete the line, or copy the file again if it was cut off"
            ) from None
        rows.append(fields)
    if not rows:
        raise ValueError(f"{path} lists nothing: copy the recording again")
    return rows


def _times(rows: list[list[str]]) -> np.ndarray:
    return np.array([float(row[0]) for row in rows])


def _pose(folder: Path, row: list[str]) -> Float64[np.ndarray, "4 4"]:
    numbers = np.array(row[1:], np.float64)
    where = f"{folder / 'groundtruth.txt'}, time {row[0]}"
    return Z_UP_TO_Y_UP @ pose_of(numbers[:3], numbers[3:], where)
