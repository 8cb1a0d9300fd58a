"""Frame sizes as users write them: `224` for a square; `240x320` or `[240, 320]` for height and width."""

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator
from tyro.constructors import PrimitiveConstructorSpec

LEAST = 16  # pixels


def frame_size(value: Any) -> int | tuple[int, int]:
    """The size as it is kept: a square's side, or (height, width) [pixels]. Raises ValueError."""
    parts: list[Any] = [value]
    if isinstance(value, str):
        parts = re.split(r"\s*[x×]\s*", value.strip())
    elif isinstance(value, Sequence):
        parts = list(value)
    try:
        numbers = [int(part) for part in parts]
    except (TypeError, ValueError):
        numbers = []
    whole = not any(isinstance(part, float) and part % 1 for part in parts)
    if not whole or len(numbers) not in (1, 2) or min(numbers) < LEAST:
        raise ValueError(
            f"a size is {LEAST} pixels or more: one number for a square, or height and width as 240x320; "
            f"got {value!r}"
        )
    return numbers[0] if numbers[0] == numbers[-1] else (numbers[0], numbers[1])


def height_width(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width [pixels] of a size."""
    return (size, size) if isinstance(size, int) else size


def size_words(size: int | tuple[int, int]) -> str:
    """A size as one writes it."""
    return "x".join(map(str, size)) if isinstance(size, tuple) else str(size)


FrameSize = Annotated[
    int | tuple[int, int],
    BeforeValidator(frame_size),
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="PIXELS|HEIGHTxWIDTH",
        instance_from_str=lambda args: frame_size(args[0]),
        is_instance=lambda instance: isinstance(instance, (int, tuple)),
        str_from_instance=lambda instance: [size_words(instance)],
    ),
]
"""A field's type: `int` for a square, else (height, width) [pixels]."""
