"""Collects frames of houses into a store, in one process or on many actors.

    collect(CollectConfig(houses=[Path("house.json")], store=Path("store"), role="pretrain", frames=1000))

Run again, it adds only what is missing: after a crash, or with more houses or frames. A house that fails
three times is left out; the others are collected, and the final error names it.
"""

import hashlib
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro
from pydantic import Field
from tqdm import tqdm

from agents.modalities import LABELS, MODALITIES, SENSORY
from agents.noise.noise import NoiseConfig
from agents.samplers.coverage import Coverage
from agents.samplers.registry import SAMPLERS, SamplerName, SamplerOptions, known_sampler
from agents.simulator import Quality, SimulatorName, check_quality, check_simulator, drawn_by
from engine.collect.estimate import Estimate, estimated, measure
from engine.collect.frame_size import FrameSize, frame_size, height_width, size_words
from engine.collect.ledger import Ledger
from engine.collect.part_maker import POSE_BLOCK, PartResult, Recipe
from engine.collect.plan import HouseRef, PartTask, check_distinct, hash_of, part_length, plan_parts
from engine.collect.run_tasks import run_tasks
from engine.store.remote.places import shown
from engine.store.schema import LabelRow, ModalitySpec, Role
from engine.store.store import Store
from engine.store.writing.staging import clean_staging
from scenes.formats.space_format import DEFAULT_OPTIONS, SpaceOptions
from scenes.formats.spaces import credits, each_space, identify, told_of
from scenes.house.files.references import absolute
from scenes.house.labels import label_table
from scenes.machine import available_cores
from scenes.meshes.libraries.credits import CREDITS
from scenes.meshes.libraries.library import default_library

CAMERA = tuple(m.name for m in MODALITIES.values() if m.kind == "camera")
_FORMAT = 3  # of what a frame is; to be raised when the same request would give other frames


class CollectConfig(SpaceOptions):
    """What to collect, of which houses, into which store."""

    houses: tyro.conf.Positional[list[Path]]
    """Houses as docs/house-format.md names them; Replica folders, scans (.glb, .gltf, .obj, .ply)."""
    store: Path
    """The store to fill, a folder or s3://bucket/place (docs/store.md); made if it is not there."""
    role: Role
    """What the frames are for. Frames of role `pretrain` are recorded without labels."""
    frames: int = Field(gt=0)
    """Frames of every house."""
    size: FrameSize = 224
    """Height and width of a frame [pixels]: 224, or 240x320 (height, width; [240, 320] in YAML)."""
    fov_deg: float = Field(90.0, gt=0, lt=180)
    """Horizontal field of view [degrees]."""
    simulator: SimulatorName = "raycast"
    """What renders: raycast, ai2thor, replica or habitat (docs/simulators.md)."""
    quality: Quality = "fast"
    """How raycast draws: fast; or fine, with soft shadows, smooth edges and more reflections, for several
    times the time."""
    sampler: SamplerName = "dense"
    """How poses are chosen: dense, points, walk, ring or poses (`agents/samplers/registry.py`)."""
    sampling: SamplerOptions = SamplerOptions()
    """What the sampler may be told."""
    noise: NoiseConfig = NoiseConfig()
    """Noise of the sensors."""
    sensory: tuple[str, ...] = SENSORY
    """What is sensed and kept, beside labels and the camera: any of rgb, depth, normals and edges."""
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
    node_resource: str = ""
    """Actors go only to machines that offer this resource, such as `collector` in ray_cluster.yaml."""
    dry_run: bool = False
    """Collect nothing: measure a few frames and tell what it would take."""


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
    clean_staging(store.path / "parts")
    recipe = _recipe(config, houses)
    tasks = _plan(config, houses, recipe, store)
    total = config.frames * len(houses)
    missing = sum(t.frames for t in tasks)
    _write_credits(store, [h.path for h in houses], config.space_options)
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


def estimate(config: CollectConfig) -> Estimate:
    """What `collect` would take, its rates measured on a few houses; the store is left as it is.

    Raises ValueError for what cannot be asked, or a house that cannot be collected.
    """
    _check_names(config)
    houses = _load_refs(config)
    with TemporaryDirectory(prefix="tst-estimate-") as folder:
        trial = open_or_create(Path(folder) / "store", config.size)
        store = open_or_create(config.store, config.size) if Store.exists(config.store) else trial
        tasks = _plan(config, houses, _recipe(config, houses), store)
        recipe = _recipe(config.model_copy(update={"store": trial.path}), houses)
        rates = measure(recipe, houses, trial)
    present = config.frames * len(houses) - sum(t.frames for t in tasks)
    # On this machine no more actors are at work than it has cores.
    cores = config.actors if os.environ.get("RAY_ADDRESS") else min(config.actors, available_cores())
    return estimated(tasks, present, cores, rates)


def _plan(config: CollectConfig, houses: Sequence[HouseRef], recipe: Recipe, store: Store) -> list[PartTask]:
    """The parts that the store lacks. Raises ValueError."""
    facts = store.facts
    total = config.frames * len(houses)
    length = config.frames_per_part or part_length(total, facts.frames_per_part, facts.chunk_frames)
    if length > facts.frames_per_part:
        raise ValueError(f"frames_per_part is {length}; {config.store} takes {facts.frames_per_part} at most")
    return plan_parts(config.role, houses, config.frames, length, recipe.config_hash, store.parts)


def _coverage(made: Sequence[PartResult]) -> dict[str, Coverage]:
    """What all parts together cover of each space."""
    whole: dict[str, Coverage] = {}
    for space, part in (pair for result in made for pair in result.coverage):
        whole[space] = whole[space] | part if space in whole else part
    return whole


def _write_credits(store: Store, spaces: list[str], options: SpaceOptions) -> None:
    """Licence and author of every model in the store, one a line, those of earlier collections kept."""
    known = store.read_text(CREDITS).splitlines()
    lines = {*known}
    for space in spaces:
        try:
            lines.update(credits(Path(space), options))
        except ValueError:
            continue  # a space that cannot be furnished: no frame will be of it, and its failure names it
    store.write_text(CREDITS, "".join(f"{line}\n" for line in sorted(lines)))


def open_or_create(path: Path, size: int | tuple[int, int]) -> Store:
    """The store at `path` for frames of `size` (a square's side, or height and width) [pixels], made where
    none is. Raises ValueError."""
    shape = height_width(size)
    specs = [
        ModalitySpec(m.name, m.dtype, m.frame_shape(*shape), m.unit, m.kind) for m in MODALITIES.values()
    ]
    labels: list[LabelRow] = [{"id": x.id, "name": x.name, "group": x.group} for x in label_table()]
    if not Store.exists(path):
        return Store.create(path, specs, labels)
    store = Store.open(path)
    if store.facts.modalities != tuple(specs):
        shapes = [m.shape for m in store.facts.modalities if m.name == "rgb"]
        found = size_words(frame_size(shapes[0][:2])) if shapes else "other"
        raise ValueError(
            f"{shown(path)} holds frames of {found} pixels, not {size_words(size)}: use another store, "
            "or that size"
        )
    if store.labels != tuple(labels):
        raise ValueError(f"{shown(path)} was made with another label table: use another store")
    return store


def _check_names(config: CollectConfig) -> None:
    check_simulator(config.simulator)
    check_quality(config.simulator, config.quality)
    drawn_by(config.simulator)  # says so where what draws is not installed
    if not config.sensory or not set(config.sensory) <= set(SENSORY):
        raise ValueError(f"sensory is {list(config.sensory)}: give one or more of {', '.join(SENSORY)}")
    if config.sampling.poses is not None and SAMPLERS[known_sampler(config.sampler)].view_file is None:
        raise ValueError(f"sampling.poses names a file, but the sampler is {config.sampler!r}: use `poses`")


def _load_refs(config: CollectConfig) -> list[HouseRef]:
    named = list(each_space(config.houses))
    refs = []
    # Closed before an error is printed.
    with tqdm(named, desc="houses", unit="house", disable=len(named) < 100, leave=False) as bar:
        for one in bar:
            digest, space_id = identify(Path(one), config.space_options)
            refs.append(HouseRef(absolute(one), digest, space_id))
    check_distinct(refs)
    return refs


def _sampling_settings(config: CollectConfig, houses: Sequence[HouseRef]) -> dict[str, object]:
    """The sampler's options as far as they decide its views; a file of poses by what it holds."""
    settings = config.sampling.model_dump(exclude={"poses"})
    file_of = SAMPLERS[known_sampler(config.sampler)].view_file
    if file_of is not None:
        files = sorted({file_of(config.sampling, house.space_id) for house in houses})
        settings["poses"] = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    return settings


def _recipe(config: CollectConfig, houses: Sequence[HouseRef]) -> Recipe:
    poses = config.sampling.poses
    sensory = tuple(m for m in SENSORY if m in config.sensory)
    modalities = (*sensory, *(LABELS if config.role != "pretrain" else ()), *CAMERA)
    decides = {
        "format": _FORMAT,
        "role": config.role,
        "size": config.size,
        "fov_deg": config.fov_deg,
        "simulator": config.simulator,
        "quality": config.quality,
        "sampler": config.sampler,
        "sampling": _sampling_settings(config, houses),
        "noise": config.noise.model_dump(),
        "seed": config.seed,
        "modalities": modalities,
        "pose_block": POSE_BLOCK,
        "library": default_library().digest,  # other furniture, other frames
    }
    if drawer := drawn_by(config.simulator):
        decides["drawn_by"] = drawer
    if config.space_options != DEFAULT_OPTIONS:
        decides["spaces"] = told_of(config.space_options)
    return Recipe(
        store=str(config.store.absolute()),
        role=config.role,
        size=height_width(config.size),
        fov_deg=config.fov_deg,
        simulator=config.simulator,
        quality=config.quality,
        sampler=config.sampler,
        sampling=config.sampling.model_copy(update={"poses": poses and poses.absolute()}),
        noise=config.noise,
        seed=config.seed,
        spaces=config.space_options,
        device=config.device,
        modalities=modalities,
        config_hash=hash_of(decides),
    )


def _run(
    tasks: Sequence[PartTask], recipe: Recipe, config: CollectConfig, present: int, total: int
) -> list[PartResult]:
    """Makes all parts. Raises CollectError, naming the houses that failed three times."""
    ledger = Ledger(config.role, recipe.config_hash, present, total)
    claims: dict[str, Any] = {}
    if config.node_resource:
        claims["resources"] = {config.node_resource: 0.001}  # a token: it only says where
    if config.device == "auto" or config.device.startswith("cuda"):
        claims["num_gpus"] = config.gpus_per_actor
    run_tasks(tasks, recipe, ledger, config.actors, claims, need_gpu=config.device != "auto")
    return ledger.made
