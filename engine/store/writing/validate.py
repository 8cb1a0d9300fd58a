"""Validation of a part's arrays before any byte is written."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Shaped

from engine.store.schema import FrameRange, ModalitySpec, Role, Space


def check_name(name: str) -> None:
    """Raises ValueError for a part name that is not letters, digits, '-' and '_'."""
    if not name or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name):
        raise ValueError(f"part name {name!r}: use letters, digits, '-' and '_'")


def check_arrays(arrays: Mapping[str, Shaped[np.ndarray, "_ ..."]], specs: Sequence[ModalitySpec]) -> int:
    """Number of frames of arrays that fit their specs. Raises ValueError."""
    if set(arrays) != {s.name for s in specs} or not arrays:
        raise ValueError(f"arrays {sorted(arrays)} do not match modalities {sorted(s.name for s in specs)}")
    counts = {name: len(values) for name, values in arrays.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise ValueError(f"every modality needs the same number of frames, at least one: {counts}")
    for spec in specs:
        values = arrays[spec.name]
        if values.dtype != np.dtype(spec.dtype) or values.shape[1:] != spec.shape:
            raise ValueError(
                f"modality {spec.name!r} is {spec.dtype} {list(spec.shape)} a frame, not {values.dtype} "
                f"{list(values.shape[1:])}"
            )
    return next(iter(counts.values()))


def check_runs(name: str, runs: Sequence[FrameRange], spaces: Sequence[Space], frames: int) -> Role:
    """The one role of runs that cover a part. Raises ValueError."""
    roles = {run.role for run in runs}
    if len(roles) != 1:
        raise ValueError(f"part {name!r} needs runs of exactly one role, not {sorted(roles)}")
    at = 0
    for run in runs:
        if run.part != name or run.start != at or run.count < 1:
            raise ValueError(f"part {name!r}: run {run} does not follow on frame {at}")
        at += run.count
    if at != frames:
        raise ValueError(f"part {name!r}: runs cover {at} frames of {frames}")
    if {run.space for run in runs} != {space.id for space in spaces}:
        raise ValueError(f"part {name!r}: the spaces given are not those of its runs")
    return runs[0].role
