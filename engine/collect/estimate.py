"""Estimated cost of a collection: frames, files, bytes and hours, from rates measured here before it starts.

`tst collect ... --dry-run` prints it. A few of the houses are loaded, and some frames of each are rendered
and written to a temporary store.
"""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from engine.collect.part_maker import PartMaker, Recipe
from engine.collect.plan import HouseRef, PartTask, Segment
from engine.store.store import Store

_FEW, _MANY = 4, 36  # frames of the parts that are measured


@dataclass(frozen=True)
class Rates:
    """What one process took on this machine."""

    house_s: float  # to load a house
    frame_s: float  # to render and to write a frame
    frame_bytes: float  # on disk
    part_files: int


@dataclass(frozen=True)
class Estimate:
    """What would be written, and how long that would take."""

    frames: int
    present: int  # frames that are in the store already
    parts: int
    files: int
    bytes: int
    core_s: float  # of all actors together
    wall_s: float
    rates: Rates

    def dollars(self, per_core_hour: float) -> float:
        """What the cores cost at a price [dollars per core and hour]."""
        return self.core_s / 3600 * per_core_hour


def measure(recipe: Recipe, houses: Sequence[HouseRef], store: Store, sample: int = 3) -> Rates:
    """Rates of `sample` houses, in this process. `store`: an empty one that can be thrown away.

    Raises ValueError for a house that fails.
    """
    chosen = random.Random(0).sample(list(houses), min(sample, len(houses)))
    maker = PartMaker(recipe)
    _timed(maker, _part(chosen[0], 0, 1))  # compiles kernels, once on a machine
    maker = PartMaker(recipe)
    load: list[float] = []
    each: list[float] = []
    for house in chosen:
        # Of a house that is loaded already, many frames less few: what a frame takes.
        first = _timed(maker, _part(house, 1, _FEW))
        few = _timed(maker, _part(house, 1 + _FEW, _FEW))
        many = _timed(maker, _part(house, 1 + 2 * _FEW, _MANY))
        each.append(max(0.0, many - few) / (_MANY - _FEW))
        load.append(max(0.0, first - _FEW * each[-1]))
    store.refresh()
    parts = [p for p in store.parts if p.frames == _MANY]
    return Rates(
        sum(load) / len(load),
        sum(each) / len(each),
        sum(p.bytes for p in parts) / sum(p.frames for p in parts),
        len(parts[0].files) + 1,
    )


def estimated(tasks: Sequence[PartTask], present: int, actors: int, rates: Rates) -> Estimate:
    """What these parts would take on `actors` processes that have a core each."""
    frames = sum(t.frames for t in tasks)
    core_s = frames * rates.frame_s + sum(len(t.segments) for t in tasks) * rates.house_s
    return Estimate(
        frames=frames,
        present=present,
        parts=len(tasks),
        files=len(tasks) * rates.part_files,
        bytes=round(frames * rates.frame_bytes),
        core_s=core_s,
        wall_s=core_s / max(1, min(actors, len(tasks))),
        rates=rates,
    )


def _part(house: HouseRef, first: int, count: int) -> PartTask:
    return PartTask(f"measure-{house.digest[:12]}-{first:05d}", (Segment(house, first, count),))


def _timed(maker: PartMaker, task: PartTask) -> float:
    start = time.perf_counter()
    result = maker.make(task)
    if result.error:
        raise ValueError(f"{task.segments[0].house.path} cannot be collected:\n{result.error}")
    return time.perf_counter() - start
