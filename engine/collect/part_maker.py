"""Makes a part: loads its houses, samples poses, renders, writes. Used in-process and by every actor."""

import errno
import time
import traceback
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from agents.cameras import Cameras
from agents.modalities import MODALITIES
from agents.noise.noise import NoiseConfig, add_noise
from agents.samplers.coverage import Coverage, CoverageMeter
from agents.samplers.registry import SAMPLERS, SamplerOptions, sample_views
from agents.samplers.sampling import Views
from agents.simulator import Quality, drawn_by, make_simulator
from engine.collect.plan import HouseRef, PartTask, Segment
from engine.store.errors import PartExistsError, UnreachableError
from engine.store.store import FrameRange, Role, Space, Store
from scenes.formats.space_format import DEFAULT_OPTIONS, SpaceOptions
from scenes.formats.spaces import facts, load_space
from scenes.meshes.geometry import SceneGeometry
from scenes.seeding import rng

POSE_BLOCK = 2048
"""Poses of a house are drawn in blocks of this many, each from its own generator: frame i of a house is a
function of (seed, role, house, i) whatever part it lands in, and late frames cost no more than early ones."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
_DENIED = (errno.EROFS, errno.EACCES, errno.EPERM)
_COMPILED = 4  # houses kept compiled: a part's last house is often the next part's first
_PIXELS = 1 << 22  # rendered at a time; bounds the renderer's memory


@dataclass(frozen=True)
class Recipe:
    """What all parts of a collection have in common."""

    store: str
    role: Role
    size: tuple[int, int]  # height and width, pixels
    fov_deg: float
    simulator: str
    quality: Quality
    sampler: str
    sampling: SamplerOptions
    noise: NoiseConfig
    seed: int
    device: str
    modalities: tuple[str, ...]
    config_hash: str
    spaces: SpaceOptions = DEFAULT_OPTIONS  # how they are read

    def maker(self) -> "PartMaker":
        """What makes the parts, in the process that is to make them."""
        return PartMaker(self)


@dataclass(frozen=True)
class PartResult:
    """How making a part went."""

    name: str
    frames: int
    seconds: float
    error: str = ""  # traceback; empty when the part is in the store
    house: str = ""  # reference to the house that failed, where that is known
    fatal: bool = False  # nothing else would succeed either, say because the disk is full
    bytes: int = 0  # on disk
    coverage: tuple[tuple[str, Coverage], ...] = ()  # of each space that it has frames of


class PartMaker:
    """A simulator, a few compiled houses, and a store to write to. One per process."""

    def __init__(self, recipe: Recipe):
        self.recipe = recipe
        self._store = Store.open(recipe.store)
        self._simulator = make_simulator(recipe.simulator, recipe.device, recipe.quality)
        self._drawn_by = drawn_by(recipe.simulator)
        self._houses: OrderedDict[str, tuple[Space, SceneGeometry]] = OrderedDict()

    def make(self, task: PartTask) -> PartResult:
        """Renders and writes a part. Errors are returned, not raised: they cross processes as text."""
        started = time.monotonic()
        current, size = "", 0
        coverage: list[tuple[str, Coverage]] = []
        try:
            runs: list[FrameRange] = []
            spaces: dict[str, Space] = {}
            arrays = self._empty(task.frames)
            at = 0
            for segment in task.segments:
                current = segment.house.path
                space, covered = self._fill(segment, arrays, at)
                spaces[space.id] = space
                coverage += [(space.id, c) for c in covered]
                runs.append(FrameRange(space.id, self.recipe.role, task.name, at, segment.count))
                at += segment.count
            current = ""
            seeds = [
                {"house": s.house.digest, "first": s.first, "count": s.count, "seed": self.recipe.seed}
                for s in task.segments
            ]
            written = self._store.write_part(
                task.name, arrays, runs, list(spaces.values()), self.recipe.config_hash, seeds
            )
            size = written.bytes
        except PartExistsError:
            pass  # its name is the hash of its content: whoever wrote it wrote the same
        except Exception as error:
            return failed(task, error, self.recipe.store, current, time.monotonic() - started)
        seconds = time.monotonic() - started
        return PartResult(task.name, task.frames, seconds, bytes=size, coverage=tuple(coverage))

    def _empty(self, frames: int) -> dict[str, np.ndarray]:
        specs = {m.name: m for m in self._store.facts.modalities}
        return {m: np.empty((frames, *specs[m].shape), specs[m].dtype) for m in self.recipe.modalities}

    def _fill(self, segment: Segment, arrays: dict[str, np.ndarray], at: int) -> tuple[Space, list[Coverage]]:
        """Renders a segment into the arrays from frame `at` on; also what its frames cover, where known."""
        recipe = self.recipe
        space, geometry = self._compiled(segment.house)
        self._simulator.load(geometry)
        views = self._views(segment)
        angles = np.full(segment.count, recipe.fov_deg) if views.fov_deg is None else views.fov_deg
        meter = CoverageMeter(self._simulator) if "depth" in recipe.modalities and geometry.floor else None
        covered: list[Coverage] = []
        asked = [m for m in recipe.modalities if MODALITIES[m].kind != "camera"]
        height, width = recipe.size
        step = max(1, _PIXELS // (height * width))
        for first in range(0, segment.count, step):
            some = slice(first, min(first + step, segment.count))
            cameras = Cameras.each(views.poses[some], angles[some], height, width)
            frames = self._simulator.render(cameras, asked)
            frames |= {"pose": cameras.poses, "intrinsics": cameras.intrinsics}
            if meter is not None:
                covered.append(meter.measure(frames["depth"], cameras.poses, cameras.intrinsics))
            frames = add_noise(frames, recipe.noise, self._generators(segment, some))
            for name in recipe.modalities:
                arrays[name][at + some.start : at + some.stop] = frames[name]
        return space, covered

    def _generators(self, segment: Segment, some: slice) -> list[np.random.Generator]:
        """Of the noise of each frame, by its number in the house."""
        recipe = self.recipe
        numbers = range(segment.first + some.start, segment.first + some.stop)
        return [rng(recipe.seed, "noise", recipe.role, segment.house.digest, i) for i in numbers]

    def _views(self, segment: Segment) -> Views:
        """The views of a segment."""
        recipe, end = self.recipe, segment.first + segment.count
        free = self._simulator.free_space()
        length = POSE_BLOCK if SAMPLERS[recipe.sampler].uses_generator else end
        blocks: list[Views] = []
        for block in range(segment.first // length, -(-end // length)):
            low = block * length
            generator = rng(recipe.seed, "poses", recipe.role, segment.house.digest, block)
            # A longer request begins as a shorter one does: no need to draw a whole block.
            count = min(end - low, length)
            views = sample_views(recipe.sampler, free, count, generator, recipe.sampling)
            blocks.append(views.after(max(0, segment.first - low)))
        return Views.joined(blocks)

    def _compiled(self, ref: HouseRef) -> tuple[Space, SceneGeometry]:
        if ref.digest in self._houses:
            self._houses.move_to_end(ref.digest)
            return self._houses[ref.digest]
        geometry = load_space(Path(ref.path), self.recipe.spaces)
        if geometry.digest != ref.digest:
            raise ValueError(f"{ref.path} was changed while it was being collected: collect it again")
        known = facts(geometry, Path(ref.path))
        notes = [self._drawn_by, f"noise: {noise}" if (noise := self.recipe.noise.description) else ""]
        space = Space(
            id=ref.space_id,
            house_digest=ref.digest,
            sampler=self.recipe.sampler,
            simulator=self.recipe.simulator,
            family=known.family,
            seed=known.seed,
            provenance="; ".join(filter(None, [known.provenance, *notes])),
            layout_digest=known.layout_digest,
        )
        self._houses[ref.digest] = (space, geometry)
        while len(self._houses) > _COMPILED:
            self._houses.popitem(last=False)
        return self._houses[ref.digest]


def failed(task: PartTask, error: Exception, store: str, culprit: str, seconds: float) -> PartResult:
    """The result of a part that could not be made. `culprit`: what it failed at, empty while writing."""
    code = error.errno if isinstance(error, OSError) else None
    # In these cases any other part would fail too.
    fatal = code in _FULL or (code in _DENIED and not culprit) or isinstance(error, UnreachableError)
    text = f"{store} cannot be written to: {error}" if fatal else traceback.format_exc()
    return PartResult(task.name, 0, seconds, text, culprit, fatal)
