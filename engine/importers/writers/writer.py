"""What a writer of captures does: it puts a recording of a simulated phone into another tool's format.

`engine/importers/writers/registry.py` lists them; `tests/engine/writer_kit.py` holds what each must do.
Writers share nothing with the readers in `engine/importers/formats`, so that each checks the other.
"""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from jaxtyping import Float64, UInt8, UInt16

from agents.phone.recording import PhoneConfig, PhoneFrame, Recording

LEAST_TRUST = 1
"""Least confidence of depth that is written where a format has no place for confidence."""


class CaptureWriter(Protocol):
    """A format that recordings are written in."""

    title: str  # as its makers write it
    ending: str  # of the file's name; empty for a folder

    def write(self, recording: Recording, out: Path) -> None:
        """Write all of a recording to a path where nothing is yet."""
        ...


class MpegVideo:
    """A video that is being written, MPEG-4, closed on leaving its block."""

    def __init__(self, path: Path, config: PhoneConfig) -> None:
        """Of a recording's size and rate. Raises OSError where it cannot be written."""
        size = (config.width, config.height)
        fourcc = cv2.VideoWriter.fourcc(*"mp4v")
        self._video = cv2.VideoWriter(str(path), fourcc, float(config.fps), size)
        if not self._video.isOpened():
            raise OSError(f"OpenCV cannot write {path} of {size[0]} x {size[1]} pixels")

    def __enter__(self) -> "MpegVideo":
        return self

    def __exit__(self, *error: object) -> None:
        self._video.release()

    def add(self, rgb: UInt8[np.ndarray, "h w 3"]) -> None:
        """The next frame."""
        self._video.write(np.ascontiguousarray(rgb[..., ::-1]))


def y_up_to_z_up(poses: Float64[np.ndarray, "n 4 4"]) -> Float64[np.ndarray, "n 4 4"]:
    """The same poses in a right-handed world whose z points up: x stays, y becomes -z's."""
    turn = np.eye(4)
    turn[1:3, 1:3] = (0.0, -1.0), (1.0, 0.0)
    return turn @ poses


def opengl_camera(poses: Float64[np.ndarray, "n 4 4"]) -> Float64[np.ndarray, "n 4 4"]:
    """The same poses of cameras with x right, y up and z backward."""
    turned = poses.copy()
    turned[:, :3, 1:3] *= -1
    return turned


def trusted_depth(frame: PhoneFrame) -> UInt16[np.ndarray, "dh dw"]:
    """Depth [mm], 0 where the phone trusts it least."""
    return np.where(frame.confidence >= LEAST_TRUST, frame.depth, 0).astype(np.uint16)


def save_image(path: Path, image: UInt8[np.ndarray, "h w ..."] | UInt16[np.ndarray, "h w"]) -> None:
    """Write colours or a map as PNG. Raises OSError where it cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded(image, ".png"))


def encoded(image: UInt8[np.ndarray, "h w ..."] | UInt16[np.ndarray, "h w"], ending: str) -> bytes:
    """Bytes of a PNG or JPEG file of colours or a map."""
    made, data = cv2.imencode(ending, image[..., ::-1] if image.ndim == 3 else image)
    assert made, f"OpenCV writes no {ending} of {image.dtype} {image.shape}"
    return data.tobytes()


def line(*numbers: float, between: str = " ") -> str:
    """Numbers with nine decimals."""
    return between.join(f"{v:.9f}" for v in numbers)
