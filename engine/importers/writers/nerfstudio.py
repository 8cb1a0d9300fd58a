"""nerfstudio's transforms.json, as `ns-process-data` makes it of a phone's capture, with depth.

Poses are camera to world in OpenGL's axes, in a world with z up. Depth images hold 1,000 steps a metre, 0
where the phone trusts its depth least.
"""

import json
from pathlib import Path

from agents.phone.recording import Recording
from engine.importers.writers.writer import opengl_camera, save_image, trusted_depth, y_up_to_z_up


class NerfstudioWriter:
    """Folders with a transforms.json."""

    title = "nerfstudio transforms.json"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder of PNG images."""
        frames = []
        poses = opengl_camera(y_up_to_z_up(recording.poses))
        for i, (frame, pose) in enumerate(zip(recording.frames(), poses, strict=True), 1):
            names = {"file_path": f"images/frame_{i:05d}.png", "depth_file_path": f"depth/frame_{i:05d}.png"}
            save_image(out / names["file_path"], frame.rgb)
            save_image(out / names["depth_file_path"], trusted_depth(frame))
            frames.append({**names, "transform_matrix": pose.tolist()})
        fx, fy, cx, cy = recording.lens.tolist()
        lens = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": recording.config.width}
        lens |= {"h": recording.config.height, "k1": 0.0, "k2": 0.0, "p1": 0.0, "p2": 0.0}
        values = {"camera_model": "OPENCV", **lens, "frames": frames}
        (out / "transforms.json").write_text(json.dumps(values, indent=1))
