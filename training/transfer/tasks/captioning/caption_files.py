"""Captions that somebody else wrote, in place of the grammar's: a JSON file for each view of a store.

    {"frames_digest": "9c1f...", "source": "GPT-4o of May 2026, prompt A", "external_access": "internet",
     "captions": {"0": ["a bed beside a window", ...], "1": [...]}}

`captions` has those of every frame of the view by its index. They are of whole frames."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from scenes.config import Config
from training.transfer.task import Arrays, LabelReader

TEXTS = "texts"
"""Of the labels: the captions of each frame, tuples of str."""


class CaptionFile(Config):
    """What a file of captions says."""

    frames_digest: str
    """`Frames.digest` of the view that the captions are of."""
    source: str = Field(min_length=1)
    """Who wrote them, and how."""
    external_access: Literal["none", "pseudolabels", "internet"]
    """The knowledge from outside that is in them, in a store's words."""
    captions: dict[int, tuple[str, ...]]
    """By index of the frame."""


def read_caption_file(path: Path, least: int) -> CaptionFile:
    """Raises ValueError, naming the file and the field, for what is no file of captions with `least` of each
    frame."""
    try:
        read = CaptionFile.model_validate_json(path.read_text())
    except FileNotFoundError:
        raise ValueError(f"captioning.files: {path} is not there") from None
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the file"
        raise ValueError(f"{path} is no file of captions: {place}: {fault['msg']}") from None
    for frame, texts in read.captions.items():
        if len(texts) < least or not all(text.strip() for text in texts):
            raise ValueError(
                f"{path}: frame {frame} has {len(texts)} captions, and {least} that are not empty are wanted "
                "(captioning.captions)"
            )
    return read


class FileReader(LabelReader):
    """Captions out of `files`, of which one is of each view: the first `count` of each frame."""

    reads = ()

    def __init__(self, files: Sequence[Path], count: int):
        self._files, self._count = files, count
        self._captions: dict[int, tuple[str, ...]] | None = None

    def for_view(self, frames_digest: str) -> "FileReader":
        """Raises ValueError where no file is of the view."""
        for path in self._files:
            read = read_caption_file(path, self._count)
            if read.frames_digest == frames_digest:
                bound = FileReader(self._files, self._count)
                bound._captions = read.captions
                return bound
        raise ValueError(
            f"captioning.files has no captions of these frames, whose frames_digest is {frames_digest}: "
            f"{', '.join(map(str, self._files))}"
        )

    def __call__(self, arrays: Arrays) -> Arrays:
        assert self._captions is not None, "a reader is for one view"
        texts = np.empty(len(arrays["id"]), dtype=object)
        for i, frame in enumerate(arrays["id"].tolist()):
            if frame not in self._captions:
                raise ValueError(f"captioning.files: frame {frame} of the view has no captions")
            texts[i] = self._captions[frame][: self._count]
        return {TEXTS: texts}
