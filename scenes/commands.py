"""What `tst houses` does with houses alone: each command a config and a function of it."""

import json
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import tyro
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from scenes.check import Fault, check_house
from scenes.compile import compile_house
from scenes.export import export_glb
from scenes.family import load_family
from scenes.generate import GENERATOR, generate_house
from scenes.house import House
from scenes.perturb import STRENGTH, perturb_house

WORTH_A_PROCESS = 16  # houses; checking fewer takes less time than starting a process


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class GenerateConfig(_Config):
    """Make IID houses of a family as JSON files."""

    out: Path
    """Folder for the houses, `<family>-<seed>.json` each."""
    count: int = Field(default=1, ge=1)
    """How many houses."""
    seed: int = Field(default=0, ge=0)
    """Seed of the first house; the others follow."""
    family: str = "procthor"
    """Which distribution: a file of `scenes/families`."""


class CheckConfig(_Config):
    """Say what is wrong with houses."""

    houses: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """JSON files, or folders of them."""
    workers: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """Processes that check at the same time; by default one a core."""


class PerturbConfig(_Config):
    """The same house on another day; with neither `lights` nor `objects`, both change."""

    house: tyro.conf.Positional[Path]
    """A house's JSON file. One that was perturbed before goes on from there."""
    out: Path
    """The JSON file to write."""
    seed: int = Field(default=0, ge=0)
    """Which other day."""
    strength: float = Field(default=STRENGTH, ge=0, le=1)
    """Share of small objects that move, and of the way that the light goes to another hour: 0 none, 1 all."""
    lights: bool = False
    """Change sun, sky and lamps."""
    objects: bool = False
    """Move small objects."""


class ExportConfig(_Config):
    """Write a house's geometry for any other tool."""

    house: tyro.conf.Positional[Path]
    """A house's JSON file."""
    out: Path
    """The GLB to write; the models' authors come beside it."""


def perturb(config: PerturbConfig) -> None:
    """Write the perturbed house; its metadata lists what changed. Raises ValueError for a file that is no
    house."""
    both = not (config.lights or config.objects)
    house = perturb_house(
        House.load(config.house),
        config.seed,
        config.strength,
        lights=config.lights or both,
        objects=config.objects or both,
    )
    config.out.parent.mkdir(parents=True, exist_ok=True)
    house.save(config.out)
    changes = house.metadata["testspace"]["perturbation"][-1]
    counts = ", ".join(f"{len(changes[name])} {name}" for name in ("lights", "switches", "objects"))
    sky = f"now {changes['sky']['to']}" if changes["sky"] else "as it was"
    print(f"{config.out}: {house.space_id}: changed {counts}, sky {sky}")


def export(config: ExportConfig) -> None:
    """Geometry with textures, a named node an object. Raises ValueError for a file that is no house."""
    if config.out.suffix != ".glb":
        raise ValueError(f"{config.out}: houses are exported as GLB, so name it {config.out.stem}.glb")
    geometry = compile_house(House.load(config.house))
    config.out.parent.mkdir(parents=True, exist_ok=True)
    export_glb(geometry, config.out)
    print(f"{config.out}: {len(geometry.instances)} nodes, {geometry.triangles:,} triangles")


def generate(config: GenerateConfig) -> list[Path]:
    """Write the houses; those that are there already, from this generator, are left alone.

    Returns their paths. Raises ValueError for a family that there is not.
    """
    load_family(config.family)
    config.out.mkdir(parents=True, exist_ok=True)
    paths = []
    for seed in tqdm(range(config.seed, config.seed + config.count), desc=config.family, unit=" houses"):
        path = config.out / f"{config.family}-{seed:06d}.json"
        if not _up_to_date(path):
            partial = path.with_suffix(".json.tmp")
            generate_house(seed, config.family).save(partial)
            os.replace(partial, path)
        paths.append(path)
    return paths


def check(config: CheckConfig) -> int:
    """Print every fault of every house, then how many there are by rule; 1 if there is any, else 0.

    A file that is no house is a fault of rule `file`, and the others are checked all the same.
    Raises ValueError for a folder without any house.
    """
    paths = list(_files(config.houses))
    rules: Counter[str] = Counter()
    faulty = 0
    with _pool_map(_check_file, paths, config.workers) as found:
        for path, faults in zip(paths, tqdm(found, "checking", len(paths), unit=" houses"), strict=True):
            for fault in faults:
                tqdm.write(f"{path}: {fault}")
            rules.update(fault.rule for fault in faults)
            faulty += bool(faults)
    for rule, count in rules.most_common():
        print(f"{count:6d} {rule}")
    print(f"{len(paths) - faulty} of {len(paths)} houses are valid")
    return 1 if faulty else 0


def _check_file(path: Path) -> list[Fault]:
    try:
        house = House.load(path)
    except (OSError, ValueError) as error:
        return [Fault("file", path.name, str(error).removeprefix(f"{path}: "))]
    return check_house(house)


@contextmanager
def _pool_map(
    function: Callable[[Path], list[Fault]], paths: list[Path], workers: int
) -> Iterator[Iterable[list[Fault]]]:
    """`map`, in order, over processes where there is enough to do for them."""
    workers = min(workers, len(paths) // WORTH_A_PROCESS)
    if workers < 2:
        yield map(function, paths)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _ignore_interrupts)
    try:
        yield pool.map(function, paths, chunksize=WORTH_A_PROCESS // 2)
    finally:
        pool.shutdown(cancel_futures=True)


def _ignore_interrupts() -> None:
    """Ctrl-C is for the process that prints; it ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(path.glob("*.json"))
        if not inside:
            raise ValueError(f"{path} holds no house (*.json)")
        yield from inside


def _up_to_date(path: Path) -> bool:
    """Whether the file is from this generator. What cannot be read is made anew."""
    try:
        own = json.loads(path.read_text(encoding="utf-8"))["metadata"]["testspace"]
        return own["generator"] == GENERATOR
    except (OSError, ValueError, KeyError, TypeError):
        return False
