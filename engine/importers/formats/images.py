"""A folder of images, in the order of their names: colours alone, no poses."""

from collections.abc import Iterator
from pathlib import Path

from engine.importers.capture import CapturedFrame, FrameSource, read_rgb

_ENDINGS = (".jpg", ".jpeg", ".png")


class ImageFolder:
    """Images beside each other in a folder, and nothing else that says more of them."""

    title = "a folder of images"

    def recognises(self, path: Path) -> bool:
        """Whether the path is a folder with images."""
        return path.is_dir() and any(p.suffix.lower() in _ENDINGS for p in path.iterdir())

    def open(self, path: Path) -> "_Images":
        """The images."""
        return _Images(sorted(p for p in path.iterdir() if p.suffix.lower() in _ENDINGS))


class _Images:
    modalities: tuple[str, ...] = ("rgb",)

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def frames(self) -> Iterator[CapturedFrame]:
        for path in self._paths:
            rgb = read_rgb(path)
            yield CapturedFrame(rgb, source=FrameSource(path.name, rgb.shape[:2]))

    def files(self) -> list[Path]:
        return self._paths
