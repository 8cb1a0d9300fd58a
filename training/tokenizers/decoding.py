"""How far what a tokenizer decodes is from what was stored, by what kind of array it is."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Shaped

from engine.store.schema import OutputKind
from training.models.modality_transforms import IMAGE_OUTPUTS, modality_transform

Arrays = Shaped[np.ndarray, "b ..."]
"""Arrays of b frames as stored."""


def decoding_error(
    modality: str, output: OutputKind | None, decoded: Arrays, truth: Arrays
) -> tuple[float, str]:
    """Mean error and its unit; lower is better. `output`: of the network that made the modality, None for
    what is sensed. Raises ValueError for a modality that nothing is known of."""
    if output is None or output in IMAGE_OUTPUTS:
        kind = modality_transform(modality, output)
        return kind.error(decoded, truth), kind.error_unit
    error, unit = _OF_OUTPUTS[output]
    return error(decoded, truth), unit


def _angles(decoded: Arrays, truth: Arrays) -> float:
    """Of directions, the last axis; places without one are left out."""
    a, b = (v.astype(np.float64).reshape(-1, v.shape[-1]) for v in (decoded, truth))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    some = lengths > 0
    return float(1.0 - ((a * b).sum(1)[some] / lengths[some]).mean()) if some.any() else float("nan")


def _classes(decoded: Arrays, truth: Arrays) -> float:
    return float((decoded != truth).mean())


def _boxes(decoded: Arrays, truth: Arrays) -> float:
    """Of the sides of boxes that are there."""
    there = truth[..., 4] > 0
    return float(np.abs(decoded - truth)[there, :4].mean()) if there.any() else 0.0


_OF_OUTPUTS: dict[OutputKind, tuple[Callable[[Arrays, Arrays], float], str]] = {
    "features": (_angles, "1 - cosine"),
    "vector": (_angles, "1 - cosine"),
    "labels": (_classes, "share of pixels"),
    "boxes": (_boxes, "of the image's side"),
    "text": (_classes, "share of tokens"),
}
