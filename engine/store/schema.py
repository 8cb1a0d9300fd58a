"""A store's description of itself: modalities, labels, spaces, runs of frames.

Pydantic dataclasses, so that values read from disk are validated like arguments.
"""

from typing import Any, Literal

import numpy as np
from pydantic import ConfigDict, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.dataclasses import dataclass
from typing_extensions import TypedDict  # pydantic needs this one below Python 3.12

from scenes.config import Config

Role = Literal["pretrain", "transfer", "eval"]
ROLES: tuple[Role, ...] = ("pretrain", "transfer", "eval")
Kind = Literal["sensory", "label", "camera", "token", "pseudolabel"]
"""Of an array: what was sensed; the truth, which pre-training must never see; the camera's own; tokens of
another array; what a network made of rgb (`ArrayOrigin`), which pre-training may see."""
ExternalAccess = Literal["none", "pseudolabels", "internet"]
OutputKind = Literal["features", "labels", "edges", "depth", "boxes", "vector", "text"]
"""What a network's output is: a map of features [grid, grid, channels]; of class indices [size, size], 0
where there is none; of edges, uint8 [size, size], 0 to 255; of z-depth as a sensor gives it, uint16
[size, size] in millimetres, 0 where there is none; boxes [most, 6]; one vector of the whole image
[channels]; text about it, tokens uint16 [most], 0 behind the last."""
OF_WHOLE_IMAGES: tuple[OutputKind, ...] = ("vector", "text")
"""Those that have no places in the image."""

FORMAT = 1
_STRICT = ConfigDict(extra="forbid")


class LabelRow(TypedDict):
    """A row of a store's label table: the class behind an index in `semantic`."""

    id: int
    name: str
    group: str


@dataclass(frozen=True, config=_STRICT)
class ArrayOrigin:
    """Which network made an array of rgb, and where its knowledge is from."""

    network: str  # its name in the table of networks
    output: OutputKind
    external_access: ExternalAccess
    source: str  # of the weights, in a line
    licence: str  # of the weights; empty of untrained ones
    digest: str  # sha256 of the weights and of every setting that the output depends on, hex
    labelled_houses: tuple[str, ...] = ()  # digests of our houses whose labels it learned from
    classes: tuple[str, ...] = ()  # of label maps, boxes, text: class (token) i + 1 is the i-th


@dataclass(frozen=True, config=_STRICT)
class ModalitySpec:
    """One array per part. `kind` "label" marks what pre-training must never see."""

    name: str
    dtype: str  # numpy's name of it
    shape: tuple[int, ...]  # of one frame
    unit: str
    kind: Kind
    origin: ArrayOrigin | None = None  # None: not made by a network, nor of what one made

    @model_serializer(mode="wrap")
    def _without_absent_origin(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """A manifest's seal is that of its JSON: without an origin the key must not be there."""
        written = write(self)
        return written if self.origin else {k: v for k, v in written.items() if k != "origin"}

    @model_validator(mode="after")
    def _is_sound(self) -> "ModalitySpec":
        np.dtype(self.dtype)
        if not self.name.isidentifier():
            raise ValueError(f"modality name {self.name!r}: use letters, digits and underscores")
        if any(n < 1 for n in self.shape):
            raise ValueError(f"modality {self.name!r}: every length in shape {self.shape} must be at least 1")
        if (self.kind == "pseudolabel") != (self.origin is not None) and self.kind != "token":
            raise ValueError(
                f"modality {self.name!r} is of kind {self.kind!r}: an origin belongs to pseudolabels"
            )
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
