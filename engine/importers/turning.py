"""Cameras are held sideways: what a file says of how to turn its image, and a frame turned as a whole."""

from pathlib import Path

import numpy as np
from jaxtyping import Float64
from PIL import Image

from engine.importers.capture import CapturedFrame

_ORIENTATION = 0x0112  # the tag of EXIF
_QUARTERS = {1: 0, 8: 1, 3: 2, 6: 3}  # its values without mirroring, as quarter turns to the left
_LEAST_TILT = 0.3  # sine of the least angle between view and vertical at which an image has an upper side
_CAMERA = np.array([[0.0, -1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
"""The axes of a camera whose image is a quarter turn to the left of the image before, in those of before."""


def quarters_of(path: Path) -> int:
    """Quarter turns to the left that an image's EXIF asks for. Raises ValueError for a mirrored image."""
    with Image.open(path) as image:
        orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation not in _QUARTERS:
        raise ValueError(
            f"{path} has EXIF orientation {orientation}, a mirror image, which no pose can be of: store the "
            "pixels as they are to be seen and remove the tag"
        )
    return _QUARTERS[orientation]


def shown_quarters(path: Path) -> int:
    """Quarter turns to the left with which viewers show an image; 0 for one that they mirror."""
    with Image.open(path) as image:
        return _QUARTERS.get(image.getexif().get(_ORIENTATION, 1), 0)


def turned(frame: CapturedFrame, quarters: int) -> CapturedFrame:
    """A frame turned to the left by quarter turns: colours, depth, pose and intrinsics together."""
    if quarters == 0:
        return frame
    depth, pose, lens, semantic = frame.depth, frame.pose, frame.intrinsics, frame.semantic
    if depth is not None:
        depth = np.ascontiguousarray(np.rot90(depth))
    if pose is not None:
        pose = pose @ _CAMERA
    if lens is not None:
        fx, fy, cx, cy = lens
        lens = np.array([fy, fx, cy, frame.rgb.shape[1] - cx], np.float32)
    if semantic is not None:
        semantic = np.ascontiguousarray(np.rot90(semantic))
    rgb = np.ascontiguousarray(np.rot90(frame.rgb))
    source = frame.source and frame.source.after(np.rot90)
    return turned(CapturedFrame(rgb, depth, pose, lens, source, semantic, frame.time_s), quarters - 1)


def quarters_upright(pose: Float64[np.ndarray, "4 4"], before: int) -> int:
    """Quarter turns to the left after which up in the world, y, is nearest to up in the image.

    A camera that looks straight up or down has no such turn: it keeps the one of the frame `before`.
    """
    right, down, _ = pose[1, :3]  # the world's up in the camera's axes
    if np.hypot(right, down) < _LEAST_TILT:
        return before
    # 0 where up is up already, 1 where it is at the right of the image, and so on.
    return round(float(np.arctan2(right, -down)) / (np.pi / 2)) % 4
