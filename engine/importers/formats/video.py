"""Videos, read frame by frame by OpenCV's FFmpeg; and a plain video as a capture: colours alone, no poses."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from engine.importers.capture import CapturedFrame, FrameSource

_ENDINGS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm")


class PlainVideo:
    """A video file."""

    title = "a video"

    def recognises(self, path: Path) -> bool:
        """Whether the file's name ends as videos do."""
        return path.is_file() and path.suffix.lower() in _ENDINGS

    def open(self, path: Path) -> "_Video":
        """The video. Raises ValueError for one that cannot be read."""
        return _Video(path)


class _Video:
    modalities: tuple[str, ...] = ("rgb",)

    def __init__(self, path: Path) -> None:
        self._path, self._count = path, count_frames(path)

    def __len__(self) -> int:
        return self._count

    def frames(self) -> Iterator[CapturedFrame]:
        for i, image in enumerate(read_video(self._path)):
            yield CapturedFrame(image, source=FrameSource(f"frame_{i:06d}", image.shape[:2]))

    def files(self) -> list[Path]:
        return [self._path]


def count_frames(path: Path) -> int:
    """Frames that can be read: the header of a video that was cut off promises more. Raises ValueError."""
    video = cv2.VideoCapture(str(path))
    count = 0
    while video.grab():
        count += 1
    promised = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
    video.release()
    if count == 0:
        raise ValueError(
            f"{path} is no video that can be read, or it was cut off: copy it again, or convert it to mp4"
        )
    if count < promised:
        raise ValueError(
            f"{path} was cut off: {count} of its {promised} frames can be read: copy it again, or cut it "
            "there with a video tool"
        )
    return count


def video_quarters(path: Path) -> int:
    """Quarter turns to the left that a video's header asks for."""
    video = cv2.VideoCapture(str(path))
    clockwise = round(video.get(cv2.CAP_PROP_ORIENTATION_META) / 90)
    video.release()
    return -clockwise % 4


def read_video(path: Path, as_stored: bool = False) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """The frames of a video as sRGB, turned as its header says unless they are wanted `as_stored`."""
    video = cv2.VideoCapture(str(path))
    video.set(cv2.CAP_PROP_ORIENTATION_AUTO, 0 if as_stored else 1)
    try:
        while True:
            read, image = video.read()
            if not read:
                return
            yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    finally:
        video.release()
