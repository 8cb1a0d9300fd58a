"""ARKitScenes: the folder of a video, with its low-resolution frames; the folder's name is the video's.

`lowres_wide/ID_TIME.png` are colours, `lowres_depth` [mm] and `confidence` (0, 1, 2) the LiDAR's,
`lowres_wide_intrinsics/ID_TIME.pincam` has width, height, fx, fy, cx, cy; a line of `lowres_wide.traj` is
time [s], rotation (axis times angle [radians]) and translation [m] from the world, z up, to a camera with
OpenCV's axes. The data set's colours are as small as its depth; ours have the size of the recording.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from agents.phone.recording import Recording
from engine.importers.writers.writer import line, save_image, y_up_to_z_up


class ArkitScenesWriter:
    """Folders of videos as ARKitScenes is downloaded."""

    title = "ARKitScenes"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder of PNG images."""
        lenses = out / "lowres_wide_intrinsics"
        lenses.mkdir(parents=True)
        size = f"{recording.config.width} {recording.config.height}"
        for frame in recording.frames():
            name = f"{out.name}_{frame.time_s:.3f}"
            save_image(out / "lowres_wide" / f"{name}.png", frame.rgb)
            save_image(out / "lowres_depth" / f"{name}.png", frame.depth)
            save_image(out / "confidence" / f"{name}.png", frame.confidence)
            (lenses / f"{name}.pincam").write_text(f"{size} {line(*recording.lens)}")
        world_to_camera = np.linalg.inv(y_up_to_z_up(recording.poses))
        turns = Rotation.from_matrix(world_to_camera[:, :3, :3]).as_rotvec()
        lines = [
            line(time, *turn, *matrix[:3, 3])
            for time, turn, matrix in zip(recording.times_s, turns, world_to_camera, strict=True)
        ]
        (out / "lowres_wide.traj").write_text("\n".join(lines) + "\n")
