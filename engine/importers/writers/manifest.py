"""A manifest.json of one's own, whose form is in `docs/store.md`: OpenCV axes, y up, depth in millimetres."""

import json
from pathlib import Path

from agents.phone.recording import Recording
from engine.importers.writers.writer import save_image, trusted_depth


class ManifestWriter:
    """Folders with a manifest.json."""

    title = "manifest.json"
    ending = ""

    def write(self, recording: Recording, out: Path) -> None:
        """Write a folder of PNG images; depth is 0 where the phone trusts it least."""
        frames = []
        for i, frame in enumerate(recording.frames()):
            names = {"rgb": f"rgb/{i:06d}.png", "depth": f"depth/{i:06d}.png"}
            save_image(out / names["rgb"], frame.rgb)
            save_image(out / names["depth"], trusted_depth(frame))
            frames.append({**names, "pose": frame.pose.tolist(), "time_s": frame.time_s})
        head = {"testspace_capture": 1, "camera_axes": "opencv", "up": "y", "depth_unit_mm": 1.0}
        values = {**head, "intrinsics": recording.lens.tolist(), "frames": frames}
        (out / "manifest.json").write_text(json.dumps(values))
