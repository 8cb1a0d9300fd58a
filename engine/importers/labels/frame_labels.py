"""Labels of imported frames, wherever they come from: one class a source, chosen by what `--labels` names.

Labels are those of `agents/modalities.py`, in the label table of every store. Frames for pre-training have
none: `import_capture` refuses to look for them, and a store refuses to hold them.
"""

from typing import Protocol

import numpy as np
from jaxtyping import Shaped

from engine.importers.capture import CapturedFrame

Labels = dict[str, Shaped[np.ndarray, "h w"]]
"""`semantic`, uint8, and `instance`, uint16, of a frame; 0 = not labelled."""


class FrameLabels(Protocol):
    """Where labels of a capture's frames come from."""

    digest: str  # of the files and options that decide the labels, hex
    place_digest: str  # of a description of the space that several captures share, hex; empty: none
    note: str  # for the space's provenance

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
