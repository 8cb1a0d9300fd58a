"""The import contracts of pyproject.toml: an import planted in each room breaks the one that forbids it."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("scenes", "agents", "engine", "training", "studies", "viewer")
AGAINST_THE_ARROWS = {
    "scenes/digests.py": "scenes.meshes.geometry",
    "agents/cameras.py": "agents.simulator",
    "engine/cluster.py": "engine.stream.stream",
    "training/common/optimiser.py": "training.models.blocks",
    "studies/spec/yaml.py": "studies.report.page",
    "viewer/answers.py": "viewer.opened",
}
"""Of each room a module, and what above it in the same room it must not import."""
BETWEEN_ROOMS = {
    "Data flows one way: scenes < agents < engine < training < studies < viewer": (
        "scenes/digests.py",
        "agents.edges",
    ),
    "Scenes and agents know neither Ray nor torch": ("agents/srgb.py", "torch"),
}
"""Contracts over all rooms, each with a module and an import that breaks it."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The rooms and their contracts, to be broken."""
    for room in ROOMS:
        shutil.copytree(
            ROOT / room, tmp_path / room, ignore=lambda _, names: [n for n in names if _is_data(n)]
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def _is_data(name: str) -> bool:
    return name == "__pycache__" or ("." in name and not name.endswith(".py"))


def _broken(root: Path) -> set[str]:
    """Names of the contracts that are broken."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(root), "COLUMNS": "300"}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    lines = [line.strip() for line in done.stdout.splitlines()]
    kept = [line for line in lines if " KEPT" in line]
    broken = {line.removesuffix(" BROKEN") for line in lines if line.endswith(" BROKEN")}
    assert len(kept) + len(broken) == len(_contracts()), done.stdout + done.stderr
    assert (done.returncode != 0) == bool(broken)
    return broken


def _contracts() -> list[dict]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


def _plant(root: Path, module: str, imported: str) -> None:
    with (root / module).open("a") as file:
        file.write(f"\nimport {imported}\n")


def test_an_import_against_the_arrows_breaks_the_contract_of_each_room(copy: Path):
    assert _broken(copy) == set()
    for module, imported in AGAINST_THE_ARROWS.items():
        _plant(copy, module, imported)
    expected = {c["name"] for c in _contracts() if c.get("containers", [""])[0] in ROOMS}
    assert len(expected) == len(ROOMS)
    assert _broken(copy) == expected


def test_an_import_of_a_later_room_or_of_torch_breaks_the_contracts_between_rooms(copy: Path):
    for module, imported in BETWEEN_ROOMS.values():
        _plant(copy, module, imported)
    assert _broken(copy) == set(BETWEEN_ROOMS)
