"""A store's description of itself: modalities, labels, spaces, runs of frames.

Pydantic dataclasses, so that values read from disk are validated like arguments.
"""

from typing import Literal

import numpy as np
from pydantic import ConfigDict, model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from scenes.config import Config

Role = Literal["pretrain", "transfer", "eval"]
ROLES: tuple[Role, ...] = ("pretrain", "transfer", "eval")
Kind = Literal["sensory", "label", "camera", "token"]
ExternalAccess = Literal["none", "pseudolabels", "internet"]

FORMAT = 1
_STRICT = ConfigDict(extra="forbid")


class LabelRow(TypedDict):
    """A row of a store's label table: the class behind an index in `semantic`."""

    id: int
    name: str
    group: str


@dataclass(frozen=True, config=_STRICT)
class ModalitySpec:
    """One array per part. `kind` "label" marks what pre-training must never see."""

    name: str
    dtype: str  # numpy's name of it
    shape: tuple[int, ...]  # of one frame
    unit: str
    kind: Kind

    @model_validator(mode="after")
    def _is_sound(self) -> "ModalitySpec":
        np.dtype(self.dtype)
        if not self.name.isidentifier():
            raise ValueError(f"modality name {self.name!r}: use letters, digits and underscores")
        if any(n < 1 for n in self.shape):
            raise ValueError(f"modality {self.name!r}: every length in shape {self.shape} must be at least 1")
        return self


@dataclass(frozen=True, config=_STRICT)
class Space:
    """Where frames come from, and what outside knowledge went into them."""

    id: str
    family: str
    house_digest: str  # sha256 of the house, hex
    seed: int | None  # of the house; None for a house that is not ours
    sampler: str
    simulator: str
    provenance: str  # who made the space, in a line
    external_access: ExternalAccess = "none"
    layout_digest: str = ""  # sha256 of rooms and furniture alone, the same on all days of a house

    @property
    def digests(self) -> frozenset[str]:
        """What this house is known by on this day and on any other."""
        return frozenset({self.house_digest, self.layout_digest} - {""})


@dataclass(frozen=True, config=_STRICT)
class FrameRange:
    """Consecutive frames of one space in one part."""

    space: str
    role: Role
    part: str
    start: int
    count: int


class StoreFacts(Config):
    """What a store promises of all its parts."""

    format: int = FORMAT
    modalities: tuple[ModalitySpec, ...]
    labels: tuple[LabelRow, ...]
    frames_per_part: int
    chunk_frames: int
