"""ScanNet++'s folder SCENE/iphone: rgb.mp4, depth.bin and pose_intrinsic_imu.json, with poses in a world with
z up.

Depth has the data set's 192 x 256 pixels, each that of the nearest of the phone's, 0 where the phone trusts
it least; each frame is its length (uint32) and a block of LZ4. A lost frame is in none of the files. The
app's video is HEVC, ours is MPEG-4. Inertial readings, whose axes the data set does not say, are left out.
"""

import json
import struct
from pathlib import Path

import cv2
import numpy as np
from numcodecs.lz4 import compress

from agents.phone.recording import Recording
from engine.importers.writers.writer import MpegVideo, trusted_depth, y_up_to_z_up

_COLUMNS, _ROWS = 256, 192
_HEADER = 4  # bytes that the codec puts before a block


class ScannetppWriter:
    """The folder of a scene's phone."""

    title = "ScanNet++, SCENE/iphone"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder. Raises OSError where the video cannot be written."""
        out.mkdir(parents=True)
        fx, fy, cx, cy = recording.lens.tolist()
        intrinsic = [[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]
        with MpegVideo(out / "rgb.mp4", recording.config) as video, (out / "depth.bin").open("wb") as depths:
            for frame in recording.frames():
                video.add(frame.rgb)
                whole = cv2.resize(
                    trusted_depth(frame), (_COLUMNS, _ROWS), interpolation=cv2.INTER_NEAREST_EXACT
                )
                block = bytes(compress(np.ascontiguousarray(whole, "<u2").tobytes(), 1))[_HEADER:]
                depths.write(struct.pack("<I", len(block)) + block)
        values = {}
        for i, (time, pose) in enumerate(zip(recording.times_s, y_up_to_z_up(recording.poses), strict=True)):
            frame_pose = pose.tolist()
            values[f"frame_{i:06d}"] = {
                "timestamp": float(time),
                "intrinsic": intrinsic,
                "pose": frame_pose,
                "aligned_pose": frame_pose,
            }
        (out / "pose_intrinsic_imu.json").write_text(json.dumps(values))
