"""A scan or model of a space in one file, read with trimesh: GLB or PLY.

    geometry = read_scan(Path("flat.glb"))

Shown as it was captured: textures and vertex colours, taken for sRGB, hold their light already, and lamps
in the file are not read. Each node is an instance. Its class is the one that its glTF extras name under
`class`, as our own exports do; else one of Replica's class names or ours where the node has that name; else
"OtherObject". Where every node has an `instance_id` there, it is kept; else nodes are numbered. glTF's
world, y up and metres, is ours. A PLY file says neither: z is taken for up, as scanners mostly have it, and
metres for its unit.
"""

from pathlib import Path
from typing import Any

import numpy as np

from scenes.digests import digest_of_files
from scenes.formats.replica import label_id, z_up_to_y_up
from scenes.formats.scan_floor import floor_regions
from scenes.formats.space_format import Known, SpaceFacts, credits_beside
from scenes.house.labels import class_id
from scenes.meshes.geometry import Instance, Material, Mesh, SceneGeometry
from scenes.meshes.meshing import vertex_normals
from scenes.srgb import to_srgb

SUFFIXES = (".glb", ".ply")


class ScanFormat:
    """See `scenes/formats/space_format.py` for the protocol."""

    known = Known(labels="sometimes", light="captured", units="metres", up="unsaid")

    def recognises(self, path: Path) -> bool:
        """Whether the name has a suffix of a scan's."""
        return path.suffix.lower() in SUFFIXES

    def identify(self, path: Path) -> tuple[str, str]:
        """Digest of the file, and its name without the suffix."""
        return digest_of_files([path]), path.stem

    def load(self, path: Path) -> SceneGeometry:
        """As `read_scan`."""
        return read_scan(path)

    def facts(self, geometry: SceneGeometry, path: Path) -> SpaceFacts:
        """Of family "scan"."""
        return SpaceFacts("scan", f"scan {path.name}")

    def credits(self, path: Path) -> list[str]:
        """What lies beside the file as `<stem>.credits.txt`."""
        return credits_beside(path)


def read_scan(path: Path) -> SceneGeometry:
    """The space in a file. Raises ValueError for one that trimesh cannot read or that holds no surface."""
    # trimesh takes a second to import, and houses do without it.
    import trimesh

    try:
        scene = trimesh.load_scene(path, process=False)
    except Exception as error:  # trimesh raises whatever its readers happen to
        raise ValueError(
            f"{path} cannot be read: {error}. It may be cut off, or hold what trimesh does not read, as a "
            "PLY file of polygons of several sizes; saved anew from Blender or MeshLab as GLB it can be"
        ) from error
    digest = digest_of_files([path])
    turn = z_up_to_y_up if path.suffix.lower() == ".ply" else np.asarray
    pieces: dict[int, list[tuple[str, Any, np.ndarray]]] = {}
    known = {name: _extras(scene, name) for name in scene.graph.nodes_geometry}
    numbers = [e.get("instance_id") for e in known.values()]
    numbered = all(isinstance(n, int) and 0 < n < 2**16 for n in numbers)
    # trimesh makes a node for each material of a mesh, in no fixed order and with names it draws at random.
    for name in sorted(known, key=lambda n: (scene.graph[n][1], scene.graph[n][0].tobytes())):
        transform, geometry = scene.graph[name]
        found = scene.geometry[geometry]
        if isinstance(found, trimesh.Trimesh) and len(found.faces):
            number = known[name]["instance_id"] if numbered else len(pieces) + 1
            pieces.setdefault(number, []).append((name, found, transform))
    meshes: list[Mesh] = []
    instances: list[Instance] = []
    for number, group in sorted(pieces.items()):
        parts = [m for _, f, transform in group if (m := _mesh(f, transform, turn)) is not None]
        if parts:
            name = group[0][0]
            kind = label_id(str(known[name].get("class", name)))
            instances.append(Instance(name, len(meshes), np.eye(4), kind, number))
            meshes.append(_joined(f"{digest[:16]}/{number}", parts))
    if not meshes:
        raise ValueError(f"{path} holds no surface: a mesh with faces is needed, a point cloud is not enough")
    floor = class_id("Floor")
    return SceneGeometry(
        space=path.stem,
        digest=digest,
        meshes=tuple(meshes),
        instances=tuple(instances),
        lights=(),
        floor=floor_regions(meshes, {i for i, x in enumerate(instances) if x.class_id == floor}),
        mesh_file=path,
        captured=True,
    )


def _extras(scene: Any, node: str) -> dict[str, Any]:
    """glTF's extras of a node; those of a mesh of several materials are on each of its nodes."""
    tree = scene.graph.transforms
    return dict(tree.edge_data.get((tree.parents.get(node), node), {}).get("metadata") or {})


def _joined(key: str, parts: list[Mesh]) -> Mesh:
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


def _mesh(found: Any, transform: np.ndarray, turn: Any) -> Mesh | None:
    """A geometry of trimesh's, in the world; None if all its faces are without area."""
    points = turn(found.vertices @ transform[:3, :3].T + transform[:3, 3]).astype(np.float32)
    faces = np.asarray(found.faces)
    if np.linalg.det(transform[:3, :3]) < 0:
        faces = faces[:, ::-1]
    a, b, c = (points[faces[:, k]].astype(np.float64) for k in range(3))
    keep = np.linalg.norm(np.cross(b - a, c - a), axis=1) > 1e-12
    if not keep.any():
        return None
    material, uvs, colors, faces, points = _look(found, faces[keep], points, keep)
    return Mesh(
        key="",
        vertices=points,
        faces=faces.astype(np.int32),
        normals=vertex_normals(points, faces),
        uvs=uvs.astype(np.float32),
        material_ids=np.zeros(len(faces), np.int32),
        materials=(material,),
        colors=colors,
    )


def _look(
    found: Any, faces: np.ndarray, points: np.ndarray, keep: np.ndarray
) -> tuple[Material, np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """Material, uvs [v, 2], colours [v, 3], and faces and points, torn apart where colours are of faces."""
    visual, uvs = found.visual, np.zeros((len(points), 2))
    if visual.kind == "texture":
        if visual.uv is not None:
            uvs = np.asarray(visual.uv)
        extra = getattr(visual, "vertex_attributes", {}).get("color")
        colors = None if extra is None else np.asarray(extra)[:, :3].astype(np.uint8)
        return _material(visual.material), uvs, colors, faces, points
    if visual.kind == "face":
        colors = np.repeat(np.asarray(visual.face_colors)[keep, :3], 3, axis=0).astype(np.uint8)
        points = points[faces.ravel()]
        return (
            Material("captured"),
            np.zeros((len(points), 2)),
            colors,
            np.arange(len(points)).reshape(-1, 3),
            points,
        )
    if visual.kind == "vertex":
        colors = np.ascontiguousarray(np.asarray(visual.vertex_colors)[:, :3], np.uint8)
        return Material("captured"), uvs, colors, faces, points
    return Material("captured", (0.7, 0.7, 0.7)), uvs, None, faces, points


def _material(material: Any) -> Material:
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    texture = None if image is None else np.ascontiguousarray(np.asarray(image.convert("RGB"), np.uint8))
    factor = getattr(material, "baseColorFactor", None)
    if factor is None and image is None:
        factor = getattr(material, "diffuse", None)
    color, opacity = np.ones(3), 1.0
    if factor is not None:
        values = np.asarray(factor, np.float64)
        values = values / 255 if np.asarray(factor).dtype.kind in "iu" else values
        color = to_srgb(values[:3])
        if getattr(material, "alphaMode", None) == "BLEND" and len(values) > 3:
            opacity = float(np.clip(values[3], 1 / 255, 1.0))
    r, g, b = color.tolist()
    return Material("captured", (r, g, b), texture, opacity=opacity)
