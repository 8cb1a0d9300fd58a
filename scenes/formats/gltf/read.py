"""A glTF file as pieces of surface and lamps: `read_gltf(Path("room.glb"))`, .glb or .gltf.

The scene that the file names is read (the first where it names none), each node with a mesh is a thing, and
the node's extras may say its class and instance id, as our own exports do.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from scenes.formats.gltf.accessors import read_accessor
from scenes.formats.gltf.document import GltfDocument, open_gltf
from scenes.formats.gltf.materials import GltfMaterials, unrolled
from scenes.formats.gltf.primitives import read_primitive, shown_faces, skinned, unit, vertex_colors
from scenes.formats.scan.pieces import Piece, ScanFile
from scenes.meshes.geometry import Light

LUMENS = 683.0 / (4 * np.pi)  # candela of a point light whose colour is 1: as Blender's glTF files have it


def read_gltf(path: Path) -> ScanFile:
    """The scene in a file. Raises ValueError, naming the file, for what is damaged or not read."""
    document = open_gltf(path)
    try:
        return _read(document)
    except (
        AttributeError,
        TypeError,
        KeyError,
        IndexError,
    ) as error:  # a text where an object should be, say
        raise ValueError(f"{path} is no valid glTF: a value in it is of the wrong type: {error}") from error


def _read(document: GltfDocument) -> ScanFile:
    nodes, materials = document.items("nodes"), GltfMaterials(document)
    order = list(_walk(document))
    world = np.tile(np.eye(4), (max(len(nodes), 1), 1, 1))
    for index, parent in order:
        local = _local(document, nodes[index])
        world[index] = local if parent is None else world[parent] @ local
    pieces: list[Piece] = []
    lights: list[Light] = []
    left_out = 0
    things = 0
    for index, _ in order:
        node = nodes[index]
        light = node.get("extensions", {}).get("KHR_lights_punctual", {}).get("light")
        if light is not None:
            lights.append(_light(document, light, world[index]))
        if "mesh" not in node:
            continue
        for at in _instances(document, node, world[index]):
            found, skipped = _node_pieces(document, materials, node, index, world, at, things)
            pieces += found
            left_out += skipped
            things += bool(found)
    notes = []
    if left_out:
        notes.append(f"{left_out} meshes of points or lines are left out")
    if len(document.items("scenes")) > 1:
        notes.append(f"scene {_scene(document)} of {len(document.items('scenes'))} is read")
    return ScanFile(pieces, units="m", up="y", lights=tuple(lights), notes=tuple(notes))


def _scene(document: GltfDocument) -> int:
    return document.json.get("scene", 0)


def _walk(document: GltfDocument) -> Iterator[tuple[int, int | None]]:
    """Nodes of the scene and their parents, a parent before its children; hidden ones are left out."""
    nodes = document.items("nodes")
    if document.items("scenes"):
        roots = document.item("scenes", _scene(document)).get("nodes", [])
    else:  # a library of nodes: those that are no one's child
        children = {c for n in nodes for c in n.get("children", [])}
        roots = [k for k in range(len(nodes)) if k not in children]
    stack: list[tuple[int, int | None]] = [(k, None) for k in reversed(roots)]
    seen: set[int] = set()
    while stack:
        index, parent = stack.pop()
        node = document.item("nodes", index)
        if index in seen:
            raise ValueError(
                f"{document.path}: node {index} is in the scene twice, where nodes must be a tree"
            )
        seen.add(index)
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True):
            yield index, parent
            stack += [(k, index) for k in reversed(node.get("children", []))]


def _local(document: GltfDocument, node: dict[str, Any]) -> np.ndarray:
    """A node's matrix [4, 4], to its parent. Raises ValueError for one that is not of finite numbers."""
    try:
        if "matrix" in node:
            matrix = np.asarray(node["matrix"], np.float64).reshape(4, 4).T
        else:
            shift = np.asarray(node.get("translation", [0, 0, 0]), np.float64)
            turn = np.asarray(node.get("rotation", [0, 0, 0, 1]), np.float64)
            scale = np.asarray(node.get("scale", [1, 1, 1]), np.float64)
            with np.errstate(invalid="ignore"):  # what is not finite is refused below
                matrix = _matrix(shift[None], turn[None], scale[None])[0]
    except (TypeError, ValueError) as error:
        raise ValueError(f"{document.path}: a node is placed by what is no matrix: {error}") from error
    if not np.isfinite(matrix).all():
        raise ValueError(f"{document.path}: a node is placed by numbers that are not finite")
    return matrix


def _matrix(
    shift: Float[np.ndarray, "n 3"], turn: Float[np.ndarray, "n 4"], scale: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, "n 4 4"]:
    """Translation · rotation (quaternion x, y, z, w) · scale."""
    out = np.tile(np.eye(4), (len(shift), 1, 1))
    out[:, :3, :3] = Rotation.from_quat(turn).as_matrix() * scale[:, None, :]
    out[:, :3, 3] = shift
    return out


def _instances(document: GltfDocument, node: dict[str, Any], at: np.ndarray) -> list[np.ndarray]:
    """Where a node's mesh stands: once, or as often as EXT_mesh_gpu_instancing says."""
    several = node.get("extensions", {}).get("EXT_mesh_gpu_instancing", {}).get("attributes")
    if not several:
        return [at]
    arrays = {
        k: read_accessor(document, v).astype(np.float64) for k, v in several.items() if not k.startswith("_")
    }
    count = max((len(values) for values in arrays.values()), default=1)
    places = _matrix(
        arrays.get("TRANSLATION", np.zeros((count, 3))),
        arrays.get("ROTATION", np.tile([0.0, 0, 0, 1], (count, 1))),
        arrays.get("SCALE", np.ones((count, 3))),
    )
    return list(at @ places)


def _node_pieces(
    document: GltfDocument,
    materials: GltfMaterials,
    node: dict[str, Any],
    index: int,
    world: np.ndarray,
    at: np.ndarray,
    thing: int,
) -> tuple[list[Piece], int]:
    """The pieces of a node, a primitive each, and how many primitives of points or lines it has besides."""
    mesh = document.item("meshes", node["mesh"])
    extras: dict[str, Any] = node["extras"] if isinstance(node.get("extras"), dict) else {}
    number = extras.get("instance_id")
    weights = node.get("weights", mesh.get("weights", []))
    pieces, left_out = [], 0
    for primitive in mesh.get("primitives", []):
        attributes, faces = read_primitive(document, primitive, weights)
        if not len(faces):
            left_out += 1
            continue
        surface = materials.surface(primitive.get("material"))
        uvs = attributes.get(f"TEXCOORD_{surface.uv_set}")
        uvs = None if uvs is None or surface.material.texture is None else surface.uvs(uvs)
        visible = shown_faces(surface, uvs, faces)
        material = surface.material
        if uvs is not None:
            material, uvs = unrolled(material, uvs, surface.clamp)
        if "skin" in node and "JOINTS_0" in attributes:
            points, normals = skinned(document, document.item("skins", node["skin"]), attributes, world)
        else:
            points, normals = _placed(attributes, at)
            if np.linalg.det(at[:3, :3]) < 0:
                visible = visible[:, ::-1]
        pieces.append(
            Piece(
                thing=thing,
                name=str(node.get("name") or mesh.get("name") or f"node {index}"),
                points=points,
                faces=visible,
                material=material,
                normals=normals,
                uvs=uvs,
                colors=vertex_colors(attributes),
                kind=str(extras.get("class", "")),
                instance_id=number if isinstance(number, int) else None,
            )
        )
    return pieces, left_out


def _placed(attributes: dict[str, np.ndarray], at: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions and normals of vertices where a matrix [4, 4] puts them."""
    points = attributes["POSITION"] @ at[:3, :3].T + at[:3, 3]
    if "NORMAL" not in attributes or abs(np.linalg.det(at[:3, :3])) < 1e-18:
        return points, None
    return points, unit(attributes["NORMAL"] @ np.linalg.inv(at[:3, :3]))


def _light(document: GltfDocument, index: Any, at: np.ndarray) -> Light:
    """A lamp of KHR_lights_punctual: candela for lamps, lux for the sun, on the scale of our own exports."""
    lamps = document.json.get("extensions", {}).get("KHR_lights_punctual", {}).get("lights", [])
    if not isinstance(index, int) or not 0 <= index < len(lamps):
        raise ValueError(f"{document.path} names light {index}, and has {len(lamps)} of them")
    lamp = lamps[index]
    kind = lamp.get("type")
    if kind not in ("point", "spot", "directional"):
        raise ValueError(
            f"{document.path}: light {index} is of type {kind!r}; point, spot, directional are known"
        )
    scale = 1.0 if kind == "directional" else 1 / LUMENS
    strength = float(lamp.get("intensity", 1.0)) * scale
    r, g, b = (strength * float(c) for c in lamp.get("color", [1, 1, 1]))
    x, y, z = at[:3, 3].tolist()
    dx, dy, dz = unit(-at[None, :3, 2])[0].tolist()
    cone = 2 * np.degrees(float(lamp.get("spot", {}).get("outerConeAngle", np.pi / 4)))
    return Light(
        kind=kind,
        color=(r, g, b),
        position=(x, y, z),
        direction=(dx, dy, dz) if kind != "point" else (0.0, -1.0, 0.0),
        range=float(lamp.get("range", 0.0)),
        spot_angle=float(cone) if kind == "spot" else 0.0,
    )
