"""A scene folder of the Replica dataset, read: `read_replica(Path("replica_v1/office_0"))`.

    office_0/mesh.ply                     quads with vertex colours
             habitat/mesh_semantic.ply    the same surface; each face names its object
             habitat/info_semantic.json   what each object is

Geometry, normals, colours and labels come of `mesh_semantic.ply`; where that has no colours, each vertex
takes those of the nearest one of `mesh.ply`. The HDR textures and `glass.sur` are not read. Replica's world
has z up; ours is that, turned: (x, y, z) stands at (x, z, -y). Replica's objects count from 0, which in a
frame means that nothing was hit: an object 0 gets the first free number above the others.
"""

import csv
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32
from scipy.spatial import KDTree

from scenes.digests import digest_of_files
from scenes.formats.ply import PlyMesh, read_ply
from scenes.formats.replica_files import INFO, MESH, SEMANTIC, is_replica, replica_files
from scenes.formats.scan.floor import floor_regions
from scenes.formats.space_format import DEFAULT_OPTIONS, Known, SpaceFacts, SpaceOptions, credits_beside
from scenes.house.labels import VOID, class_id, label_table
from scenes.meshes.geometry import Instance, Material, Mesh, SceneGeometry
from scenes.meshes.meshing import vertex_normals

TABLE = Path(__file__).parents[1] / "assets" / "replica_classes.csv"


class ReplicaFormat:
    """See `scenes/formats/space_format.py` for the protocol."""

    known = Known(labels="always", light="captured", units="metres", up="z")

    def recognises(self, path: Path) -> bool:
        """Whether a folder holds any of a scene's files."""
        return is_replica(path)

    def identify(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> tuple[str, str]:
        """Digest of the scene's files, and the folder's name. Raises ValueError for missing files."""
        return digest_of_files(replica_files(path)), path.resolve().name

    def load(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
        """As `read_replica`."""
        return read_replica(path)

    def facts(self, geometry: SceneGeometry, path: Path) -> SpaceFacts:
        """Of family "replica"."""
        return SpaceFacts("replica", f"folder {path.name} in Replica's layout")

    def credits(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> list[str]:
        """What lies in the folder as `CREDITS.txt`."""
        return credits_beside(path)


def read_replica(folder: Path) -> SceneGeometry:
    """The scene, an instance for each object that has faces.

    Raises ValueError for a folder without its files, for files that are cut off or broken, and for faces of
    an object that `info_semantic.json` does not know.
    """
    digest = digest_of_files(replica_files(folder))
    names = _object_classes(folder / INFO)
    ply = read_ply(folder / SEMANTIC)
    if "object_id" not in ply.of_polygon:
        raise ValueError(f"{folder / SEMANTIC} has faces without object_id: it is not a semantic mesh")
    objects = ply.of_polygon["object_id"][ply.polygon].astype(np.int64)
    unknown = sorted({int(i) for i in np.unique(objects) if i > 0} - names.keys())
    if unknown:
        raise ValueError(f"{folder / INFO} does not say what object {unknown[0]} is, which {SEMANTIC} shows")
    points, normals = z_up_to_y_up(ply.points), None if ply.normals is None else z_up_to_y_up(ply.normals)
    colors = _colors(folder, ply)
    if normals is None:
        normals = vertex_normals(points, ply.faces)
    free = max([0, *names, *np.unique(objects).tolist()]) + 1
    meshes, instances = [], []
    for number in np.unique(objects).tolist():
        mesh = _part(f"{digest[:16]}/{number}", points, normals, colors, ply.faces[objects == number])
        if mesh is None:
            continue
        name = names.get(number, VOID)
        own_id = number if number > 0 else free
        instances.append(Instance(f"{name} {number}", len(meshes), np.eye(4), label_id(name), own_id))
        meshes.append(mesh)
    if not instances:
        raise ValueError(f"{folder / SEMANTIC} holds no surface: all its faces are without area")
    floor = class_id("Floor")
    marked = {i for i, x in enumerate(instances) if x.class_id == floor}
    return SceneGeometry(
        space=folder.resolve().name,
        digest=digest,
        meshes=tuple(meshes),
        instances=tuple(instances),
        lights=(),
        floor=floor_regions(meshes, marked),
        mesh_file=folder / SEMANTIC,
        in_replica_layout=True,
        captured=True,
    )


def label_id(name: str) -> int:
    """The class of one of Replica's class names, or of one of ours; others are an "OtherObject"."""
    if any(name == label.name for label in label_table()):
        return class_id(name)
    ours = _class_names().get(name, "OtherObject")
    return 0 if ours == VOID else class_id(ours)


@cache
def _class_names() -> dict[str, str]:
    with TABLE.open(newline="", encoding="utf-8") as file:
        return {row["replica"]: row["label"] for row in csv.DictReader(file)}


def _object_classes(path: Path) -> dict[int, str]:
    """Class name of each object by its id; raises ValueError for a file that does not say."""
    try:
        info: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        classes = {int(row["id"]): str(row["name"]) for row in info["classes"]}
        rows = [row for row in info["objects"] if row is not None]
        return {int(r["id"]): str(r.get("class_name") or classes[int(r["class_id"])]) for r in rows}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not Replica's: it needs classes (id, name) and objects (id, class_id, class_name); "
            f"{error!r}"
        ) from error


def z_up_to_y_up(vectors: Float[np.ndarray, "n 3"]) -> Float32[np.ndarray, "n 3"]:
    """From Replica's world, z up, to ours."""
    x, y, z = vectors.T
    return np.stack([x, z, -y], 1).astype(np.float32)


def _colors(folder: Path, ply: PlyMesh) -> np.ndarray:
    """uint8 [v, 4] of the semantic mesh's vertices."""
    if ply.colors is not None:
        return ply.colors
    if not (folder / MESH).is_file():
        raise ValueError(f"{folder / SEMANTIC} has no colours, and {MESH}, which would have them, is missing")
    seen = read_ply(folder / MESH)
    if seen.colors is None:
        raise ValueError(f"neither {folder / MESH} nor {SEMANTIC} has vertex colours (red, green, blue)")
    return seen.colors[KDTree(seen.points).query(ply.points)[1]]


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
