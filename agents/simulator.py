"""What every simulator can do, and the table of simulators: to add one, add a line to `SIMULATORS`.

`tests/agents/simulator_kit.py` holds what every simulator must fulfil.
"""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Annotated, Literal, Protocol

import numpy as np
from jaxtyping import Shaped
from pydantic import AfterValidator

from agents.ai2thor.client import INSTALL
from agents.cameras import Cameras
from agents.raycast.free_space import FreeSpace
from scenes.meshes.geometry import SceneGeometry

Quality = Literal["fast", "fine"]
"""How raycast draws (`RaycastConfig`): as fast as it can, or as well."""


class Simulator(Protocol):
    """Renders frames of one space at a time."""

    def load(self, space: SceneGeometry) -> None:
        """Make `space` the one that is rendered. Raises ValueError for geometry that cannot be drawn."""
        ...

    def render(self, cameras: Cameras, modalities: Sequence[str]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """Render the named modalities for each camera: [n, *shape], dtypes as in `agents/modalities.py`.

        A function of (space, cameras): the same bytes on the same device. Raises ValueError for unknown
        modalities, and before a space is loaded.
        """
        ...

    def free_space(self) -> FreeSpace:
        """Return where in the loaded space a camera may be. Raises ValueError before a space is loaded."""
        ...


@dataclass(frozen=True)
class SimulatorEntry:
    """A simulator as the table lists it.

    Places are written "module:name" and imported when they are first used, since Warp, AI2-THOR's client and
    habitat-sim take seconds to start and the last two are optional.
    """

    make: str  # class or function of a Warp device's name that returns a Simulator
    make_fine: str = ""  # the same for quality `fine`; empty where the simulator has one quality
    library: str = ""  # module that must be installed
    install: str = ""  # command that installs it
    drawn_by: str = ""  # function without arguments that returns the note for a store's provenance


SIMULATORS: dict[str, SimulatorEntry] = {
    "raycast": SimulatorEntry(
        "agents.raycast.simulator:RaycastSimulator", make_fine="agents.raycast.simulator:fine_simulator"
    ),
    "ai2thor": SimulatorEntry(
        "agents.ai2thor.simulator:AI2ThorSimulator",
        library="ai2thor",
        install=INSTALL,
        drawn_by="agents.ai2thor.simulator:drawn_by",
    ),
    "replica": SimulatorEntry("agents.replica:ReplicaSimulator"),
    "habitat": SimulatorEntry(
        "agents.habitat:HabitatSimulator",
        library="habitat_sim",
        install="conda install habitat-sim headless -c conda-forge -c aihabitat-nightly",
    ),
}


def known_simulator(name: str) -> str:
    """Return `name`. Raises ValueError, with the known names, where no simulator has it."""
    if name not in SIMULATORS:
        raise ValueError(f"unknown simulator {name!r}; choose from {', '.join(SIMULATORS)}")
    return name


SimulatorName = Annotated[str, AfterValidator(known_simulator)]
"""The type of a configuration's field that names a simulator."""


def make_simulator(name: str, device: str = "cpu", quality: Quality = "fast") -> Simulator:
    """Make a simulator on a Warp device ("cpu", "cuda", "cuda:1"; "auto": CUDA where there is one).

    Raises ValueError for an unknown name or device, a library that is not installed, and a quality that the
    simulator does not have.
    """
    check_simulator(name)
    check_quality(name, quality)
    entry = SIMULATORS[name]
    return resolve_name(entry.make_fine if quality == "fine" else entry.make)(device)


def check_simulator(name: str) -> None:
    """Raise ValueError for an unknown simulator, and for one whose library is not installed."""
    entry = SIMULATORS[known_simulator(name)]
    if entry.library and importlib.util.find_spec(entry.library) is None:
        raise ValueError(
            f"the simulator {name} needs {entry.library}, which is not installed: {entry.install}"
        )


def check_quality(name: str, quality: Quality) -> None:
    """Raise ValueError where a simulator cannot draw in that quality."""
    if quality == "fine" and not SIMULATORS[known_simulator(name)].make_fine:
        having = " and ".join(other for other, entry in SIMULATORS.items() if entry.make_fine)
        raise ValueError(f"quality {quality!r} is {having}'s alone: leave it out with the simulator {name}")


def drawn_by(name: str) -> str:
    """Return the note on what drew the frames for a store's provenance; empty where the name suffices.

    Raises ValueError where the simulator is not installed.
    """
    place = SIMULATORS[known_simulator(name)].drawn_by
    return resolve_name(place)() if place else ""
