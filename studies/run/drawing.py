"""Drawings of stages for the page of a study, as data: curves, table lines, pictures.

A stage class yields these from a row's record of the stage (`Stage.drawings`); `studies.report` lays them
out by section and title and knows no kind of stage.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class StageRecord:
    """A finished stage as a row records it."""

    label: str
    metrics: dict[str, Any]
    folder: Path
    """Folder of the stage; it may be missing where only rows were kept."""
    evaluation_sets: frozenset[str]
    """Names of the sets of houses that the study evaluates in."""


@dataclass(frozen=True)
class Curve:
    """A loss curve; all curves of one title and panel share one pair of axes."""

    section: str
    title: str
    points: Sequence[tuple[int, float]]
    """(step, loss)."""
    panel: str = ""
    """Panel among those of an arm, such as the protocol; empty: the arm has one panel."""


@dataclass(frozen=True)
class TableLine:
    """One line of the table `title`."""

    section: str
    title: str
    columns: tuple[str, ...]
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Picture:
    """A picture of an example; of pictures of the same `example` in a section only the first is drawn."""

    section: str
    example: str
    """What it is an example of, such as the role of the frames."""
    draw: Callable[[], Image.Image]
    title: str = ""
    width: int | None = None
    """Width on the page [pixels]; none: its own, and it is stored as JPEG."""


Drawing = Curve | TableLine | Picture
