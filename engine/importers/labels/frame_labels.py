"""Labels of imported frames, wherever they come from: one class a source, chosen by what `--labels` names.

Labels are those of `agents/modalities.py`, in the label table of every store. Frames for pre-training have
none: `import_capture` refuses to look for them, and a store refuses to hold them.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
from jaxtyping import Shaped
from pydantic import Field

from engine.importers.capture import Capture, CapturedFrame
from scenes.config import Config

Labels = dict[str, Shaped[np.ndarray, "h w"]]
"""`semantic`, uint8, and `instance`, uint16, of a frame; 0 = not labelled."""


class LabelOptions(Config):
    """What labels frames, and how."""

    labels: Path | None = None
    """What labels the frames, never for role pretrain: an annotated mesh in the capture's world (a ScanNet++
    scene, a Replica folder, the house of a simulated capture), or a COCO file of its images. Where
    frames are held out, those alone get labels."""
    tolerance_m: float = Field(default=0.1, gt=0)
    """Labels of a mesh stand where measured depth differs from it by at most this [m]."""
    classes: Path | None = None
    """A CSV with columns name and label: which of our labels a category of a COCO file is."""
    boxes: bool = False
    """Whether an object of a COCO file with a box and no mask fills its box."""


class FrameLabels(Protocol):
    """Where labels of a capture's frames come from."""

    digest: str  # of the files and options that decide the labels, hex
    place_digest: str  # of a description of the space that several captures share, hex; empty: none
    note: str  # for the space's provenance

    def expect(self, capture: Capture) -> None:
        """Raises ValueError, before any frame is read, where labels are not of this capture."""
        ...

    def knows(self, frame: CapturedFrame) -> bool:
        """Whether the frame is labelled; one that is not is left out."""
        ...

    def of(self, frame: CapturedFrame, arrays: dict[str, Shaped[np.ndarray, "..."]]) -> Labels:
        """The labels of a frame, `arrays` being the frame at the store's size. Raises ValueError where there
        cannot be any."""
        ...

    def check(self) -> None:
        """Raises ValueError where labels made since the last check do not fit their frames; called before a
        part is written."""
        ...

    def summary(self) -> str:
        """What was labelled, in a line."""
        ...
