"""A training loop that is killed at a step."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


class _Killed(Exception):
    pass


@contextmanager
def killed_at(step: int, loop: ModuleType) -> Iterator[None]:
    """Within, the loop of a module raises before it takes step `step`; fails where it never comes there."""
    rate = loop.warmup_cosine

    def die(now: int, *rest: Any) -> float:
        if now == step:
            raise _Killed
        return rate(now, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "warmup_cosine", die)
        with pytest.raises(_Killed):
            yield


def have_the_same_weights(*folders: Path) -> bool:
    """Whether the models of all folders are equal to the bit."""
    return len({(folder / "model.safetensors").read_bytes() for folder in folders}) == 1
