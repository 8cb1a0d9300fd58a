"""A space on disk, whatever its format: `load_space(path)` for a house's JSON, a Replica folder or a scan.

`SPACE_FORMATS` is the table of formats: to add one, add a line. `identify(path)` tells a space's digest and
id without compiling it, `facts(geometry, path)` where it came from, `credits(path)` whose work is in it.

| format | recognised by | labels | light | units, up axis |
|---|---|---|---|---|
| replica | a folder with Replica's files | class and instance of each face | captured | metres, z |
| scannetpp | a folder with an annotated mesh | object of most corners of each face | captured | metres, z |
| scan | `.glb`, `.gltf`, `.obj`, `.ply` | where names are known | captured, else lit | said or guessed |
| house | all else (JSON) | always | lamps, sun and sky | metres, y |
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from scenes.formats.assets.given import given_assets
from scenes.formats.house_json import HouseFormat
from scenes.formats.replica import ReplicaFormat
from scenes.formats.scan.read import ScanFormat
from scenes.formats.scannetpp import ScannetppFormat
from scenes.formats.space_format import DEFAULT_OPTIONS, SpaceFacts, SpaceFormat, SpaceOptions
from scenes.house.files.references import Reference, each_house
from scenes.meshes.geometry import SceneGeometry

SPACE_FORMATS: dict[str, SpaceFormat] = {
    "replica": ReplicaFormat(),
    "scannetpp": ScannetppFormat(),
    "scan": ScanFormat(),
}
HOUSE: SpaceFormat = HouseFormat()


def format_of(path: Path) -> SpaceFormat:
    """The first format of `SPACE_FORMATS` that recognises the path; what none does is taken for a house."""
    return next((f for f in SPACE_FORMATS.values() if f.recognises(path)), HOUSE)


def load_space(path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
    """The space's geometry. Raises ValueError for what cannot be read, OSError for what is not there."""
    return format_of(path).load(path, options)


def identify(path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> tuple[str, str]:
    """Digest and id of the space: those that `load_space(path)` will have."""
    return format_of(path).identify(path, options)


def facts(geometry: SceneGeometry, path: Path) -> SpaceFacts:
    """Where a space came from that was loaded from `path`."""
    return format_of(path).facts(geometry, path)


def credits(path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> list[str]:
    """Author and licence of what is in the space, a line each."""
    return format_of(path).credits(path, options)


def each_space(references: Iterable[Reference]) -> Iterator[str]:
    """References to one space each, as `each_house` gives them; a folder that a format recognises is one.

    Raises ValueError for what is not there.
    """
    return each_house(references, one_space=lambda folder: format_of(folder) is not HOUSE)


def told_of(options: SpaceOptions) -> dict[str, object]:
    """What of the options decides how spaces come out: those that are set, assets by their digest.

    Raises ValueError for assets that are not there.
    """
    told = options.model_dump(exclude_defaults=True)
    if options.assets is not None:
        told["assets"] = given_assets(options.assets).digest
    return told
