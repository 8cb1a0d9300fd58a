"""The networks of this project that stand in its entry points, whichever release of it is installed."""

import tomllib
from importlib.metadata import EntryPoint, EntryPoints

import pytest

from engine.networks import registry
from tests.source_tree import ROOT


def own_entry_points() -> dict[str, str]:
    """What pyproject.toml says of them, by name."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][registry.GROUP]


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this release were installed, and no other package that adds networks."""
    points = EntryPoints(
        EntryPoint(name, value, registry.GROUP) for name, value in own_entry_points().items()
    )
    monkeypatch.setattr(registry, "_installed", lambda path: points)
