"""Assigns frames to parts before anything is rendered, as a pure function of the request.

Frames of the houses, in the given order, are packed into consecutive parts. What a store already has is then
removed from each part, so that collecting again, after a crash or with more houses or frames, adds only what
is missing, and a part made after a crash equals the one that the crash prevented.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from engine.store.manifest import Manifest

_MANY_PARTS = 16  # so that several actors find work in a small collection too
_LEAST = 128  # frames; below this a part's files weigh more than its frames


@dataclass(frozen=True)
class HouseRef:
    """A house to collect, before it is loaded where it is needed."""

    path: str  # a reference that House.load takes anywhere on this machine
    digest: str
    space_id: str


@dataclass(frozen=True)
class Segment:
    """Frames `first` to `first + count` of all that a collection takes of a house."""

    house: HouseRef
    first: int
    count: int


@dataclass(frozen=True)
class PartTask:
    """One part to be made by one actor."""

    name: str
    segments: tuple[Segment, ...]

    @property
    def frames(self) -> int:
        """Frames in the part."""
        return sum(s.count for s in self.segments)

    def of(self, segments: tuple[Segment, ...], config_hash: str) -> "PartTask":
        """The part that holds only some of these segments."""
        role, _, index = self.name.split("-")
        return PartTask(_part_name(role, config_hash, segments, int(index)), segments)


def part_length(total: int, limit: int, chunk_frames: int) -> int:
    """Frames per part where none are asked for: `limit`, fewer where that would make few parts.

    A function of the request alone: the number of actors must not change what is written.
    """
    share = -(-total // _MANY_PARTS)
    return min(limit, max(_LEAST, -(-share // chunk_frames) * chunk_frames))


def check_distinct(houses: Sequence[HouseRef]) -> None:
    """Raises ValueError, naming both, where a house is given twice, or two houses share an id."""
    by_id: dict[str, HouseRef] = {}
    by_digest: dict[str, HouseRef] = {}
    for house in houses:
        one, same = by_id.setdefault(house.space_id, house), by_digest.setdefault(house.digest, house)
        other = one if one is not house else same
        if other is not house:
            what = "the same house" if other.digest == house.digest else f"both called {house.space_id!r}"
            raise ValueError(f"{other.path} and {house.path} are {what}: leave one out")


def plan_parts(
    role: str,
    houses: Sequence[HouseRef],
    frames: int,
    length: int,
    config_hash: str,
    present: Iterable[Manifest],
) -> list[PartTask]:
    """Parts that are missing: `frames` of every house in parts of at most `length`, less what is `present`.

    Names are `{role}-{hash of the content}-{index}`.
    """
    covered: dict[str, list[tuple[int, int]]] = {}
    for manifest in present:
        if manifest.of is None and manifest.config_hash == config_hash:
            for seed in manifest.seeds:
                covered.setdefault(seed["house"], []).append((seed["first"], seed["count"]))
    tasks = []
    for index, segments in enumerate(_pack(houses, frames, length)):
        missing = tuple(m for s in segments for m in _without(s, covered.get(s.house.digest, [])))
        if missing:
            tasks.append(PartTask(_part_name(role, config_hash, missing, index), missing))
    return tasks


def _part_name(role: str, config_hash: str, segments: tuple[Segment, ...], index: int) -> str:
    content = [(s.house.digest, s.first, s.count) for s in segments]
    digest = hashlib.sha256(json.dumps([config_hash, content]).encode()).hexdigest()
    return f"{role}-{digest[:12]}-{index:05d}"


def hash_of(settings: dict[str, object]) -> str:
    """sha256 of settings, hex: what decides a frame's bytes, besides the house and the frame's number."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _pack(houses: Sequence[HouseRef], frames: int, length: int) -> list[list[Segment]]:
    parts: list[list[Segment]] = []
    room = 0
    for house in houses:
        first = 0
        while first < frames:
            if room == 0:
                parts.append([])
                room = length
            count = min(room, frames - first)
            parts[-1].append(Segment(house, first, count))
            first, room = first + count, room - count
    return parts


def _without(segment: Segment, covered: list[tuple[int, int]]) -> list[Segment]:
    """What remains of a segment when ranges (first, count) are taken out."""
    left: list[Segment] = []
    at, end = segment.first, segment.first + segment.count
    for first, count in sorted(covered):
        if first + count <= at or first >= end:
            continue
        if first > at:
            left.append(Segment(segment.house, at, first - at))
        at = first + count
    if at < end:
        left.append(Segment(segment.house, at, end - at))
    return left
