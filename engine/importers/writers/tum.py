"""TUM RGB-D: rgb.txt, depth.txt and groundtruth.txt, whose lines begin with a time [s].

Depth images hold 5,000 steps a metre, 0 where the phone trusts its depth least and beyond the 13.1 m that 16
bits hold; they have the phone's fewer pixels. Poses are camera to world, OpenCV axes, in a world with z up,
at the time of every frame. The layout has no place for intrinsics.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from agents.phone.recording import Recording
from engine.importers.writers.writer import line, save_image, trusted_depth, y_up_to_z_up

_STEPS = 5  # of depth in a millimetre
_FARTHEST = np.iinfo(np.uint16).max // _STEPS  # mm that a depth image holds


class TumWriter:
    """Folders in the layout of the TUM RGB-D benchmark."""

    title = "TUM RGB-D"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder of PNG images."""
        lists = {"rgb": ["# color images"], "depth": ["# depth maps"]}
        for frame in recording.frames():
            depth = trusted_depth(frame)
            kept = np.where(depth <= _FARTHEST, depth, 0).astype(np.uint16) * np.uint16(_STEPS)
            for name, image in (("rgb", frame.rgb), ("depth", kept)):
                file = f"{name}/{frame.time_s:.6f}.png"
                save_image(out / file, image)
                lists[name].append(f"{frame.time_s:.6f} {file}")
        lists["groundtruth"] = ["# timestamp tx ty tz qx qy qz qw"]
        poses = y_up_to_z_up(recording.poses)
        turns = Rotation.from_matrix(poses[:, :3, :3]).as_quat()
        for time, pose, turn in zip(recording.times_s, poses, turns, strict=True):
            lists["groundtruth"].append(line(time, *pose[:3, 3], *turn))
        for name, lines in lists.items():
            (out / f"{name}.txt").write_text("\n".join(lines) + "\n")
