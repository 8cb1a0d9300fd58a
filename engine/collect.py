"""Collecting: houses in, frames in a store out, on one process or many.

    collect(CollectConfig(houses=[Path("house.json")], store=Path("store"), role="pretrain", frames=1000))

Run again it adds only what is missing: after a crash, or with more houses or more frames. A part that fails
three times is given up; the others go on, and the error at the end names the houses.
"""

import hashlib
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from agents.coverage import Coverage
from agents.modalities import LABELS, MODALITIES, SENSORY
from agents.noise import NoiseConfig
from agents.sampler_file import pose_file
from agents.samplers import SAMPLERS
from agents.sampling import SamplerOptions
from agents.simulator import SIMULATORS
from engine.errors import CollectError
from engine.manifest import MANIFEST, write_atomically
from engine.part_maker import POSE_BLOCK, PartMaker, PartResult, Recipe
from engine.plan import HouseRef, PartTask, check_distinct, hash_of, house_files, part_length, plan_parts
from engine.schema import LabelRow, ModalitySpec, Role
from engine.staging import clean_staging
from engine.store import Store
from scenes.credits import credits_text, house_credits
from scenes.house import House
from scenes.labels import label_table
from scenes.library import default_library

CAMERA = tuple(m.name for m in MODALITIES.values() if m.kind == "camera")
_FORMAT = 2  # of what a frame is; to be raised when the same request would give other frames
_TRIES = 3
CREDITS = "CREDITS.txt"


class CollectConfig(BaseModel):
    """What to collect, of which houses, into which store."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    houses: tyro.conf.Positional[list[Path]]
    """House files, or folders of them."""
    store: Path
    """The store to fill; made if it is not there."""
    role: Role
    """What the frames are for. Frames of role `pretrain` are recorded without labels."""
    frames: int = Field(gt=0)
    """Frames of every house."""
    size: int = Field(224, ge=16)
    """Height and width of a frame [pixels]."""
    fov_deg: float = Field(90.0, gt=0, lt=180)
    """Horizontal field of view [degrees]."""
    simulator: str = "raycast"
    """What renders."""
    sampler: str = "dense"
    """How poses are chosen: dense, points, walk, ring or poses (`agents/samplers.py`)."""
    sampling: SamplerOptions = SamplerOptions()
    """What the sampler may be told."""
    noise: NoiseConfig = NoiseConfig()
    """Noise of the sensors."""
    seed: int = 0
    """Seed of poses and noise; the role and the house enter too."""
    actors: int = Field(2, ge=0)
    """Ray actors; 0 collects in this process."""
    frames_per_part: int | None = Field(None, gt=0)
    """Frames in a part; by default 2,048, or fewer where that would make few parts."""
    device: str = "auto"
    """Warp device of every actor: cpu, cuda, cuda:0 ...; auto: CUDA where Ray has a GPU to give. Frames of
    two kinds of device may differ in the last bit."""
    gpus_per_actor: float = Field(0.25, gt=0)
    """Share of a GPU that an actor claims; no matter on cpu."""


@dataclass(frozen=True)
class CollectReport:
    """What a collection did."""

    parts: int  # made now
    frames: int  # made now
    skipped: int  # frames that were there
    seconds: float
    bytes: int  # on disk, made now
    coverage: Mapping[str, Coverage]  # by space, of the frames made now


def collect(config: CollectConfig) -> CollectReport:
    """Fills a store. Raises ValueError for what cannot be asked, CollectError if frames are still missing."""
    started = time.monotonic()
    _check_names(config)
    houses = _load_refs(config)
    store = open_or_create(config.store, config.size)
    length = config.frames_per_part or part_length(
        config.frames * len(houses), store.facts.frames_per_part, store.facts.chunk_frames
    )
    if length > store.facts.frames_per_part:
        raise ValueError(
            f"frames_per_part is {length}; {config.store} takes {store.facts.frames_per_part} at most"
        )
    clean_staging(store.path / "parts")
    recipe = _recipe(config, houses)
    tasks = plan_parts(config.role, houses, config.frames, length, recipe.config_hash, store.parts)
    total = config.frames * len(houses)
    missing = sum(t.frames for t in tasks)
    _write_credits(store.path / CREDITS, [Path(h.path) for h in houses])
    made = _run(tasks, recipe, config, total - missing, total) if tasks else []
    clean_staging(store.path / "parts")  # of actors that were lost
    store.refresh()
    return CollectReport(
        parts=len(made),
        frames=sum(r.frames for r in made),
        skipped=total - missing,
        seconds=time.monotonic() - started,
        bytes=sum(store.part(r.name).bytes for r in made),
        coverage=_coverage(made),
    )


def _coverage(made: Sequence[PartResult]) -> dict[str, Coverage]:
    """What all parts together cover of each space."""
    whole: dict[str, Coverage] = {}
    for space, part in (pair for result in made for pair in result.coverage):
        whole[space] = whole[space] | part if space in whole else part
    return whole


def _write_credits(path: Path, houses: list[Path]) -> None:
    """Licence and author of every model in the store, one a line, those of earlier collections kept."""
    known = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    lines = sorted({*known, *credits_text(house_credits(houses)).splitlines()})
    write_atomically(path, "".join(f"{line}\n" for line in lines).encode())


def open_or_create(path: Path, size: int) -> Store:
    """The store at `path` for square frames of `size` pixels, made where none is. Raises ValueError."""
    specs = [
        ModalitySpec(m.name, m.dtype, m.frame_shape(size, size), m.unit, m.kind) for m in MODALITIES.values()
    ]
    labels: list[LabelRow] = [{"id": x.id, "name": x.name, "group": x.group} for x in label_table()]
    if not (path / MANIFEST).exists():
        return Store.create(path, specs, labels)
    store = Store.open(path)
    if store.facts.modalities != tuple(specs):
        found = next((m.shape[0] for m in store.facts.modalities if m.name == "rgb"), "other")
        raise ValueError(
            f"{path} holds frames of {found} pixels, not {size}: use another store, or that size"
        )
    if store.labels != tuple(labels):
        raise ValueError(f"{path} was made with another label table: use another store")
    return store


def _check_names(config: CollectConfig) -> None:
    if config.simulator not in SIMULATORS:
        raise ValueError(f"unknown simulator {config.simulator!r}; choose from {', '.join(SIMULATORS)}")
    if config.sampler not in SAMPLERS:
        raise ValueError(f"unknown sampler {config.sampler!r}; choose from {', '.join(SAMPLERS)}")
    told = config.sampling.model_dump(exclude_defaults=True)
    if "poses" in told and config.sampler != "poses":
        raise ValueError(f"sampling.poses names a file, but the sampler is {config.sampler!r}: use `poses`")


def _load_refs(config: CollectConfig) -> list[HouseRef]:
    files = house_files(config.houses)
    refs = []
    for path in tqdm(files, desc="houses", unit="house", disable=len(files) < 100, leave=False):
        house = House.load(path)
        refs.append(HouseRef(str(path.absolute()), house.digest(), house.space_id))
    check_distinct(refs)
    return refs


def _told(config: CollectConfig, houses: Sequence[HouseRef]) -> dict[str, object]:
    """The sampler's options as far as they decide its views; a file of poses by what it holds."""
    told = config.sampling.model_dump(exclude={"poses"})
    if config.sampler == "poses":
        files = sorted({pose_file(config.sampling, house.space_id) for house in houses})
        told["poses"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return told


def _recipe(config: CollectConfig, houses: Sequence[HouseRef]) -> Recipe:
    poses = config.sampling.poses
    modalities = (*SENSORY, *(LABELS if config.role != "pretrain" else ()), *CAMERA)
    decides = {
        "format": _FORMAT,
        "role": config.role,
        "size": config.size,
        "fov_deg": config.fov_deg,
        "simulator": config.simulator,
        "sampler": config.sampler,
        "sampling": _told(config, houses),
        "noise": config.noise.model_dump(),
        "seed": config.seed,
        "modalities": modalities,
        "pose_block": POSE_BLOCK,
        "library": default_library().digest,  # other furniture, other frames
    }
    return Recipe(
        store=str(config.store.absolute()),
        role=config.role,
        size=config.size,
        fov_deg=config.fov_deg,
        simulator=config.simulator,
        sampler=config.sampler,
        sampling=config.sampling.model_copy(update={"poses": poses and poses.absolute()}),
        noise=config.noise,
        seed=config.seed,
        device=config.device,
        modalities=modalities,
        config_hash=hash_of(decides),
    )


class _Ledger:
    """What became of every part: progress, failures, and in the end the error that names the houses."""

    def __init__(self, role: str, present: int, total: int):
        self.made: list[PartResult] = []
        self._given_up: dict[str, PartResult] = {}
        self._houses: set[str] = set()
        self._failures: Counter[str] = Counter()
        self.bar = tqdm(total=total, initial=present, desc=f"collect {role}", unit="frame", smoothing=0.1)

    def ended(self, task: PartTask, result: PartResult) -> bool:
        """Takes note of an attempt; True if the part should be tried again. Raises CollectError."""
        if not result.error:
            self.made.append(result)
            self.bar.update(result.frames)
            return False
        if result.fatal:
            raise CollectError(f"{result.error}: make room and run the same command again")
        self._failures[task.name] += 1
        if self._failures[task.name] < _TRIES:
            return True
        self._given_up[task.name] = result
        self._houses |= {result.house} if result.house else {s.house.path for s in task.segments}
        return False

    def settle(self) -> None:
        """Raises CollectError if parts were given up."""
        if not self._given_up:
            return
        failed = len(self._given_up)
        first = next(iter(self._given_up.values())).error.strip()
        raise CollectError(
            f"{failed} of {failed + len(self.made)} parts failed {_TRIES} times each, with houses "
            f"{', '.join(sorted(self._houses))}. The other parts are in the store; run again without these "
            f"houses, or once they are mended. The first failure was:\n{first}"
        )


def _run(
    tasks: Sequence[PartTask], recipe: Recipe, config: CollectConfig, present: int, total: int
) -> list[PartResult]:
    """Makes all parts. Raises CollectError, naming the houses of those that failed three times."""
    ledger = _Ledger(config.role, present, total)
    try:
        if config.actors == 0:
            _in_process(tasks, recipe, ledger)
        else:
            # Ray takes seconds to import; in-process collection has no use for it.
            from engine.actors import make_parts
            from engine.cluster import has_gpu, ray_session

            with ray_session(config.actors):
                on_gpu = config.device.startswith("cuda") or (config.device == "auto" and has_gpu())
                gpus = config.gpus_per_actor if on_gpu else 0.0
                make_parts(tasks, recipe, config.actors, gpus, ledger.ended)
    finally:
        ledger.bar.close()
    ledger.settle()
    return ledger.made


def _in_process(tasks: Sequence[PartTask], recipe: Recipe, ledger: _Ledger) -> None:
    maker = PartMaker(recipe)
    queue = deque(tasks)
    while queue:
        task = queue.popleft()
        if ledger.ended(task, maker.make(task)):
            queue.append(task)
