"""What the viewer answers with, and what it is asked for."""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import numpy as np
from jaxtyping import Float32
from PIL import Image


class NotThereError(ValueError):
    """What was asked for is not among what was opened."""


class BadQueryError(ValueError):
    """A field of the query is missing, or not what it should be."""


@dataclass(frozen=True)
class Answer:
    """The body of an answer, its media type, and the headers that it adds."""

    body: bytes
    kind: str
    headers: tuple[tuple[str, str], ...] = ()


# Pictures of frames and houses change with their files alone; a reload of the page asks again.
_KEPT = (("Cache-Control", "private, max-age=600"),)


def json_answer(value: Any) -> Answer:
    """A JSON value. Numbers that are none (NaN) raise ValueError."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Answer(text.encode(), "application/json")


def floats_answer(values: Float32[np.ndarray, "..."]) -> Answer:
    """Numbers as little-endian float32."""
    return Answer(values.astype("<f4").tobytes(), "application/octet-stream")


def picture_answer(image: Image.Image, sharp: bool) -> Answer:
    """A picture, as PNG where edges must stay `sharp`, else as JPEG."""
    buffer = io.BytesIO()
    if sharp:
        image.save(buffer, format="PNG", compress_level=1)
    else:
        image.convert("RGB").save(buffer, format="JPEG", quality=85)
    return Answer(buffer.getvalue(), "image/png" if sharp else "image/jpeg", _KEPT)


class Query:
    """The fields behind the question mark of a request."""

    def __init__(self, text: str):
        """Raises BadQueryError for text that is no query."""
        try:
            fields: Mapping[str, list[str]] = parse_qs(text, keep_blank_values=True, max_num_fields=32)
        except ValueError as error:
            raise BadQueryError(f"the query cannot be read: {error}") from None
        self._fields = {name: values[-1] for name, values in fields.items()}

    def text(self, name: str) -> str:
        """A field, empty where it is not given."""
        return self._fields.get(name, "")

    def number(self, name: str, least: int, most: int, default: int | None = None) -> int:
        """A whole number between two bounds. Raises BadQueryError."""
        text = self.text(name)
        if text == "" and default is not None:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
            raise BadQueryError(f"{name} must be a whole number from {least} to {most}")
        return int(text)
