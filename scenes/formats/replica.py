"""A scene folder of the Replica dataset, read: `read_replica(Path("replica_v1/office_0"))`.

    office_0/mesh.ply                     quads with vertex colours
             habitat/mesh_semantic.ply    the same surface; each face names its object
             habitat/info_semantic.json   what each object is

Geometry, normals, colours and labels come of `mesh_semantic.ply`; where that has no colours, each vertex
takes those of the nearest one of `mesh.ply`. The HDR textures and `glass.sur` are not read. Replica's world
has z up; ours is that, turned: (x, y, z) stands at (x, z, -y). Replica's objects count from 0, which in a
frame means that nothing was hit: an object 0 gets the first free number above the others.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial import KDTree

from scenes.digests import digest_of_files
from scenes.formats.annotated import AnnotatedMesh, annotated_geometry, class_of
from scenes.formats.ply import PlyMesh, read_ply
from scenes.formats.replica_files import INFO, MESH, SEMANTIC, is_replica, replica_files
from scenes.formats.space_format import DEFAULT_OPTIONS, Known, SpaceFacts, SpaceOptions, credits_beside
from scenes.meshes.geometry import SceneGeometry


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
    mesh = AnnotatedMesh(
        folder / SEMANTIC, ply.points, ply.faces, _colors(folder, ply), objects, names, ply.normals
    )
    return annotated_geometry(mesh, "replica", digest, folder.resolve().name, in_replica_layout=True)


def label_id(name: str) -> int:
    """The class of one of Replica's class names, or of one of ours; others are an "OtherObject"."""
    return class_of("replica", name)


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
