"""nerfstudio's transforms.json, as instant-ngp and Blender's NeRF scenes have it: images with poses.

Poses are camera to world in OpenGL's axes, in a world with z up. Intrinsics stand once or in each frame, as
focal lengths or as an angle. Images are undistorted where there are coefficients of radial and tangential
distortion (OpenCV's k1, k2, k3, p1, p2), or of OpenCV's fisheye model (k1 to k4). Depth images hold 1,000
steps a metre. All of it is of the image as it is stored; where EXIF turns the image, the whole frame is
turned.
"""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64

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
from engine.importers.lens import fisheye, straightened, undistorted
from engine.importers.turning import quarters_of, turned

FILE = "transforms.json"
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")  # in OpenCV's order
_BENT = ("k1", "k2", "k3", "k4")
_FISHEYE = "OPENCV_FISHEYE"
_PLAIN_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE", "RADIAL", "SIMPLE_RADIAL", "PERSPECTIVE")


class Nerfstudio:
    """Folders with a transforms.json."""

    title = "nerfstudio transforms.json"

    def recognises(self, path: Path) -> bool:
        """Whether the path is such a folder, or the file itself."""
        return (path / FILE).is_file() or path.name == FILE

    def open(self, path: Path) -> "Scene":
        """The scene. Raises ValueError for a file without frames, or of cameras that are no pinholes."""
        file = path if path.name == FILE else path / FILE
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            frames = values["frames"]
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{file} cannot be read as JSON with a list `frames` ({error}): export the scene again"
            ) from error
        if not frames:
            raise ValueError(f"{file} lists no frames: export the scene again")
        return Scene(file, values, frames, file.parent, Z_UP_TO_Y_UP)


class Scene:
    """Frames of a transforms.json whose images lie in a folder; `world` turns its world to one with y up."""

    def __init__(
        self,
        file: Path,
        values: dict[str, Any],
        frames: list[dict[str, Any]],
        images: Path,
        world: Float64[np.ndarray, "4 4"],
    ) -> None:
        self._file, self._images, self._world = file, images, world
        self._frames = [{**{k: v for k, v in values.items() if k != "frames"}, **f} for f in frames]
        for i, frame in enumerate(self._frames):
            model = frame.get("camera_model", "OPENCV")
            if model not in (*_PLAIN_MODELS, _FISHEYE):
                raise ValueError(
                    f"{file}, frame {i}: the camera model is {model}; frames must be of pinhole cameras: "
                    f"undistort the images, or say one of {', '.join((*_PLAIN_MODELS, _FISHEYE))}"
                )
            if "file_path" not in frame or "transform_matrix" not in frame:
                raise ValueError(
                    f"{file}, frame {i} lacks file_path or transform_matrix: export the scene again"
                )
        with_depth = [bool(f.get("depth_file_path")) for f in self._frames]
        self.modalities = ("rgb", *(["depth"] if all(with_depth) else []), "pose", "intrinsics")

    def __len__(self) -> int:
        """Number of frames."""
        return len(self._frames)

    def frames(self) -> Iterator[CapturedFrame]:
        """Every frame, straightened and turned. Raises ValueError for one that cannot be used."""
        for i, frame in enumerate(self._frames):
            where = f"{self._file}, frame {i}"
            image = self._image(frame)
            rgb = read_rgb(image, as_stored=True)
            height, width = rgb.shape[:2]
            lens = _lens(frame, height, width, where)
            depth = None
            if "depth" in self.modalities:
                depth = read_depth(inside(self._images, frame["depth_file_path"]), 1.0)
            quarters = quarters_of(image)
            pose = self._world @ _pose(frame["transform_matrix"], where) @ OPENGL_TO_OPENCV
            source = FrameSource(image.name, (height, width), quarters)
            seen = CapturedFrame(rgb, depth, pose, lens, source)
            yield turned(_straight(seen, lens, frame, where), quarters)

    def files(self) -> list[Path]:
        """The file and all images that it names."""
        depth = [
            inside(self._images, f["depth_file_path"]) for f in self._frames if "depth" in self.modalities
        ]
        return [self._file, *(self._image(f) for f in self._frames), *depth]

    def _image(self, frame: dict[str, Any]) -> Path:
        path = inside(self._images, str(frame["file_path"]))
        return path if path.suffix else path.with_suffix(".png")  # Blender's scenes leave the ending out


def _straight(
    frame: CapturedFrame, lens: Float32[np.ndarray, "4"], values: dict[str, Any], where: str
) -> CapturedFrame:
    """The frame as a pinhole camera sees it. Raises ValueError where the coefficients are no numbers."""
    assert frame.source is not None
    try:
        if values.get("camera_model") == _FISHEYE:
            bent = tuple(float(values.get(k, 0.0)) for k in _BENT)
            camera = fisheye(*frame.rgb.shape[:2], tuple(lens.tolist()), bent)
            return replace(
                frame,
                rgb=camera.straight(frame.rgb),
                depth=None if frame.depth is None else camera.straight_map(frame.depth),
                intrinsics=camera.lens,
                source=frame.source.after(camera.straight_map),
            )
        coefficients = tuple(float(values.get(k, 0.0)) for k in _DISTORTION)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {error}: mend k1 to k4, or undistort the images") from error
    rgb, depth = undistorted(frame.rgb, frame.depth, lens, coefficients)
    return replace(frame, rgb=rgb, depth=depth, source=straightened(frame.source, lens, coefficients))


def _pose(matrix: Any, where: str) -> Float64[np.ndarray, "4 4"]:
    try:
        values = np.array(matrix, np.float64)
        values = np.concatenate([values, [[0.0, 0.0, 0.0, 1.0]]]) if values.shape == (3, 4) else values
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: transform_matrix is no matrix of numbers ({error}): mend the line"
        ) from error
    return checked_pose(values, where)


def _lens(frame: dict[str, Any], height: int, width: int, where: str) -> Float32[np.ndarray, "4"]:
    """fx, fy, cx, cy [pixels] for images as large as they are, which may not be what the file says."""
    try:
        if "fl_x" in frame:
            fx = float(frame["fl_x"])
            fy = float(frame.get("fl_y", fx))
        else:
            fx = fy = float(frame.get("w", width)) / 2 / math.tan(float(frame["camera_angle_x"]) / 2)
        said_width, said_height = float(frame.get("w", width)), float(frame.get("h", height))
        cx, cy = float(frame.get("cx", said_width / 2)), float(frame.get("cy", said_height / 2))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{where}: no focal length fl_x [pixels] or camera_angle_x [radians]: add one"
        ) from error
    x, y = width / said_width, height / said_height
    return np.array([fx * x, fy * y, cx * x, cy * y], np.float32)
