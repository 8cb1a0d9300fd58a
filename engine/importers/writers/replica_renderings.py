"""Renderings along a trajectory, in NICE-SLAM's layout of Replica: results/, traj.txt and cam_params.json.

Poses are camera to world, OpenCV axes, in a world with z up. Colours are JPEG. Depth has the phone's fewer
pixels and 6,553.5 steps a metre, 0 where the phone trusts it least and beyond the 10 m that 16 bits hold.
"""

import json
from pathlib import Path

import numpy as np

from agents.phone.recording import Recording
from engine.importers.writers.writer import encoded, line, save_image, trusted_depth, y_up_to_z_up

_SCALE = 6553.5  # steps of depth in a metre


class ReplicaRenderingsWriter:
    """Folders of one trajectory."""

    title = "renderings of Replica"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder."""
        (out / "results").mkdir(parents=True)
        for i, frame in enumerate(recording.frames()):
            steps = np.rint(trusted_depth(frame) * (_SCALE / 1000))
            kept = np.where(steps <= np.iinfo(np.uint16).max, steps, 0).astype(np.uint16)
            (out / "results" / f"frame{i:06d}.jpg").write_bytes(encoded(frame.rgb, ".jpg"))
            save_image(out / "results" / f"depth{i:06d}.png", kept)
        lines = [line(*pose.ravel()) for pose in y_up_to_z_up(recording.poses)]
        (out / "traj.txt").write_text("\n".join(lines) + "\n")
        fx, fy, cx, cy = recording.lens.tolist()
        size = {"w": recording.config.width, "h": recording.config.height}
        camera = {**size, "fx": fx, "fy": fy, "cx": cx - 0.5, "cy": cy - 0.5, "scale": _SCALE}
        (out / "cam_params.json").write_text(json.dumps({"camera": camera}))
