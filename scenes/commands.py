"""Commands of `tst houses` that need no renderer: a configuration and a function each."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import tyro
from pydantic import Field
from tqdm import tqdm

from scenes.config import Config
from scenes.formats.glb import export_glb
from scenes.formats.replica_export import export_replica
from scenes.generate.family import load_family
from scenes.generate.generate import GENERATOR, generate_house
from scenes.generate.perturb.perturb import STRENGTH, perturb_house
from scenes.generate.statistics.page import side_by_side
from scenes.generate.statistics.statistics import measure, recorded
from scenes.house.checks.check import Fault, check_house, errors
from scenes.house.files.references import each_house
from scenes.house.schema import House
from scenes.meshes.compile import compile_house
from scenes.processes import spread


class GenerateConfig(Config):
    """Make IID houses of a family as JSON files."""

    out: Path
    """Folder for the houses, `<family>-<seed>.json` each."""
    count: int = Field(default=1, ge=1)
    """How many houses."""
    seed: int = Field(default=0, ge=0)
    """Seed of the first house; the others follow."""
    family: str = "procthor"
    """Which distribution: a file of `scenes/families`."""
    workers: int = Field(default=0, ge=0)
    """Processes; 0 = one a core. The houses are the same whatever their number."""


class CheckConfig(Config):
    """Say what is wrong with houses: errors, and notes on what is unlike a house of ours."""

    houses: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """House files, folders, JSON lines or parts of them (docs/house-format.md)."""
    strict: bool = False
    """Hold houses to what ours are held to: a note makes a house as invalid as an error does."""
    verbose: bool = False
    """List each finding of many houses too; those of a single house always are."""
    out: Path | None = None
    """A text file to write each finding to, one a line."""
    workers: int = Field(default=0, ge=0)
    """Processes; 0 = one a core."""


class StatsConfig(Config):
    """What houses look like in numbers, beside ProcTHOR's: those of one room, if all of these have one."""

    houses: tyro.conf.Positional[tuple[Path, ...]] = Field(min_length=1)
    """House files, folders, JSON lines or parts of them (docs/house-format.md)."""
    out: Path | None = None
    """A JSON file for the numbers."""
    workers: int = Field(default=0, ge=0)
    """Processes; 0 = one a core."""


class PerturbConfig(Config):
    """The same house on another day; with neither `lights` nor `objects`, both change."""

    house: tyro.conf.Positional[Path]
    """A house: a JSON file, or one of many as houses.jsonl.gz#12. A perturbed one goes on from there."""
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


class ExportConfig(Config):
    """Write a house's geometry for any other tool."""

    house: tyro.conf.Positional[Path]
    """A house: a JSON file, or one of many as houses.jsonl.gz#12."""
    out: Path
    """A GLB file to write; or, without a suffix, a folder to write in Replica's layout. The models' authors
    come with it."""


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
    seeds = range(config.seed, config.seed + config.count)
    paths = spread(partial(_make, config.out, config.family), seeds, config.workers)
    return list(tqdm(paths, total=len(seeds), desc=config.family, unit=" houses"))


def _make(out: Path, family: str, seed: int) -> Path:
    path = out / f"{family}-{seed:06d}.json"
    if not _up_to_date(path):
        unfinished = path.with_suffix(".json.tmp")
        try:
            house = generate_house(seed, family)
        except ValueError as error:  # the user can do nothing about it
            raise AssertionError(
                f"house {seed} of family {family} cannot be made: please report it"
            ) from error
        house.save(unfinished)
        os.replace(unfinished, path)
    return path


def stats(config: StatsConfig) -> None:
    """Print what the houses look like in numbers beside ProcTHOR's, as Markdown.

    Raises ValueError for what is no house, and for a folder without any.
    """
    files = list(_files(config.houses))
    loaded = spread(House.load, files, config.workers)
    measured = measure(tqdm(loaded, total=len(files), desc="measuring", unit=" houses"))
    alone = set(measured["rooms_per_house"]) == {"1"}
    print(side_by_side(measured, recorded("single_room" if alone else "multi_room")))
    if config.out is not None:
        config.out.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")


def check(config: CheckConfig) -> int:
    """Print how many houses break which rule and how many are valid; 1 if any has an error, else 0.

    With `strict`, a house with notes is not valid either. The findings themselves are printed for a single
    house or with `verbose`, and written to `out`. A file that is no house is an error of rule `file`, and the
    others are checked all the same. Raises ValueError for a folder without any house.
    """
    paths = list(_files(config.houses))
    found = spread(_check_file, paths, config.workers)
    # Nothing is printed before the progress bar has ended, so that no line holds both.
    faults = list(tqdm(found, "checking", len(paths), unit=" houses", disable=len(paths) == 1))
    lines = [f"{path}: {fault}" for path, some in zip(paths, faults, strict=True) for fault in some]
    if config.out is not None:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        config.out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    listed = config.verbose or len(paths) == 1
    if listed:
        print("".join(f"{line}\n" for line in lines), end="")
    if lines and len(paths) > 1:
        print(_table(faults))
    invalid = sum(bool(some if config.strict else errors(some)) for some in faults)
    notes = sum(bool(some) and not errors(some) for some in faults)
    print(
        f"{len(paths) - invalid} of {len(paths)} houses are valid"
        + (f", {notes} of them with notes" if notes and not config.strict else "")
    )
    if config.out is not None:
        print(f"{config.out}: {len(lines)} findings")
    elif lines and not listed:
        print("--verbose lists each finding, --out FILE writes them to a file")
    return 1 if invalid else 0


def _table(faults: list[list[Fault]]) -> str:
    """How many houses have errors and notes of each rule, and how many; the rule with most errors first."""
    counts: dict[str, list[int]] = {}  # houses with errors, errors, houses with notes, notes
    for some in faults:
        for column, level in ((0, "error"), (2, "note")):
            of_level = Counter(fault.rule for fault in some if fault.level == level)
            for rule, count in of_level.items():
                row = counts.setdefault(rule, [0, 0, 0, 0])
                row[column] += 1
                row[column + 1] += count
    heads = ("houses", "errors", "houses", "notes")
    width = max(map(len, ["rule", *counts]))
    rows = sorted(counts.items(), key=lambda row: (-row[1][1], -row[1][3], row[0]))
    lines = [("rule", heads), *((rule, tuple(map(str, row))) for rule, row in rows)]
    return "\n".join(f"{rule:<{width}}" + "".join(f"  {cell:>6}" for cell in cells) for rule, cells in lines)


def _files(houses: tuple[Path, ...]) -> Iterator[Path]:
    """A reference to each house, as `House.load` takes it."""
    return map(Path, each_house(houses))


def _check_file(path: Path) -> list[Fault]:
    try:
        house = House.load(path)
    except (OSError, ValueError) as error:
        return [Fault("file", path.name, str(error).removeprefix(f"{path}: "))]
    return check_house(house)


def _up_to_date(path: Path) -> bool:
    """Whether the file is from this generator. What cannot be read is made anew."""
    try:
        own = json.loads(path.read_text(encoding="utf-8"))["metadata"]["testspace"]
        return own["generator"] == GENERATOR
    except (OSError, ValueError, KeyError, TypeError):
        return False
