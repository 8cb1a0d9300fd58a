"""The compiler's output while it traverses a house: meshes by key, instances by number."""

import numpy as np
from jaxtyping import Float64

from scenes.house.elements import Vec3
from scenes.house.labels import class_id
from scenes.meshes.geometry import Instance, Mesh
from scenes.meshes.mesh_builder import MeshBuilder, rotation_matrix
from scenes.meshes.meshing import TriangleSoup, assemble_all

# A house is left-handed, the world right-handed: z changes its sign.
MIRROR_Z = np.diag([1.0, 1.0, -1.0])


class Assembly:
    """A scene under construction. Instance ids count from 1 in the order of `add` and `build`."""

    def __init__(self, space: str) -> None:
        self.space = space
        self.instances: list[Instance] = []
        self._meshes: list[Mesh | TriangleSoup] = []
        self._index: dict[str, int] = {}

    def add(
        self, name: str, label: str, mesh: Mesh | TriangleSoup, transform: Float64[np.ndarray, "4 4"]
    ) -> None:
        """One more thing in the space, at `transform` (mesh to world)."""
        if mesh.key not in self._index:
            self._index[mesh.key] = len(self._meshes)
            self._meshes.append(mesh)
        number = len(self.instances) + 1
        assert number < 2**16, "an instance id is a uint16"
        self.instances.append(Instance(name, self._index[mesh.key], transform, class_id(label), number))

    def build(self, name: str, label: str, builder: MeshBuilder) -> None:
        """One more thing that only this space has, built in world coordinates."""
        self.add(name, label, builder.soup(f"{self.space}/{name}"), np.eye(4))

    def meshes(self) -> tuple[Mesh, ...]:
        """All meshes, by the indices that instances have; what was built is assembled together."""
        built = iter(assemble_all([m for m in self._meshes if isinstance(m, TriangleSoup)]))
        return tuple(next(built) if isinstance(m, TriangleSoup) else m for m in self._meshes)


def world_point(p: Vec3) -> Float64[np.ndarray, "3"]:
    """A point of the house in the world [m]."""
    return np.array([p.x, p.y, -p.z], np.float64)


def world_rotation(r: Vec3) -> Float64[np.ndarray, "3 3"]:
    """R = Ry · Rx · Rz of the house, seen in the right-handed world."""
    return (
        MIRROR_Z
        @ rotation_matrix("y", r.y)
        @ rotation_matrix("x", r.x)
        @ rotation_matrix("z", r.z)
        @ MIRROR_Z
    )


def place(position: Vec3, rotation: Vec3) -> Float64[np.ndarray, "4 4"]:
    """Mesh to world of a thing that is centred on its box and whose front looks along +z.

    At rotation 0 a front faces the house's +z, which is -z of the world: hence the half turn.
    """
    matrix = np.eye(4)
    matrix[:3, :3] = world_rotation(rotation) @ rotation_matrix("y", 180.0)
    matrix[:3, 3] = world_point(position)
    return matrix
