"""A phone's walk through a house, in the place of bodies that sense it: how a home is learned in practice."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from agents.phone.recording import PhoneConfig
from engine.importers.writers.registry import known_writer
from engine.store.apart import Apart

MEASURED = ("rgb", "depth")
"""What a phone measures; it has no labels, and normals and edges are nobody's measurement."""


class Phone(PhoneConfig):
    """How the walk is recorded, written and divided."""

    format: Annotated[str, AfterValidator(known_writer)] = "stray-scanner"
    """The app or tool whose files the walk is written to, and imported from."""
    held_out: float = Field(default=0.1, gt=0, lt=1)
    """Share of the frames, at some places, that is for evaluation."""
    apart: Apart = Apart()
    """What no learned frame may be near."""


def check_phone(phone: Phone | None, count: int, others: Iterable[object]) -> None:
    """`others`: what else says how a set of houses is sampled. Raises ValueError where both do, and for a
    walk through more than one house."""
    if phone is None:
        return
    if any(other is not None for other in others):
        raise ValueError(
            "a phone walks as it likes: leave area_m2 and sampler out of a set of houses with one"
        )
    if count != 1:
        raise ValueError(f"a phone walks through one house, and count is {count}: set count to 1")


def check_phones(
    phones: Iterable[str], labelled: Iterable[str], learned: Mapping[str, tuple[str, ...]]
) -> None:
    """`phones`: sets of houses with a phone; `labelled`: those whose labels or images are used in transfer;
    `learned`: the modalities that each set is learned from in.

    Raises ValueError where frames of a phone would need labels, or what a phone does not measure.
    """
    walked = set(phones)
    if named := walked & set(labelled):
        raise ValueError(
            f"houses.{min(named)} are captured by a phone, whose frames have no labels to learn from: name "
            "another set in labels, mix_in and validation"
        )
    for name in sorted(walked & learned.keys()):
        if more := [m for m in learned[name] if m not in MEASURED]:
            raise ValueError(
                f"houses.{name} are captured by a phone, which measures {' and '.join(MEASURED)}, and "
                f"{', '.join(more)} is asked for: leave it out of modalities, or say under `networks` what "
                "makes it"
            )
