"""What a format of spaces can do: recognise a folder or file, load it, and say what is known of it.

`scenes/formats/spaces.py` has the table of formats; `tests/scenes/format_kit.py` holds what every format must
fulfil.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from scenes.config import Config
from scenes.formats.scan.pieces import Axis, Units
from scenes.meshes.geometry import SceneGeometry
from scenes.meshes.libraries.credits import CREDITS

UnknownAssets = Literal["refuse", "box", "skip"]


class SpaceOptions(Config):
    """How spaces are read; each field says of what format it is, and other formats ignore it."""

    units: Units | None = None
    """Unit of a scan's numbers: m, cm, mm, in or ft; by default as the file says, or guessed by its size."""
    up: Axis | None = None
    """Axis of a scan that points up: x, y, z, or -x ...; by default as the file says, or guessed by its
    floors."""

    assets: Path | None = None
    """A house's assets that AI2-THOR's table does not have: a folder of <asset id>.glb files or of
    ObjaTHOR's, or a YAML list of files."""
    unknown_assets: UnknownAssets = "refuse"
    """What to do with objects of a house whose asset no one knows: refuse the house, draw a box, or skip
    them."""

    @property
    def space_options(self) -> "SpaceOptions":
        """These options alone, where a configuration has them among its own."""
        return SpaceOptions(**{name: getattr(self, name) for name in SpaceOptions.model_fields})


DEFAULT_OPTIONS = SpaceOptions()


@dataclass(frozen=True)
class Known:
    """What the files of a format say of a space, beside its surfaces."""

    labels: Literal["always", "sometimes", "never"]  # class and instance of each thing
    light: Literal["lamps", "captured", "either"]  # captured: the colours hold their light already
    units: Literal["metres", "unsaid"]
    up: Literal["y", "z", "unsaid"]  # the axis that points up in the files


@dataclass(frozen=True)
class SpaceFacts:
    """Where a space came from, as the store records it."""

    family: str  # of a generated house; else "external" for a house, or the kind of scan
    provenance: str
    seed: int | None = None  # of a generated house
    layout_digest: str = ""  # `House.layout_digest`; empty for what is no house


class SpaceFormat(Protocol):
    """Reads spaces of one format."""

    known: Known

    def recognises(self, path: Path) -> bool:
        """Whether the folder or file is of this format, whole or not; a cheap look, mostly at names."""
        ...

    def identify(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> tuple[str, str]:
        """Return digest and id of the space, those that `load` gives it, without compiling it.

        Raises ValueError for files that are missing or no house, OSError for what cannot be opened.
        """
        ...

    def load(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
        """Return the space's geometry: metres, y up.

        Raises ValueError, with the file's name and what to do, for what cannot be read; OSError for what
        cannot be opened.
        """
        ...

    def facts(self, geometry: SceneGeometry, path: Path) -> SpaceFacts:
        """Return where the geometry came from, which was loaded from `path`."""
        ...

    def credits(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> list[str]:
        """Return the lines of CREDITS.txt: author and licence of what is in the space."""
        ...


def credits_beside(path: Path) -> list[str]:
    """Lines of the credits that lie in a folder (`CREDITS.txt`) or beside a file (`<stem>.credits.txt`)."""
    file = path / CREDITS if path.is_dir() else path.with_suffix(".credits.txt")
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
