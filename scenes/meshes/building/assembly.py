"""The compiler's output while it traverses a house: meshes by key, instances by number."""

import numpy as np
from jaxtyping import Float64

from scenes.house.elements import Vec3
from scenes.house.labels import class_id
from scenes.meshes.geometry import Instance, Mesh
from scenes.meshes.mesh_builder import rotation_matrix

# A house is left-handed, the world right-handed: z changes its sign.
MIRROR_Z = np.diag([1.0, 1.0, -1.0])


class Assembly:
    """A scene under construction. Instance ids count from 1 in the order of `add`."""

    def __init__(self, space: str) -> None:
        self.space = space
        self.meshes: list[Mesh] = []
        self.instances: list[Instance] = []
        self._index: dict[str, int] = {}

    def add(
        self, name: str, label: str, mesh: Mesh, transform: Float64[np.ndarray, "4 4"] | None = None
    ) -> None:
        """One more thing in the space; without a transform its mesh is in world coordinates already."""
        if mesh.key not in self._index:
            self._index[mesh.key] = len(self.meshes)
            self.meshes.append(mesh)
        number = len(self.instances) + 1
        assert number < 2**16, "an instance id is a uint16"
        matrix = np.eye(4) if transform is None else transform
        self.instances.append(Instance(name, self._index[mesh.key], matrix, class_id(label), number))

    def key(self, name: str) -> str:
        """A mesh key for what only this space has."""
        return f"{self.space}/{name}"


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
