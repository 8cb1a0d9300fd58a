"""Labels that a person drew: a COCO file from CVAT, Label Studio or another tool, by the images' file names.

Masks are polygons or run lengths. Where objects overlap, the one of less area is in front. An image that the
file does not list is not labelled, and its frame is left out. A frame of a video is known as frame_000012.
Images are taken as viewers show them, turned by EXIF, or as they are stored, whichever size the file gives.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8, UInt16

from engine.coco_masks import decode_mask
from engine.importers.capture import Capture, CapturedFrame, FrameSource
from engine.importers.fit import fit_map
from engine.importers.labels.class_map import ClassMap
from engine.importers.labels.frame_labels import Labels

_UPLOAD = re.compile(r"^[0-9a-f]{8}-")  # that Label Studio puts before the name of an uploaded file


def is_coco(path: Path) -> bool:
    """Whether a file is JSON as COCO's, whole or not: a house's JSON has rooms and no images."""
    if path.suffix != ".json" or not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return '"annotations"' in text or '"categories"' in text


@dataclass(frozen=True)
class _Drawn:
    """What the file says of an image."""

    name: str
    height: int
    width: int
    annotations: tuple[Mapping[str, Any], ...]


class CocoLabels:
    """See `engine/importers/labels/frame_labels.py` for the protocol."""

    place_digest = ""

    def __init__(self, path: Path, classes: Path | None = None, boxes: bool = False) -> None:
        """`classes`: a CSV of name and label, for categories that are not our labels' names; `boxes`: whether
        an object with a box and no mask fills its box. Raises ValueError, naming the file, for a broken one,
        and for categories without a label of ours."""
        self._path, self._boxes = path, boxes
        data = path.read_bytes()
        self._classes = ClassMap(classes)
        self._images, self._kinds, self._numbers = self._read(data)
        settings = f"coco {hashlib.sha256(data).hexdigest()} {self._classes.digest} {boxes}"
        self.digest = hashlib.sha256(settings.encode()).hexdigest()
        self.note = f"labels drawn by hand, {path.name}"
        self._found: set[str] = set()
        self._pixels = self._labelled = 0

    def expect(self, capture: Capture) -> None:
        """Raises ValueError for an image that the file lists and the capture does not have."""
        names = {n for path in capture.files() for n in (path.name, path.stem)}
        names |= {n for i in range(len(capture)) for n in (f"frame_{i:06d}", f"{i}.jpg", f"{i}.png")}
        lost = sorted(self._images.keys() - names)
        if lost:
            raise ValueError(
                f"{self._path} has labels of {len(lost)} images that are not the capture's, {lost[0]} the "
                "first: import the images that were labelled, or take the others out of the file"
            )

    def knows(self, frame: CapturedFrame) -> bool:
        """Whether the file lists the frame's image."""
        return self._drawn(frame) is not None

    def of(self, frame: CapturedFrame, arrays: dict[str, Shaped[np.ndarray, "..."]]) -> Labels:
        """Raises ValueError for an image of another size than the file says, and for masks that are none."""
        drawn = self._drawn(frame)
        assert drawn is not None
        assert frame.source is not None
        self._found.add(drawn.name)
        semantic, instance = self._paint(drawn)
        height, width = arrays["rgb"].shape[:2]
        labels = {}
        for name, values in (("semantic", semantic), ("instance", instance)):
            seen = self._as_seen(values, drawn, frame.source)
            labels[name] = fit_map(seen, frame.rgb.shape[:2], height, width)
        self._pixels += labels["semantic"].size
        self._labelled += int((labels["semantic"] > 0).sum())
        return labels

    def check(self) -> None:
        """There is nothing to compare them with."""

    def summary(self) -> str:
        """Shares of frames and pixels that are labelled."""
        share = self._labelled / max(self._pixels, 1)
        return (
            f"labels of {self._path}: {len(self._found)} of its {len(self._images)} images, {share:.1%} of "
            "their pixels; frames that it does not list are left out"
        )

    def _drawn(self, frame: CapturedFrame) -> _Drawn | None:
        if frame.source is None:
            return None
        name = frame.source.name
        return self._images.get(name) or self._images.get(PurePosixPath(name).stem)

    def _read(self, data: bytes) -> tuple[dict[str, _Drawn], dict[int, int], dict[int, int]]:
        """Images by name, our class of each category, and the instance of each annotation."""
        try:
            coco = json.loads(data)
            kinds = {int(c["id"]): str(c["name"]) for c in coco["categories"]}
            listed = {
                int(i["id"]): (_base_name(i["file_name"]), int(i["height"]), int(i["width"]))
                for i in coco["images"]
            }
            of_image: dict[int, list[Mapping[str, Any]]] = {number: [] for number in listed}
            for annotation in coco["annotations"]:
                of_image[int(annotation["image_id"])].append(annotation)
            numbers = {int(a["id"]): k for k, a in enumerate(coco["annotations"], 1)}
            used = {int(a["category_id"]): kinds[int(a["category_id"])] for a in coco["annotations"]}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{self._path} is no COCO file of objects ({error!r}): export it again as COCO"
            ) from error
        if len(numbers) != len(coco["annotations"]) or len(numbers) >= 2**16:
            raise ValueError(
                f"{self._path} has {len(coco['annotations'])} annotations with {len(numbers)} ids: they must "
                "differ, and frames number 65,535: export fewer images at a time"
            )
        images: dict[str, _Drawn] = {}
        for number, (name, height, width) in listed.items():
            if name in images:
                raise ValueError(
                    f"{self._path} lists two images {name}: frames are known by name: rename one of them"
                )
            images[name] = _Drawn(name, height, width, tuple(of_image[number]))
        classes = {k: self._classes.class_of(name, str(self._path)) for k, name in used.items()}
        return images, classes, numbers

    def _paint(self, drawn: _Drawn) -> tuple[UInt8[np.ndarray, "h w"], UInt16[np.ndarray, "h w"]]:
        """Class and instance of each pixel of the image as it was labelled."""
        semantic = np.zeros((drawn.height, drawn.width), np.uint8)
        instance = np.zeros((drawn.height, drawn.width), np.uint16)
        masks = [(self._mask(annotation, drawn), annotation) for annotation in drawn.annotations]
        for mask, annotation in sorted(masks, key=lambda pair: -int(pair[0].sum())):
            semantic[mask] = self._kinds[int(annotation["category_id"])]
            # A crowd is no one thing.
            instance[mask] = 0 if annotation.get("iscrowd") else self._numbers[int(annotation["id"])]
        return semantic, instance

    def _mask(self, annotation: Mapping[str, Any], drawn: _Drawn) -> Bool[np.ndarray, "h w"]:
        where = f"{self._path}, annotation {annotation['id']} of {drawn.name}"
        drawing = annotation.get("segmentation")
        if not drawing:
            if not self._boxes:
                raise ValueError(
                    f"{where} is a box without a mask: draw polygons, or add --boxes, which labels all of a "
                    "box (well for detection, not for segmentation)"
                )
            try:
                x, y, width, height = (float(v) for v in annotation["bbox"])
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(f"{where} has neither a mask nor a box x, y, width, height") from error
            drawing = [[x, y, x + width, y, x + width, y + height, x, y + height]]
        try:
            return decode_mask(drawing, drawn.height, drawn.width)
        except ValueError as error:
            raise ValueError(f"{where}: {error}: export it again") from error

    def _as_seen(
        self, values: Shaped[np.ndarray, "h w"], drawn: _Drawn, source: FrameSource
    ) -> Shaped[np.ndarray, "_ _"]:
        """A map of the image as it was labelled, changed as the frame's colours were."""
        shown = source.shape if source.shown_quarters % 2 == 0 else source.shape[::-1]
        if values.shape == shown:
            values = np.rot90(values, -source.shown_quarters)
        elif values.shape != source.shape:
            raise ValueError(
                f"{self._path} says that {drawn.name} is of {drawn.width} x {drawn.height} pixels; it is of "
                f"{shown[1]} x {shown[0]}: label the images that are imported"
            )
        for change in source.changes:
            values = np.ascontiguousarray(change(np.ascontiguousarray(values)))
        return values


def _base_name(name: str) -> str:
    """The file's own name: without folders, of either kind of slash, and without Label Studio's prefix."""
    base = PurePosixPath(str(name).replace("\\", "/")).name
    base = _UPLOAD.sub("", base)
    # CVAT names the frames of a video as images.
    return PurePosixPath(base).stem if re.fullmatch(r"frame_\d{6}\.(PNG|png)", base) else base
