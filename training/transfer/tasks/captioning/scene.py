"""What is true of a frame, out of its labels: its objects, how many of each kind, and how they stand to each
other."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, UInt8, UInt16

from training.transfer.instances import STUFF, instances_of, object_classes
from training.transfer.task import LabelTable
from training.transfer.tasks.captioning.nouns import noun

RELATIONS = ("left of", "right of", "behind", "on", "under")
BEHIND = 0.5
"""How much farther away [m] a thing is, in the median of its pixels, that is behind another."""
TOUCHING = 0.3
"""Largest difference of depth [m] between neighbouring pixels of things that touch."""


@dataclass(frozen=True)
class Thing:
    """An object of a frame."""

    noun: str
    box: Float32[np.ndarray, "4"]
    mask: Bool[np.ndarray, "h w"]
    """Its visible pixels."""
    distance: float
    """Median depth of its pixels [m]."""

    @property
    def area(self) -> int:
        """Visible pixels."""
        return int(self.mask.sum())


@dataclass(frozen=True)
class Scene:
    """What a caption may say of a frame."""

    things: tuple[Thing, ...]
    """From the largest to the smallest."""
    room: bool
    """Whether a wall, a floor or a ceiling is seen."""
    depth: UInt16[np.ndarray, "h w"]
    """[mm]"""

    @property
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
        return self._touches(a, b, down=relation == "on")

    def _touches(self, a: Thing, b: Thing, down: bool) -> bool:
        step = 1 if down else -1
        next_to = np.roll(a.mask, step, axis=0)
        next_to[0 if down else -1] = False
        next_to &= ~a.mask
        if not next_to.any():
            return False
        metres = self.depth / 1000.0
        near = np.abs(metres - np.roll(metres, step, axis=0)) <= TOUCHING
        return bool((next_to & b.mask & near).sum() * 2 >= next_to.sum())


def scene_of(
    semantic: UInt8[np.ndarray, "h w"],
    instance: UInt16[np.ndarray, "h w"],
    depth: UInt16[np.ndarray, "h w"],
    label_table: LabelTable,
    least_share: float = 0.003,
) -> Scene:
    """The scene of a frame; `depth` in mm. An object counts that has at least `least_share` of all pixels."""
    names, table = object_classes(label_table, fine=True)
    found = instances_of(semantic, instance, table, max(1, round(least_share * semantic.size)))
    things = []
    for n, mask in enumerate(found.masks(instance)):
        distance = float(np.median(depth[mask])) / 1000.0
        things.append(Thing(noun(names[found.classes[n]]), found.boxes[n], mask, distance))
    things.sort(key=lambda thing: -thing.area)
    stuff = [row["id"] for row in label_table if row["group"] in STUFF and row["group"] != "void"]
    return Scene(tuple(things), bool(np.isin(semantic, stuff).any()), depth)
