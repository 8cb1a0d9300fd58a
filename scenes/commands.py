"""What `tst houses` does with houses alone: each command a config and a function of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import tyro
from pydantic import BaseModel, ConfigDict, Field
from tqdm import tqdm

from scenes.check import check_house
from scenes.compile import compile_house
from scenes.export import export_glb
from scenes.family import load_family
from scenes.generate import GENERATOR, generate_house
from scenes.house import House
from scenes.replica_export import export_replica


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


class ExportConfig(_Config):
    """Write a house's geometry for any other tool."""

    house: tyro.conf.Positional[Path]
    """A house's JSON file."""
    out: Path
    """A GLB file to write; or, without a suffix, a folder to write in Replica's layout. The models' authors
    come with it."""


def export(config: ExportConfig) -> None:
    """As GLB, with textures and a named node an object; or in Replica's layout, with colours at vertices.

    Raises ValueError for a file that is no house, and for names that are of neither.
    """
    if config.out.suffix not in (".glb", ""):
        raise ValueError(
            f"{config.out}: houses are exported as GLB, so name it {config.out.stem}.glb, "
            f"or in Replica's layout, so name a folder without a suffix, {config.out.stem}"
        )
    geometry = compile_house(House.load(config.house))
    if not config.out.suffix:
        quads = export_replica(geometry, config.out)
        print(f"{config.out}: {len(geometry.instances)} objects, {quads:,} quads")
        return
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
    """Print every fault of every house; 1 if there is any, else 0.

    Raises ValueError for a file that is no house, and for a folder without any.
    """
    faulty = houses = 0
    for path in tqdm(list(_files(config.houses)), desc="checking", unit=" houses"):
        faults = check_house(House.load(path))
        for fault in faults:
            print(f"{path}: {fault}")
        houses += 1
        faulty += bool(faults)
    print(f"{houses - faulty} of {houses} houses are valid")
    return 1 if faulty else 0


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
