"""A scan or model of a space in one file: glTF (.glb, .gltf), OBJ with MTL, or PLY.

    geometry = read_scan(Path("flat.glb"))
    geometry = read_scan(Path("flat.ply"), SpaceOptions(units="mm", up="y"))

Textures and vertex colours hold the light that they were seen in: a file with any is shown as captured, its
parts without colours shaded by the way they face. A file without any is lit like a room: by its own lamps
where it has some (glTF), else by lamps under its ceilings, the sky, and a sun where there is no ceiling.

Each node (glTF), object (OBJ) or file (PLY) is an instance. Its class is the one that its glTF extras name
under `class`, as our own exports do; else one of Replica's class names or ours where it has that name; else
"OtherObject". Where every node has an `instance_id` there, it is kept; else they are numbered.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from scenes.digests import digest_of_files
from scenes.formats.gltf.document import open_gltf, resource_files
from scenes.formats.gltf.read import read_gltf
from scenes.formats.replica import label_id
from scenes.formats.scan.floor import floor_regions
from scenes.formats.scan.frame import Frame, settle
from scenes.formats.scan.light import lights_of, shaded
from scenes.formats.scan.others import obj_files, ply_files, read_obj_file, read_ply_file
from scenes.formats.scan.pieces import Piece, ScanFile
from scenes.formats.space_format import DEFAULT_OPTIONS, Known, SpaceFacts, SpaceOptions, credits_beside
from scenes.house.labels import class_id
from scenes.meshes.geometry import Instance, Light, Mesh, SceneGeometry
from scenes.meshes.meshing import CREASE_DEG, creased_normals, face_normals, together, vertex_normals

DENSE = 50_000
"""Meshes of more faces are smoothed all over where the file has no normals: those of a scanner have no
creases."""
Reader = tuple[Callable[[Path], ScanFile], Callable[[Path], list[Path]]]
_GLTF: Reader = (read_gltf, lambda path: resource_files(open_gltf(path)))
READERS: dict[str, Reader] = {
    ".glb": _GLTF,
    ".gltf": _GLTF,
    ".obj": (read_obj_file, obj_files),
    ".ply": (read_ply_file, ply_files),
}
"""By suffix: what reads a file, and what lists the files that it is made of."""


class ScanFormat:
    """See `scenes/formats/space_format.py` for the protocol."""

    known = Known(labels="sometimes", light="either", units="unsaid", up="unsaid")

    def recognises(self, path: Path) -> bool:
        """Whether the name has a suffix of a scan's."""
        return path.suffix.lower() in READERS

    def identify(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> tuple[str, str]:
        """Digest of the file and of those that it names, and its name without the suffix."""
        digest = digest_of_files(READERS[path.suffix.lower()][1](path))
        told = [f"{k} {v}" for k, v in (("units", options.units), ("up", options.up)) if v is not None]
        if told:
            digest = hashlib.sha256("\n".join([digest, *told]).encode()).hexdigest()
        return digest, path.stem

    def load(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
        """As `read_scan`."""
        return read_scan(path, options)

    def facts(self, geometry: SceneGeometry, path: Path) -> SpaceFacts:
        """Of family "scan"; what was guessed is told."""
        return SpaceFacts("scan", "; ".join([f"scan {path.name}", *geometry.notes]))

    def credits(self, path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> list[str]:
        """What lies beside the file as `<stem>.credits.txt`."""
        return credits_beside(path)


def read_scan(path: Path, options: SpaceOptions = DEFAULT_OPTIONS) -> SceneGeometry:
    """The space in a file; its `notes` say what was guessed or left out.

    Raises ValueError, naming the file and what to do, for one that is damaged, holds no surface, or is of a
    kind that is not read.
    """
    file = READERS[path.suffix.lower()][0](path)
    digest, space = ScanFormat().identify(path, options)
    file = replace(file, pieces=[p for p in map(_with_area, file.pieces) if len(p.faces)])
    if not file.pieces:
        raise ValueError(f"{path} holds no surface: a mesh with faces is needed, a point cloud is not enough")
    frame = settle(path, file, options.units, options.up)
    captured = any(piece.captured for piece in file.pieces)
    things: dict[int, list[Piece]] = {}
    for piece in file.pieces:
        things.setdefault(piece.thing, []).append(piece)
    given = [group[0].instance_id for group in things.values()]
    kept = len(set(given)) == len(given) and all(n is not None and 0 < n < 2**16 for n in given)
    meshes: list[Mesh] = []
    instances: list[Instance] = []
    for number, group in enumerate(things.values(), start=1):
        first = group[0]
        own = first.instance_id if kept and first.instance_id is not None else number
        instances.append(
            Instance(first.name, len(meshes), np.eye(4), label_id(first.kind or first.name), own)
        )
        meshes.append(joined(f"{digest[:16]}/{own}", [piece_mesh(piece, frame, captured) for piece in group]))
    if len(instances) >= 2**16:
        raise ValueError(
            f"{path} holds {len(instances)} things; frames number 65,535: join some of its nodes"
        )
    floor_class = class_id("Floor")
    marked = {i for i, x in enumerate(instances) if x.class_id == floor_class}
    floor = floor_regions(meshes, marked)
    lights = tuple(_in_our_world(light, frame) for light in file.lights)
    plain = path.suffix.lower() in (".glb", ".ply") and frame.plain
    return SceneGeometry(
        space=space,
        digest=digest,
        meshes=tuple(meshes),
        instances=tuple(instances),
        lights=() if captured else lights or lights_of(floor, meshes),
        floor=floor,
        mesh_file=path if plain else None,
        captured=captured,
        notes=(*file.notes, *frame.notes),
    )


def _with_area(piece: Piece) -> Piece:
    """The piece without faces that have no area."""
    a, b, c = (piece.points[piece.faces[:, k]] for k in range(3))
    size = float(np.ptp(piece.points, axis=0).max(initial=0.0)) if len(piece.points) else 0.0
    keep = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12 * max(size, 1e-9) ** 2
    return replace(piece, faces=piece.faces[keep])


def piece_mesh(piece: Piece, frame: Frame, captured: bool) -> Mesh:
    """A piece in our world."""
    points = frame.points(piece.points).astype(np.float32)
    faces, normals, uvs, colors = piece.faces, piece.normals, piece.uvs, piece.colors
    if normals is not None:
        normals = normals @ frame.turn.T
        lost = np.linalg.norm(normals, axis=1) < 0.5
        if lost.any():
            normals = np.where(lost[:, None], vertex_normals(points, faces), normals)
    elif len(faces) > DENSE:
        normals = vertex_normals(points, faces)
    else:
        flat = face_normals(points, faces)
        groups, one = np.zeros(len(faces), np.int64), np.zeros(len(points), np.int64)
        corner = creased_normals(points, faces, flat, groups, CREASE_DEG, one).reshape(-1, 3)
        bend = together(np.rint(corner * 511).astype(np.int64) + 511)
        _, first, index = np.unique(
            together(np.column_stack([faces.ravel(), bend])), return_index=True, return_inverse=True
        )
        old = faces.ravel()[first]
        points, normals, faces = points[old], corner[first], index.reshape(-1, 3)
        uvs, colors = (None if v is None else v[old] for v in (uvs, colors))
    normals = np.where(np.linalg.norm(normals, axis=1, keepdims=True) < 0.5, (0.0, 1.0, 0.0), normals)
    material = piece.material
    if captured and not piece.captured:
        material, colors = shaded(material, normals)
    return Mesh(
        key="",
        vertices=points,
        faces=faces.astype(np.int32),
        normals=normals.astype(np.float32),
        uvs=np.zeros((len(points), 2), np.float32) if uvs is None else uvs.astype(np.float32),
        material_ids=np.zeros(len(faces), np.int32),
        materials=(material,),
        colors=colors,
    )


def joined(key: str, parts: list[Mesh]) -> Mesh:
    """One mesh with the materials of all."""
    start = np.cumsum([0, *(len(m.vertices) for m in parts)])
    white = [np.full((len(m.vertices), 3), 255, np.uint8) if m.colors is None else m.colors for m in parts]
    return Mesh(
        key=key,
        vertices=np.concatenate([m.vertices for m in parts]),
        faces=np.concatenate([m.faces + k for m, k in zip(parts, start[:-1], strict=True)]).astype(np.int32),
        normals=np.concatenate([m.normals for m in parts]),
        uvs=np.concatenate([m.uvs for m in parts]),
        material_ids=np.repeat(np.arange(len(parts)), [len(m.faces) for m in parts]).astype(np.int32),
        materials=tuple(m.materials[0] for m in parts),
        colors=np.concatenate(white) if any(m.colors is not None for m in parts) else None,
    )


def _in_our_world(light: Light, frame: Frame) -> Light:
    x, y, z = frame.points(np.array([light.position]))[0].tolist()
    dx, dy, dz = (frame.turn @ np.array(light.direction)).tolist()
    return replace(light, position=(x, y, z), direction=(dx, dy, dz), range=light.range * frame.scale)
