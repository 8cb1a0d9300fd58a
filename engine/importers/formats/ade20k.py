"""ADE20K (Zhou et al., CVPR 2017) as its Scene Parsing Benchmark publishes it: photographs with labels.

    ADEChallengeData2016/objectInfo150.txt               the 150 classes, in the order of their numbers
                         images/training/NAME.jpg
                         annotations/training/NAME.png   the class of each pixel, 0 = none of them

They are a transfer set: of no test space, from the internet, without depth and pose. Classes become ours by
`scenes/assets/ade20k_classes.csv`; what no home has is not labelled.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from engine.importers.capture import CapturedFrame, FrameSource, read_rgb
from scenes.formats.annotated import class_names, class_of

CLASSES, IMAGES, ANNOTATIONS, SPLIT = "objectInfo150.txt", "images", "annotations", "training"
TABLE = "ade20k"


class Ade20k:
    """Folders of the Scene Parsing Benchmark, whose training images are read."""

    title = "ADE20K"

    def recognises(self, path: Path) -> bool:
        """Whether the folder has the benchmark's classes, images and annotations."""
        return (path / CLASSES).is_file() and (path / IMAGES).is_dir() and (path / ANNOTATIONS).is_dir()

    def open(self, path: Path) -> "_Photographs":
        """The photographs. Raises ValueError for other classes, and for an image without annotation."""
        table = _class_table(path / CLASSES)
        images = sorted((path / IMAGES / SPLIT).glob("*.jpg"))
        if not images:
            raise ValueError(
                f"{path / IMAGES / SPLIT} has no images NAME.jpg: unpack ADEChallengeData2016.zip"
            )
        pairs = [(image, path / ANNOTATIONS / SPLIT / f"{image.stem}.png") for image in images]
        for image, annotation in pairs:
            if not annotation.is_file():
                raise ValueError(
                    f"{annotation} is missing, and {image} has no labels without it: unpack the archive again"
                )
        return _Photographs(path / CLASSES, table, pairs)


class _Photographs:
    modalities: tuple[str, ...] = ("rgb", "semantic")

    def __init__(
        self, classes: Path, table: UInt8[np.ndarray, "256"], pairs: list[tuple[Path, Path]]
    ) -> None:
        self._classes, self._table, self._pairs = classes, table, pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def frames(self) -> Iterator[CapturedFrame]:
        for image, annotation in self._pairs:
            rgb = read_rgb(image, as_stored=True)
            numbers = cv2.imread(str(annotation), cv2.IMREAD_UNCHANGED)
            if numbers is None or numbers.dtype != np.uint8 or numbers.shape != rgb.shape[:2]:
                found = "no image" if numbers is None else f"{numbers.dtype} {list(numbers.shape)}"
                raise ValueError(
                    f"{annotation} is {found}, and must be uint8 {list(rgb.shape[:2])}, as its image: unpack "
                    "the archive again"
                )
            if numbers.max() > len(class_names(TABLE)):
                raise ValueError(
                    f"{annotation} has a class {numbers.max()}, the benchmark {len(class_names(TABLE))}: "
                    "import the Scene Parsing Benchmark's release, not the full ADE20K"
                )
            source = FrameSource(image.name, rgb.shape[:2])
            yield CapturedFrame(rgb, semantic=self._table[np.asarray(numbers, np.uint8)], source=source)

    def files(self) -> list[Path]:
        return [self._classes, *(path for pair in self._pairs for path in pair)]


def _class_table(path: Path) -> UInt8[np.ndarray, "256"]:
    """Our class of each number. Raises ValueError for a list that is not the benchmark's."""
    known = class_names(TABLE)
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    names = [line.split("\t")[-1].strip() for line in lines if line.strip()]
    if names != list(known):
        other = next((f"{a!r} where {b!r} belongs" for a, b in zip(names, known, strict=False) if a != b), "")
        raise ValueError(
            f"{path} lists {len(names)} classes, {other or 'and the benchmark 150'}: use the file of "
            "ADEChallengeData2016.zip"
        )
    table = np.zeros(256, np.uint8)
    table[1 : len(names) + 1] = [class_of(TABLE, name) for name in names]
    return table
