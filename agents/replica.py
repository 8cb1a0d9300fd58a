"""The simulator `replica`: a scene in Replica's layout, ray-cast.

A Replica folder is drawn as it is. Any other space is written in Replica's layout to a temporary folder,
read back and drawn from there, so that what Replica's layout keeps of a space can be compared with the
space itself: depth, normals, instances and classes are the same; rgb is the surfaces' own colour at the
vertices, without light.
"""

import tempfile
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from agents.cameras import Cameras
from agents.raycast.device_scene import DeviceScene
from agents.raycast.free_space import FreeSpace
from agents.raycast.simulator import RaycastSimulator
from scenes.formats.replica import read_replica
from scenes.formats.replica_export import export_replica
from scenes.meshes.geometry import SceneGeometry

_KEPT = 2  # spaces kept as they came back: a part's segments take turns


class ReplicaSimulator:
    """See `agents/simulator.py` for the protocol."""

    def __init__(self, device: str = "cpu") -> None:
        self._raycast = RaycastSimulator(device)
        self._loaded: SceneGeometry | None = None
        self._written: OrderedDict[str, tuple[SceneGeometry, SceneGeometry]] = OrderedDict()

    def load(self, space: SceneGeometry) -> None:
        """Make `space` the one that is seen; ValueError for geometry that cannot be."""
        self._raycast.load(space if space.in_replica_layout else self._through_files(space))
        self._loaded = space

    def render(self, cameras: Cameras, modalities: Sequence[str]) -> dict[str, Shaped[np.ndarray, "n ..."]]:
        """The asked modalities, as `Simulator.render` says."""
        return self._raycast.render(cameras, modalities)

    def free_space(self) -> FreeSpace:
        """Where in the loaded space a camera may be: asked of the space as it was before it was written, so
        that poses are those of any other simulator."""
        if self._loaded is None:
            raise ValueError("no space is loaded; call load(space) first")
        return FreeSpace(DeviceScene(self._loaded, self._raycast.device))

    def _through_files(self, space: SceneGeometry) -> SceneGeometry:
        before, after = self._written.pop(space.digest, (None, None))
        if before is not space or after is None:
            with tempfile.TemporaryDirectory(prefix="testspace-replica-") as folder:
                export_replica(space, Path(folder))
                after = replace(
                    read_replica(Path(folder)), space=space.space, floor=space.floor, mesh_file=None
                )
        self._written[space.digest] = (space, after)
        while len(self._written) > _KEPT:
            self._written.popitem(last=False)
        return after
