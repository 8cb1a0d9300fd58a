"""Renderings of Replica along trajectories, as NICE-SLAM (Zhu et al., CVPR 2022) publishes them.

    Replica/cam_params.json             camera: w, h, fx, fy, cx, cy, scale (steps of depth in a metre)
            office0/traj.txt            a line a frame: 16 numbers of a 4 x 4 matrix, row by row
                    results/frame000000.jpg, depth000000.png

Poses are camera to world, OpenCV axes, in the world of Replica's mesh, z up, so that the scene's Replica
folder can label the frames. Without cam_params.json the published camera is taken.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Float64

from engine.importers.capture import (
    Z_UP_TO_Y_UP,
    CapturedFrame,
    FrameSource,
    checked_pose,
    read_depth,
    read_rgb,
)

TRAJECTORY, RESULTS, CAMERA = "traj.txt", "results", "cam_params.json"
_PUBLISHED = {"w": 1200, "h": 680, "fx": 600.0, "fy": 600.0, "cx": 599.5, "cy": 339.5, "scale": 6553.5}


class ReplicaRenderings:
    """Folders of one trajectory."""

    title = "renderings of Replica"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has a trajectory and results."""
        return (path / TRAJECTORY).is_file() and (path / RESULTS).is_dir()

    def open(self, path: Path) -> "_Trajectory":
        """The trajectory. Raises ValueError where it has not a pose and a depth for each image."""
        poses = _poses(path / TRAJECTORY)
        images = sorted(p for p in (path / RESULTS).glob("frame*") if p.suffix in (".jpg", ".png"))
        if len(images) != len(poses):
            raise ValueError(
                f"{path / TRAJECTORY} has {len(poses)} poses, {path / RESULTS} {len(images)} images frame*: "
                "copy both of the same trajectory"
            )
        depths = [p.with_name(f"depth{p.stem.removeprefix('frame')}.png") for p in images]
        lost = next((p for p in depths if not p.is_file()), None)
        if lost and any(p.is_file() for p in depths):
            raise ValueError(f"{lost} is missing, and others are there: copy {path / RESULTS} again")
        camera = next((p for p in (path / CAMERA, path.resolve().parent / CAMERA) if p.is_file()), None)
        return _Trajectory(path, poses, images, [] if lost else depths, camera)


class _Trajectory:
    def __init__(
        self,
        folder: Path,
        poses: list[Float64[np.ndarray, "4 4"]],
        images: list[Path],
        depths: list[Path],
        camera: Path | None,
    ) -> None:
        self._folder, self._poses, self._images, self._depths = folder, poses, images, depths
        self._camera = camera
        self._values = _camera(camera) if camera else _PUBLISHED
        self.modalities = ("rgb", *(["depth"] if depths else []), "pose", "intrinsics")

    def __len__(self) -> int:
        return len(self._images)

    def frames(self) -> Iterator[CapturedFrame]:
        step_mm = 1000 / self._values["scale"]
        for i, (image, pose) in enumerate(zip(self._images, self._poses, strict=True)):
            rgb = read_rgb(image, as_stored=True)
            depth = read_depth(self._depths[i], step_mm) if self._depths else None
            source = FrameSource(image.name, rgb.shape[:2])
            yield CapturedFrame(rgb, depth, pose, self._lens(*rgb.shape[:2]), source)

    def files(self) -> list[Path]:
        own = [self._folder / TRAJECTORY, *self._images, *self._depths]
        return [*own, self._camera] if self._camera else own

    def _lens(self, height: int, width: int) -> Float32[np.ndarray, "4"]:
        """For an image of this size; pixel centres are whole numbers in the file, half more in a store."""
        v = self._values
        x, y = width / v["w"], height / v["h"]
        return np.array([v["fx"] * x, v["fy"] * y, (v["cx"] + 0.5) * x, (v["cy"] + 0.5) * y], np.float32)


def _camera(path: Path) -> dict[str, float]:
    try:
        camera = json.loads(path.read_text(encoding="utf-8"))["camera"]
        values = {name: float(camera[name]) for name in _PUBLISHED}
        if not all(np.isfinite(v) and v > 0 for v in values.values()):
            raise ValueError("each must be above 0")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is no JSON whose `camera` has {', '.join(_PUBLISHED)} ({error!r}): copy it again"
        ) from error
    return values


def _poses(path: Path) -> list[Float64[np.ndarray, "4 4"]]:
    """Camera to world with y up. Raises ValueError, with its number, for a bad line."""
    poses = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            matrix = np.array(line.split(), np.float64).reshape(4, 4)
        except ValueError:
            raise ValueError(f"{where}: {line[:60]!r} is not 16 numbers: copy the file again") from None
        poses.append(Z_UP_TO_Y_UP @ checked_pose(matrix, where))
    if not poses:
        raise ValueError(f"{path} has no line: copy the file again")
    return poses
