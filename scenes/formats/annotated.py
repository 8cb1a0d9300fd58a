"""A captured mesh whose faces name objects, as geometry: an instance for each object.

Data sets of real spaces have z up; ours is that, turned: (x, y, z) stands at (x, z, -y). The tables in
`scenes/assets` say which of our labels each of their class names is.
"""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int64, UInt8

from scenes.formats.scan.floor import floor_regions
from scenes.house.labels import VOID, class_id, label_table
from scenes.meshes.geometry import Instance, Material, Mesh, SceneGeometry
from scenes.meshes.meshing import vertex_normals

_ASSETS = Path(__file__).parents[1] / "assets"


@dataclass(frozen=True, eq=False)
class AnnotatedMesh:
    """A mesh in its own world, metres with z up, and the object that each face is of."""

    file: Path  # that holds the faces
    points: Float[np.ndarray, "v 3"]
    faces: Int64[np.ndarray, "f 3"]
    colors: UInt8[np.ndarray, "v 4"]  # sRGB and opacity
    objects: Int64[np.ndarray, " f"]  # object of each face, 0 or less: none, or one that counts from 0
    names: Mapping[int, str]  # class name of each object
    normals: Float32[np.ndarray, "v 3"] | None = None


@cache
def class_names(table: str) -> dict[str, str]:
    """Our label for each class name of a data set: the CSV of that name in `scenes/assets`, two columns."""
    with (_ASSETS / f"{table}_classes.csv").open(newline="", encoding="utf-8") as file:
        return {row[table]: row["label"] for row in csv.DictReader(file)}


def class_of(table: str, name: str) -> int:
    """Id of the label of one of a data set's class names, or of one of ours; others are an "OtherObject"."""
    if any(name == label.name for label in label_table()):
        return class_id(name)
    ours = class_names(table).get(name, "OtherObject")
    return 0 if ours == VOID else class_id(ours)


def annotated_geometry(
    mesh: AnnotatedMesh, table: str, digest: str, space: str, in_replica_layout: bool = False
) -> SceneGeometry:
    """The space, an instance for each object that has faces; `table` names the data set's classes.

    An object 0, which in a frame would mean that nothing was hit, gets the first free number above the
    others. Raises ValueError for a mesh whose faces are all without area, and for more objects than frames
    can number.
    """
    points = z_up_to_y_up(mesh.points)
    normals = None if mesh.normals is None else z_up_to_y_up(mesh.normals)
    if normals is None:
        normals = vertex_normals(points, mesh.faces)
    present = np.unique(mesh.objects).tolist()
    free = max([0, *mesh.names, *present]) + 1
    if free >= 2**16:
        raise ValueError(f"{mesh.file} has an object {free - 1}; frames number 65,534: number them anew")
    meshes: list[Mesh] = []
    instances: list[Instance] = []
    for number in present:
        faces = mesh.faces[mesh.objects == number]
        part = _part(f"{digest[:16]}/{number}", points, normals, mesh.colors, faces)
        if part is None:
            continue
        name = mesh.names.get(number, VOID)
        own_id = number if number > 0 else free
        instances.append(Instance(f"{name} {number}", len(meshes), np.eye(4), class_of(table, name), own_id))
        meshes.append(part)
    if not instances:
        raise ValueError(f"{mesh.file} holds no surface: all its faces are without area")
    floor = class_id("Floor")
    marked = {i for i, x in enumerate(instances) if x.class_id == floor}
    return SceneGeometry(
        space=space,
        digest=digest,
        meshes=tuple(meshes),
        instances=tuple(instances),
        lights=(),
        floor=floor_regions(meshes, marked),
        mesh_file=mesh.file,
        in_replica_layout=in_replica_layout,
        captured=True,
    )


def z_up_to_y_up(vectors: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    """From a world with z up to ours."""
    x, y, z = vectors.T
    return np.stack([x, z, -y], 1).astype(np.float32)


def _part(
    key: str, points: np.ndarray, normals: np.ndarray, colors: np.ndarray, faces: np.ndarray
) -> Mesh | None:
    """One object's mesh, faces without area left out; None if it had no others.

    Vertices of less than full opacity, which only our own exports have, make glass.
    """
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    faces = faces[np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12]
    if not len(faces):
        return None
    used, corners = np.unique(faces, return_inverse=True)
    levels, slots = np.unique(colors[faces, 3].max(1), return_inverse=True)
    return Mesh(
        key=key,
        vertices=points[used],
        faces=corners.reshape(-1, 3).astype(np.int32),
        normals=normals[used],
        uvs=np.zeros((len(used), 2), np.float32),
        material_ids=slots.astype(np.int32),
        materials=tuple(Material(f"captured {v}", opacity=v / 255) for v in levels.tolist()),
        colors=np.ascontiguousarray(colors[used, :3]),
    )
