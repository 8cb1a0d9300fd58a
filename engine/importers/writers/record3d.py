"""Record3D's .r3d: a ZIP archive of `metadata` (JSON) and, by number, colours, depth and confidence.

`rgbd/N.jpg` are colours, `rgbd/N.depth` z-depth (float32 [m], NaN where there is none) and `rgbd/N.conf` 0, 1
or 2, both compressed by LZFSE. Poses are quaternions x, y, z, w and positions [m], camera to world, OpenGL's
axes, y up. `K` is column-major. Lost frames are gaps in `frameTimestamps` [s].
"""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from agents.phone.recording import Recording
from engine.importers.packages import lzfse
from engine.importers.writers.writer import encoded, opengl_camera


class Record3DWriter:
    """Files as the app Record3D exports them."""

    title = "Record3D"
    ending = ".r3d"

    def write(self, recording: Recording, out: Path) -> None:
        """Write an archive. Raises ValueError where the package lzfse is not installed."""
        package = lzfse()
        with zipfile.ZipFile(out, "w") as archive:
            for i, frame in enumerate(recording.frames()):
                metres = np.where(frame.depth > 0, frame.depth / np.float32(1000), np.nan).astype("<f4")
                _add(archive, f"rgbd/{i}.jpg", encoded(frame.rgb, ".jpg"))
                _add(archive, f"rgbd/{i}.depth", package.compress(metres.tobytes()))
                _add(archive, f"rgbd/{i}.conf", package.compress(frame.confidence.tobytes()))
            _add(archive, "metadata", json.dumps(_metadata(recording)).encode())


def _metadata(recording: Recording) -> dict[str, Any]:
    poses = opengl_camera(recording.poses)
    turns = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
    fx, fy, cx, cy = recording.lens.tolist()
    rows, columns = recording.depth_shape
    return {
        "w": recording.config.width,
        "h": recording.config.height,
        "dw": columns,
        "dh": rows,
        "fps": recording.config.fps,
        "K": [fx, 0, 0, 0, fy, 0, cx, cy, 1],
        "perFrameIntrinsicCoeffs": [[fx, fy, cx, cy]] * len(poses),
        "poses": np.concatenate([turns, poses[:, :3, 3]], axis=1).tolist(),
        "frameTimestamps": recording.times_s.tolist(),
    }


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name), data)  # which has the same date always
