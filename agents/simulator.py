"""What every simulator can do, and where one is chosen by name."""

import importlib.util
from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from jaxtyping import Shaped

from agents.cameras import Cameras
from agents.raycast.free_space import FreeSpace
from scenes.meshes.geometry import SceneGeometry

SIMULATORS = ("raycast", "ai2thor", "replica", "habitat")
LIBRARIES = {
    "ai2thor": ("ai2thor", "pip install -e '.[ai2thor]' && pip install --no-deps ai2thor==5.0.0"),
    "habitat": ("habitat_sim", "conda install habitat-sim headless -c conda-forge -c aihabitat-nightly"),
}
"""Modules that a simulator imports when it is made, and the lines that install them."""


Quality = Literal["fast", "fine"]
"""How raycast draws (`RaycastConfig`): as fast as it can, or as well."""


class Simulator(Protocol):
    """A body's world: load a space, then look at it as often as you like."""

    def load(self, space: SceneGeometry) -> None:
        """Make `space` the one that is seen; ValueError for geometry that cannot be."""
        ...

    def render(self, cameras: Cameras, modalities: Sequence[str]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """The asked modalities of each camera, [n, *shape] with dtypes of `agents/modalities.py`.

        A function of (space, cameras): the same bytes on the same device. ValueError for unknown
        modalities, and before a space is loaded.
        """
        ...

    def free_space(self) -> FreeSpace:
        """Where in the loaded space a camera may be."""
        ...


def make_simulator(name: str, device: str = "cpu", quality: Quality = "fast") -> Simulator:
    """A simulator by name, on a Warp device ("cpu", "cuda", "cuda:1"; "auto": CUDA where there is one).

    ValueError names the choices, and says so where a simulator has but one quality.
    """
    check_simulator(name)
    check_quality(name, quality)
    # Each is imported where it is asked for: Warp starts up when first imported, and only those who render
    # need wait for that.
    if name == "ai2thor":
        from agents.ai2thor.simulator import AI2ThorSimulator

        return AI2ThorSimulator(device)
    if name == "replica":
        from agents.replica import ReplicaSimulator

        return ReplicaSimulator(device)
    if name == "habitat":
        from agents.habitat import HabitatSimulator

        return HabitatSimulator(device)
    from agents.raycast.simulator import FINE, RaycastConfig, RaycastSimulator

    return RaycastSimulator(device, FINE if quality == "fine" else RaycastConfig())


def check_simulator(name: str) -> None:
    """Raise ValueError, naming the choices, for a simulator that there is not, and the line that installs
    it for one whose library is missing."""
    if name not in SIMULATORS:
        raise ValueError(f"unknown simulator {name!r}; choose from {', '.join(SIMULATORS)}")
    if name in LIBRARIES and importlib.util.find_spec(LIBRARIES[name][0]) is None:
        module, line = LIBRARIES[name]
        raise ValueError(f"the simulator {name} needs {module}, which is not installed: {line}")


def check_quality(name: str, quality: Quality) -> None:
    """Raise ValueError where a simulator cannot draw in that quality."""
    if quality != "fast" and name != "raycast":
        raise ValueError(f"quality {quality!r} is raycast's alone: leave it out with the simulator {name}")


def drawn_by(name: str) -> str:
    """Who draws, where the simulator's name does not say it all: for the provenance in a store, else empty.

    ValueError where the simulator is not installed.
    """
    if name == "ai2thor":
        from agents.ai2thor.simulator import drawn_by as ai2thor_drawn_by

        return ai2thor_drawn_by()
    return ""
