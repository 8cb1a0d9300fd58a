"""A scene of ScanNet++ (Yeshwanth et al., ICCV 2023), its annotated mesh read: `read_scannetpp(Path(scene))`.

    SCENE/scans/mesh_aligned_0.05.ply     vertices with colours (or scene.ply)
                segments.json             segIndices: the segment of each vertex
                segments_anno.json        segGroups: objectId, label and segments of each object

A face is of the object that most of its corners are of. Where objects share a segment, the one of fewer
vertices has it: what lies on a table is no table. The world has z up, as the mesh is aligned. Labels become
ours by `scenes/assets/scannetpp_classes.csv`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64

from scenes.digests import digest_of_files
from scenes.formats.annotated import AnnotatedMesh, annotated_geometry
from scenes.formats.ply import read_ply
from scenes.formats.space_format import DEFAULT_OPTIONS, Known, SpaceFacts, SpaceOptions, credits_beside
from scenes.meshes.geometry import SceneGeometry

MESHES = ("mesh_aligned_0.05.ply", "scene.ply")
SEGMENTS, ANNOTATION = "segments.json", "segments_anno.json"
_GREY = 128


class ScannetppFormat:
    """See `scenes/formats/space_format.py` for the protocol."""

    known = Known(labels="always", light="captured", units="metres", up="z")

    def recognises(self, path: Path) -> bool:
        """Whether a folder is a scene's, or its folder `scans`."""
        return path.is_dir() and any((p / ANNOTATION).is_file() for p in (path, path / "scans"))

    def identify(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> tuple[str, str]:
        """Digest of the scene's files, and its name. Raises ValueError for missing files."""
        return digest_of_files(scannetpp_files(path)), _name(path)

    def load(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
        """As `read_scannetpp`."""
        return read_scannetpp(path)

    def facts(self, geometry: SceneGeometry, path: Path) -> SpaceFacts:
        """Of family "scannetpp"."""
        return SpaceFacts("scannetpp", f"annotated mesh of {path.name} in ScanNet++'s layout")

    def credits(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> list[str]:
        """What lies in the folder as `CREDITS.txt`."""
        return credits_beside(path)


def scannetpp_files(folder: Path) -> list[Path]:
    """Mesh, segments and annotation of a scene. Raises ValueError naming those that are missing."""
    scans = folder if (folder / ANNOTATION).is_file() else folder / "scans"
    mesh = next((scans / name for name in MESHES if (scans / name).is_file()), None)
    lacks = [n for n in (SEGMENTS, ANNOTATION) if not (scans / n).is_file()]
    lacks += [] if mesh else [MESHES[0]]
    if mesh is None or lacks:
        raise ValueError(
            f"{folder} is no whole scene of ScanNet++: {' and '.join(lacks)} missing: download them into "
            f"{scans}"
        )
    return [mesh, scans / SEGMENTS, scans / ANNOTATION]


def read_scannetpp(folder: Path) -> SceneGeometry:
    """The scene, an instance for each object that has faces, and one for what is not annotated.

    Raises ValueError for a folder without its files, for files that are cut off or broken, and for segments
    of another mesh.
    """
    mesh_file, segments_file, annotation = files = scannetpp_files(folder)
    ply = read_ply(mesh_file)
    segments = _segments(segments_file)
    if len(segments) != len(ply.points):
        raise ValueError(
            f"{segments_file} has segments of {len(segments)} vertices, {mesh_file.name} has "
            f"{len(ply.points)} vertices: download both of the same release"
        )
    names, of_vertex = _objects(annotation, segments)
    colors = ply.colors
    if colors is None:
        colors = np.full((len(ply.points), 4), (_GREY, _GREY, _GREY, 255), np.uint8)
    mesh = AnnotatedMesh(
        mesh_file, ply.points, ply.faces, colors, _of_faces(of_vertex[ply.faces]), names, ply.normals
    )
    return annotated_geometry(mesh, "scannetpp", digest_of_files(files), _name(folder))


def _name(folder: Path) -> str:
    path = folder.resolve()
    return path.parent.name if path.name == "scans" else path.name


def _segments(path: Path) -> Int64[np.ndarray, " v"]:
    try:
        segments = np.array(json.loads(path.read_text(encoding="utf-8"))["segIndices"])
        if segments.ndim != 1 or segments.dtype.kind not in "iu":
            raise ValueError("they are no list of whole numbers")
        return segments.astype(np.int64)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} has no segIndices that can be read ({error}): download it again") from error


def _objects(path: Path, segments: Int64[np.ndarray, " v"]) -> tuple[dict[int, str], Int64[np.ndarray, " v"]]:
    """Label of each object, and the object of each vertex, 0 where there is none."""
    try:
        groups: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["segGroups"]
        given = [(int(g["objectId"]), str(g["label"]), np.array(g["segments"], np.int64)) for g in groups]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} has no segGroups with objectId, label and segments ({error!r}): download it again"
        ) from error
    if any(number < 1 for number, *_ in given) or len({number for number, *_ in given}) != len(given):
        raise ValueError(f"{path} numbers an object below 1, or two alike: download it again")
    kinds, compact = np.unique(segments, return_inverse=True)
    sizes = np.bincount(compact, minlength=len(kinds))
    parts = []
    for number, label, listed in given:
        at = np.flatnonzero(np.isin(kinds, listed))
        parts.append((int(sizes[at].sum()), number, label, at))
    of_kind = np.zeros(len(kinds), np.int64)
    for _, number, _, at in sorted(parts, key=lambda part: (-part[0], part[1])):
        of_kind[at] = number
    return {number: label for _, number, label, _ in parts}, of_kind[compact]


def _of_faces(corners: Int64[np.ndarray, "f 3"]) -> Int64[np.ndarray, " f"]:
    """The object of most corners of each face; of the first where all differ."""
    first, second, third = corners.T
    return np.where(second == third, second, first)
