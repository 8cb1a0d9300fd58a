"""Stray Scanner's export, as the app's source writes it (github.com/strayrobots/scanner).

    rgb.mp4               a frame for each line of odometry.csv
    odometry.csv          time [s], number, position [m], quaternion x, y, z, w: camera to world, OpenCV axes
    camera_matrix.csv     3 x 3, pixels of rgb
    depth/000000.png      uint16 [mm], fewer pixels than rgb
    confidence/000000.png 0, 1 or 2
    imu.csv               time [s], acceleration, rotation rate [radians/s], in the device's axes

The device's axes are CoreMotion's, x to the right of the screen held upright, y to its top, z out of it; the
camera looks along -z and its image's right is the device's -y. Acceleration is CoreMotion's too, in units of
standard gravity and negative of specific force: -1 along what points up at rest. (The app's documentation
says m/s²; its source passes CoreMotion's numbers on.) A lost frame is in none of the files, and those after
it move up: the gap is in the times alone. The app's video is HEVC, ours is MPEG-4.
"""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from agents.phone.imu import GRAVITY, Imu
from agents.phone.recording import Recording
from engine.importers.writers.writer import MpegVideo, line, save_image

_CAMERA_TO_DEVICE = np.array([[0.0, -1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, -1.0]])


class StrayScannerWriter:
    """Folders as the app Stray Scanner exports them."""

    title = "Stray Scanner"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder. Raises OSError where the video cannot be written."""
        out.mkdir(parents=True)
        with MpegVideo(out / "rgb.mp4", recording.config) as video:
            for i, frame in enumerate(recording.frames()):
                video.add(frame.rgb)
                save_image(out / "depth" / f"{i:06d}.png", frame.depth)
                save_image(out / "confidence" / f"{i:06d}.png", frame.confidence)
        _write_odometry(recording, out / "odometry.csv")
        _write_imu(recording.imu, out / "imu.csv")
        fx, fy, cx, cy = map(str, recording.lens)
        matrix = [[fx, "0.0", cx], ["0.0", fy, cy], ["0.0", "0.0", "1.0"]]
        (out / "camera_matrix.csv").write_text("\n".join(map(", ".join, matrix)))


def _write_odometry(recording: Recording, path: Path) -> None:
    rows = ["timestamp, frame, x, y, z, qx, qy, qz, qw"]
    turns = Rotation.from_matrix(recording.poses[:, :3, :3]).as_quat()
    for i, (time, pose, turn) in enumerate(zip(recording.times_s, recording.poses, turns, strict=True)):
        rows.append(f"{time:.9f}, {i:06d}, {line(*pose[:3, 3], *turn, between=', ')}")
    path.write_text("\n".join(rows) + "\n")


def _write_imu(imu: Imu, path: Path) -> None:
    acceleration = -imu.force @ _CAMERA_TO_DEVICE.T / GRAVITY
    rate = imu.rotation_rate @ _CAMERA_TO_DEVICE.T
    rows = ["timestamp, a_x, a_y, a_z, alpha_x, alpha_y, alpha_z"]
    for time, a, alpha in zip(imu.times_s, acceleration, rate, strict=True):
        rows.append(line(time, *a, *alpha, between=", "))
    path.write_text("\n".join(rows) + "\n")
