"""What is true of a frame, out of its labels: its objects, how many of each kind, and how they stand to each
other."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int64, UInt8, UInt16

from training.transfer.objects.instances import STUFF, instances_of, object_classes
from training.transfer.task import LabelTable
from training.transfer.tasks.captioning.nouns import noun

RELATIONS = ("left of", "right of", "behind", "on", "under")
BEHIND = 0.5
"""How much farther away [m] a thing is, in the median of its pixels, that is behind another."""
TOUCHING = 300
"""Largest difference of depth [mm] between neighbouring pixels of things that touch."""


@dataclass(frozen=True)
class Thing:
    """An object of a frame."""

    noun: str
    box: Float32[np.ndarray, "4"]
    area: int
    """Visible pixels."""
    distance: float
    """Median depth of its pixels [m]."""
    index: int
    """Its row and column in `Contacts`."""


@dataclass(frozen=True)
class Contacts:
    """Pairs of neighbouring pixels, one above the other, of n things."""

    above: Int64[np.ndarray, "n n"]
    """Pairs of which the upper pixel is of the first thing, the lower of the second, at about one depth."""
    lower_edge: Int64[np.ndarray, " n"]
    """Pairs of which the upper pixel is of the thing and the lower of anything else."""
    upper_edge: Int64[np.ndarray, " n"]
    """Pairs of which the lower pixel is of the thing and the upper of anything else."""


@dataclass(frozen=True)
class Scene:
    """What a caption may say of a frame."""

    things: tuple[Thing, ...]
    """From the largest to the smallest."""
    room: bool
    """Whether a wall, a floor or a ceiling is seen."""
    contacts: Contacts

    @cached_property
    def counts(self) -> Counter[str]:
        """How many things there are of each noun, those first that cover most."""
        areas: Counter[str] = Counter()
        for thing in self.things:
            areas[thing.noun] += thing.area
        numbers = Counter(thing.noun for thing in self.things)
        return Counter({name: numbers[name] for name, _ in areas.most_common()})

    def holds(self, a: Thing, relation: str, b: Thing) -> bool:
        """Whether `a` stands so to `b`, as the viewer sees it.

        left of, right of: no column of the frame has both. behind: some column of the boxes has both, and `a`
        is farther away by BEHIND. on: at least half of the pixels just beneath those of `a` are of `b`, at
        about the same depth. under: likewise, the pixels just above."""
        if relation == "left of":
            return bool(a.box[2] <= b.box[0])
        if relation == "right of":
            return bool(a.box[0] >= b.box[2])
        if relation == "behind":
            overlap = a.box[0] < b.box[2] and b.box[0] < a.box[2]
            return bool(overlap and a.distance >= b.distance + BEHIND)
        if relation == "on":
            touching, edge = self.contacts.above[a.index, b.index], self.contacts.lower_edge[a.index]
        else:
            touching, edge = self.contacts.above[b.index, a.index], self.contacts.upper_edge[a.index]
        return bool(0 < edge <= 2 * touching)


class SceneReader:
    """Scenes of frames with one label table. An object counts that has at least `least_share` of all
    pixels."""

    def __init__(self, label_table: LabelTable, least_share: float):
        self.names, self._table = object_classes(label_table, fine=True)
        self._nouns = [noun(name) for name in self.names]
        self._stuff = np.zeros(256, dtype=bool)
        self._stuff[[r["id"] for r in label_table if r["group"] in STUFF and r["group"] != "void"]] = True
        self._least_share = least_share

    def __call__(
        self,
        semantic: UInt8[np.ndarray, "h w"],
        instance: UInt16[np.ndarray, "h w"],
        depth: UInt16[np.ndarray, "h w"],
    ) -> Scene:
        """The scene of a frame; `depth` in mm."""
        least = max(1, round(self._least_share * semantic.size))
        found = instances_of(semantic, instance, self._table, least)
        place = np.full(int(instance.max()) + 1, -1)
        place[found.ids] = np.arange(len(found))
        index = place[instance]
        things = [
            Thing(
                self._nouns[found.classes[n]],
                found.boxes[n],
                int(found.areas[n]),
                float(np.median(depth[index == n])) / 1000.0,
                n,
            )
            for n in range(len(found))
        ]
        things.sort(key=lambda thing: -thing.area)
        return Scene(tuple(things), bool(self._stuff[semantic].any()), _contacts(index, depth, len(found)))


def _contacts(index: Int64[np.ndarray, "h w"], depth: UInt16[np.ndarray, "h w"], count: int) -> Contacts:
    """`index`: number of the thing that each pixel is of, -1 for what is none."""
    upper, lower = index[:-1], index[1:]
    apart = upper != lower
    upper, lower = upper[apart] + 1, lower[apart] + 1
    drop = np.abs(depth[:-1].astype(np.int64) - depth[1:])[apart]
    side = count + 1
    near = drop <= TOUCHING
    pairs = np.bincount(upper[near] * side + lower[near], minlength=side * side).reshape(side, side)
    edges = (np.bincount(rows, minlength=side)[1:] for rows in (upper, lower))
    return Contacts(pairs[1:, 1:], *edges)
