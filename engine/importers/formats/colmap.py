"""COLMAP (Schönberger and Frahm, CVPR 2016): a sparse model, binary or text, beside its images.

A project has `images/` and `sparse/0/cameras.bin` (or `.txt`) and so on; a model's own folder may be named
too. Poses are world to camera, OpenCV's axes, in a world that structure from motion chose: its up is taken to
be the mean of the images' up, and its unit is whatever the model has, metres only where it was scaled (by
COLMAP's `model_aligner`). Images are undistorted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from engine.importers.capture import CapturedFrame, FrameSource, checked_pose, inside, read_rgb
from engine.importers.lens import straightened, undistorted
from engine.importers.packages import capture_package
from engine.importers.turning import shown_quarters

IMAGES = "images"
_MODELS = ("sparse/0", "sparse", "colmap/sparse/0", ".")
_OPENCV_ORDER = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
_PINHOLES = ("SIMPLE_PINHOLE", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV")


class Colmap:
    """Folders of a COLMAP project, or of one of its models."""

    title = "COLMAP"

    def recognises(self, path: Path) -> bool:
        """Whether there is a model in one of the usual places."""
        return _model(path) is not None

    def open(self, path: Path) -> "_Model":
        """The model. Raises ValueError for a broken one, one without images or with other cameras."""
        folder = _model(path)
        if folder is None:
            raise ValueError(f"{path} has no COLMAP model in {', '.join(_MODELS)}: run colmap mapper first")
        try:
            model = capture_package("pycolmap", "a COLMAP model").Reconstruction(str(folder))
        except (ValueError, IndexError, RuntimeError, OSError) as error:
            raise ValueError(
                f"{folder} is no COLMAP model that can be read ({error}), cut off perhaps: copy it again"
            ) from error
        _check_length(folder / "cameras.bin", model.cameras)
        images = next(
            (p / IMAGES for p in (path, folder, *folder.parents[:3]) if (p / IMAGES).is_dir()), None
        )
        if images is None:
            raise ValueError(f"{path} has no folder {IMAGES} beside its model: copy the images too")
        return _Model(folder, images, model)


class _Model:
    modalities: tuple[str, ...] = ("rgb", "pose", "intrinsics")

    def __init__(self, folder: Path, images: Path, model: Any) -> None:
        self._folder, self._images = folder, images
        registered = [image for image in model.images.values() if image.has_pose]
        if not registered:
            raise ValueError(f"{folder} has no image with a pose: run colmap mapper again")
        self._views = sorted(registered, key=lambda image: image.name)
        for camera in model.cameras.values():
            if camera.model_name not in _PINHOLES:
                raise ValueError(
                    f"{folder}: camera {camera.camera_id} is of the model {camera.model_name}; read are "
                    f"{', '.join(_PINHOLES)}: run colmap image_undistorter and import what it writes"
                )
        self._cameras = model.cameras
        poses = [self._camera_to_world(view) for view in self._views]
        self._poses = list(_y_up(np.stack(poses)))

    def __len__(self) -> int:
        return len(self._views)

    def frames(self) -> Iterator[CapturedFrame]:
        for view, pose in zip(self._views, self._poses, strict=True):
            camera = self._cameras[view.camera_id]
            path = inside(self._images, view.name)
            rgb = read_rgb(path, as_stored=True)
            if rgb.shape[:2] != (camera.height, camera.width):
                raise ValueError(
                    f"{path} is of {rgb.shape[1]} x {rgb.shape[0]} pixels, its camera of {camera.width} x "
                    f"{camera.height}: import the images that the model was made of"
                )
            lens, coefficients = _lens(camera)
            source = FrameSource(path.name, rgb.shape[:2], shown_quarters(path))
            source = straightened(source, lens, coefficients)
            yield CapturedFrame(undistorted(rgb, None, lens, coefficients)[0], None, pose, lens, source)

    def files(self) -> list[Path]:
        model = [
            p
            for p in sorted(self._folder.iterdir())
            if p.suffix in (".bin", ".txt") and "points" not in p.name
        ]
        return [*model, *(inside(self._images, view.name) for view in self._views)]

    def _camera_to_world(self, view: Any) -> Float64[np.ndarray, "4 4"]:
        matrix = np.concatenate([view.cam_from_world().matrix(), [[0.0, 0.0, 0.0, 1.0]]])
        return np.linalg.inv(checked_pose(matrix, f"{self._folder}, image {view.name}"))


def _model(path: Path) -> Path | None:
    places = (path / place for place in _MODELS)
    kinds = (("cameras.bin", "images.bin"), ("cameras.txt", "images.txt"))
    return next((p for p in places if any(all((p / n).is_file() for n in k) for k in kinds)), None)


def _check_length(path: Path, cameras: Any) -> None:
    """Raises ValueError for a file of cameras that was cut off, which pycolmap fills with other numbers."""
    wanted = 8 + sum(24 + 8 * len(camera.params) for camera in cameras.values())
    if path.is_file() and path.stat().st_size != wanted:
        raise ValueError(
            f"{path} has {path.stat().st_size} bytes where its {len(cameras)} cameras take {wanted}: it was "
            "cut off: copy it again"
        )


def _lens(camera: Any) -> tuple[np.ndarray, list[float]]:
    """fx, fy, cx, cy [pixels] and the coefficients of distortion in OpenCV's order."""
    lens = np.array(
        [
            camera.focal_length_x,
            camera.focal_length_y,
            camera.principal_point_x,
            camera.principal_point_y,
        ],
        np.float32,
    )
    named = dict(zip((n.strip() for n in camera.params_info.split(",")), camera.params, strict=True))
    named.setdefault("k1", named.get("k", 0.0))  # of SIMPLE_RADIAL
    return lens, [float(named.get(name, 0.0)) for name in _OPENCV_ORDER]


def _y_up(poses: Float64[np.ndarray, "n 4 4"]) -> Float64[np.ndarray, "n 4 4"]:
    """Poses in the world turned by the least rotation that takes the mean of the images' up to y."""
    up = -poses[:, :3, 1].mean(0)
    length = np.linalg.norm(up)
    up = up / length if length > 1e-6 else np.array([0.0, 1.0, 0.0])
    axis, cosine = np.cross(up, [0.0, 1.0, 0.0]), up[1]
    turn = np.eye(4)
    if cosine < -1 + 1e-9:  # upside down: half a turn about x
        turn[:3, :3] = np.diag([1.0, -1.0, -1.0])
    else:
        x, y, z = axis
        cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
        turn[:3, :3] = np.eye(3) + cross + cross @ cross / (1 + cosine)
    return turn @ poses
