"""ScanNet++ (Yeshwanth et al., ICCV 2023): photographs of the camera, SCENE/dslr.

    dslr/nerfstudio/transforms.json    frames and test_frames: fisheye cameras, poses
         resized_images/DSC00001.JPG   (or original_images)

The file is nerfstudio's of its older kind: its world is COLMAP's with x and y exchanged and z turned down,
and COLMAP's is that of the scene's mesh, with z up. Images become those of a pinhole. Frames that the data
set marks as bad are left out.
"""

import json
from pathlib import Path

import numpy as np

from engine.importers.capture import Z_UP_TO_Y_UP
from engine.importers.formats.nerfstudio import Scene

FILE = Path("nerfstudio/transforms.json")
IMAGES = ("resized_images", "original_images")
_TO_COLMAP = np.array([[0.0, 1, 0, 0], [1, 0, 0, 0], [0, 0, -1, 0], [0, 0, 0, 1]])


class ScannetppDslr:
    """The folder `dslr` of a scene."""

    title = "ScanNet++, SCENE/dslr"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has cameras and images where the data set has them."""
        return (path / FILE).is_file() and any((path / name).is_dir() for name in IMAGES)

    def open(self, path: Path) -> Scene:
        """The photographs, in order of their names. Raises ValueError for a file without frames."""
        file = path / FILE
        images = next((path / name for name in IMAGES if (path / name).is_dir()), path / IMAGES[0])
        try:
            values = json.loads(file.read_text(encoding="utf-8"))
            listed = [*values["frames"], *values.get("test_frames", ())]
            frames = sorted(
                (f for f in listed if not f.get("is_bad")), key=lambda frame: str(frame["file_path"])
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{file} cannot be read as JSON with frames that have a file_path ({error!r}): download it "
                "again"
            ) from error
        if not frames:
            raise ValueError(f"{file} lists no frames: download it again")
        shared = {k: v for k, v in values.items() if k not in ("frames", "test_frames")}
        return Scene(file, shared, frames, images, Z_UP_TO_Y_UP @ _TO_COLMAP)
