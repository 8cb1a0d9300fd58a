"""Triangles of one glTF primitive: strips and fans, morph targets at their default weights, skins at rest.

Specification: glTF 2.0, sections 3.7.2 (meshes), 3.7.3 (skins).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from scenes.formats.gltf.accessors import read_accessor, read_draco
from scenes.formats.gltf.document import GltfDocument
from scenes.formats.gltf.materials import Surface
from scenes.srgb import to_srgb

TRIANGLES, STRIP, FAN = 4, 5, 6


def read_primitive(
    document: GltfDocument, primitive: dict[str, Any], weights: Sequence[float]
) -> tuple[dict[str, Shaped[np.ndarray, "v _"]], Int[np.ndarray, "f 3"]]:
    """Attributes by name, morph targets added by their weights, and faces.

    Raises ValueError for indices that name a vertex which is not there, and for accessors that are damaged.
    """
    names = primitive.get("attributes", {})
    if "POSITION" not in names:
        raise ValueError(f"{document.path} has a mesh without POSITION: nothing says where its surface is")
    if "KHR_draco_mesh_compression" in primitive.get("extensions", {}):
        decoded, faces = read_draco(document, primitive)
        found = decoded | {k: read_accessor(document, i) for k, i in names.items() if k not in decoded}
    else:
        found = {name: read_accessor(document, index) for name, index in names.items()}
        count = len(found["POSITION"])
        index = np.arange(count)
        if "indices" in primitive:
            index = read_accessor(document, primitive["indices"])[:, 0].astype(np.int64)
        faces = as_triangles(index, primitive.get("mode", TRIANGLES))
    count = len(found["POSITION"])
    if faces.size and (faces.min() < 0 or faces.max() >= count):
        raise ValueError(
            f"{document.path}: a mesh has {count} vertices, and a face names vertex {faces.max()}"
        )
    if any(len(values) != count for values in found.values()):
        raise ValueError(f"{document.path}: a mesh has attributes of different lengths: the file is damaged")
    found = {k: v.astype(np.float64) if k in ("POSITION", "NORMAL") else v for k, v in found.items()}
    if not np.isfinite(found["POSITION"]).all():
        raise ValueError(f"{document.path} has vertices that are not finite numbers: the file is damaged")
    for target, weight in zip(primitive.get("targets", []), weights, strict=False):
        for name in ("POSITION", "NORMAL"):
            if weight and name in target and name in found:
                moved = read_accessor(document, target[name])
                found[name] = found[name] + weight * moved
    return found, faces


def as_triangles(index: Int[np.ndarray, "n"], mode: int) -> Int[np.ndarray, "f 3"]:
    """Triangles of vertex numbers that are listed as triangles, a strip or a fan; none for points and
    lines."""
    if mode == TRIANGLES:
        return index[: len(index) // 3 * 3].reshape(-1, 3)
    if mode not in (STRIP, FAN) or len(index) < 3:
        return np.zeros((0, 3), np.int64)
    if mode == FAN:
        return np.stack([np.full(len(index) - 2, index[0]), index[1:-1], index[2:]], 1)
    faces = np.stack([index[:-2], index[1:-1], index[2:]], 1)
    faces[1::2] = faces[1::2, ::-1]  # every second triangle of a strip runs the other way round
    return faces


def skinned(
    document: GltfDocument,
    skin: dict[str, Any],
    attributes: dict[str, Shaped[np.ndarray, "v _"]],
    world: Float[np.ndarray, "nodes 4 4"],
) -> tuple[Float[np.ndarray, "v 3"], Float[np.ndarray, "v 3"] | None]:
    """Positions and normals of vertices in the world, each moved by its joints as they stand in the file."""
    joints = skin.get("joints", [])
    rest = np.tile(np.eye(4), (len(joints), 1, 1))
    if "inverseBindMatrices" in skin:
        given = read_accessor(document, skin["inverseBindMatrices"]).reshape(-1, 4, 4)
        rest = given.transpose(0, 2, 1).astype(np.float64)
    if len(rest) < len(joints) or (joints and max(joints) >= len(world)):
        raise ValueError(f"{document.path} has a skin whose joints or matrices are not there")
    moves = world[joints] @ rest[: len(joints)]
    points = attributes["POSITION"]
    total, mass = np.zeros((len(points), 4, 4)), np.zeros(len(points))
    for k in range(4):
        if f"JOINTS_{k}" not in attributes or f"WEIGHTS_{k}" not in attributes:
            break
        bones = attributes[f"JOINTS_{k}"].astype(np.int64)
        if len(bones) and bones.max() >= len(joints):
            raise ValueError(
                f"{document.path} has a vertex of joint {bones.max()}; its skin has {len(joints)}"
            )
        weight = attributes[f"WEIGHTS_{k}"].astype(np.float64)
        total += np.einsum("vk,vkij->vij", weight, moves[bones])
        mass += weight.sum(1)
    still = mass < 1e-6
    total[~still] /= mass[~still, None, None]
    total[still] = np.eye(4)
    at = np.einsum("vij,vj->vi", total[:, :3, :3], points) + total[:, :3, 3]
    if "NORMAL" not in attributes:
        return at, None
    return at, unit(np.einsum("vij,vj->vi", total[:, :3, :3], attributes["NORMAL"]))


def vertex_colors(attributes: dict[str, Shaped[np.ndarray, "v _"]]) -> UInt8[np.ndarray, "v 3"] | None:
    """sRGB of COLOR_0, which is linear by the specification; None where there is none."""
    if "COLOR_0" not in attributes:
        return None
    values = attributes["COLOR_0"][:, :3]
    if values.dtype.kind in "iu":  # not marked as normalised, which the specification asks for
        values = values / np.float64(np.iinfo(values.dtype).max)
    return np.round(255 * to_srgb(values.astype(np.float64))).astype(np.uint8)


def shown_faces(
    surface: Surface, uvs: Float[np.ndarray, "v 2"] | None, faces: Int[np.ndarray, "f 3"]
) -> Int[np.ndarray, "shown 3"]:
    """Faces without those that a mask cuts out whole: no corner, middle or midpoint of a side is in the
    mask."""
    if surface.cutout is None or uvs is None or not len(faces):
        return faces
    corner = uvs[faces]
    around = (corner + np.roll(corner, -1, axis=1)) / 2
    inner = 0.8 * corner + 0.2 * corner.mean(1, keepdims=True)
    points = np.concatenate([inner, around, corner.mean(1, keepdims=True)], 1)
    height, width = surface.cutout.shape
    column = np.floor(points[..., 0] * width).astype(np.int64) % width
    row = np.floor((1 - points[..., 1]) * height).astype(np.int64) % height
    return faces[surface.cutout[row, column].any(1)]


def unit(vectors: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Vectors of length 1; zero where there is no direction."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 1e-12)
