"""A `Mesh` from triangle corners: normals smoothed up to a crease angle, shared vertices."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Int64, Real

from scenes.meshes.geometry import Material, Mesh

CREASE_DEG = 40.0


@dataclass(frozen=True, eq=False)
class TriangleSoup:
    """Faces over shared positions [m]. Faces of different `groups` are never smoothed into each other."""

    key: str
    positions: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    uvs: Float[np.ndarray, "f 3 2"]
    material_ids: Int[np.ndarray, "f"]
    materials: Sequence[Material]
    groups: Int[np.ndarray, "f"]


def assemble(
    key: str,
    positions: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    uvs: Float[np.ndarray, "f 3 2"],
    material_ids: Int[np.ndarray, "f"],
    materials: Sequence[Material],
    normals: Float[np.ndarray, "f 3 3"] | None = None,
    groups: Int[np.ndarray, "f"] | None = None,
    crease_deg: float = CREASE_DEG,
) -> Mesh:
    """One mesh from faces over shared positions [m].

    `uvs` belong to face corners. `normals`, where a file brought them, too; a corner whose given normal is
    zero or leans away from its face gets a computed one. Faces of different `groups` are never smoothed
    into each other.
    """
    groups = np.zeros(len(faces), np.int64) if groups is None else groups
    soup = TriangleSoup(key, positions, faces, uvs, material_ids, materials, groups)
    return assemble_all([soup], normals, crease_deg)[0]


def assemble_all(
    soups: Sequence[TriangleSoup],
    normals: Float[np.ndarray, "f 3 3"] | None = None,
    crease_deg: float = CREASE_DEG,
) -> list[Mesh]:
    """Assemble meshes, each as `assemble` does alone; dozens of small ones take little longer than one.

    `normals` are of all faces of all soups in turn.
    """
    if not soups:
        return []
    for soup in soups:
        assert len(soup.faces) == len(soup.uvs) == len(soup.material_ids)
    points = np.array([len(s.positions) for s in soups])
    offsets = np.cumsum(points) - points
    positions = np.concatenate([s.positions for s in soups])
    faces = np.concatenate([s.faces + offset for s, offset in zip(soups, offsets, strict=True)])
    uvs, material_ids, groups = (
        np.concatenate([getattr(s, name) for s in soups]) for name in ("uvs", "material_ids", "groups")
    )
    of_face = np.repeat(np.arange(len(soups)), [len(s.faces) for s in soups])
    flat = face_normals(positions, faces)
    keep = np.linalg.norm(flat, axis=1) > 0
    faces, uvs, material_ids, flat = faces[keep], uvs[keep], material_ids[keep], flat[keep]
    groups, of_face = groups[keep], of_face[keep]
    of_point = np.repeat(np.arange(len(soups)), points)
    smooth = creased_normals(positions, faces, flat, groups, crease_deg, of_point)
    if normals is not None:
        given = _unit(normals[keep])
        # The sign is the winding's business: files mix both, and a shading normal must not point inwards.
        lean = np.einsum("fcx,fx->fc", given, flat)
        given = given * np.where(lean < 0, -1.0, 1.0)[..., None]
        smooth = np.where((np.abs(lean) > 0.17)[..., None], given, smooth)

    bend = together(np.rint(smooth.reshape(-1, 3) * 511).astype(np.int64) + 511)
    pattern = together(np.rint(uvs.reshape(-1, 2) * 4096).astype(np.int64))
    corner = together(np.column_stack([faces.ravel(), bend, pattern]))
    _, first, index = np.unique(corner, return_index=True, return_inverse=True)
    # Vertices are in the order of the positions, and so those of a soup come together.
    vertices = np.bincount(of_point[faces.ravel()[first]], minlength=len(soups))
    starts = np.cumsum(vertices) - vertices
    index = index.reshape(-1, 3) - starts[of_face][:, None]
    arrays = [positions[faces.ravel()[first]], smooth.reshape(-1, 3)[first], uvs.reshape(-1, 2)[first]]
    by_vertex = [np.split(np.ascontiguousarray(a, np.float32), starts[1:]) for a in arrays]
    face_starts = np.cumsum(np.bincount(of_face, minlength=len(soups)))[:-1]
    by_face = [np.split(np.ascontiguousarray(a, np.int32), face_starts) for a in (index, material_ids)]
    return [
        Mesh(s.key, *(part.copy() for part in (v, f, n, uv, m)), materials=tuple(s.materials))
        for s, v, n, uv, f, m in zip(soups, *by_vertex, *by_face, strict=True)
    ]


def cross(a: Real[np.ndarray, "*n 3"], b: Real[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
    """Cross product; on few vectors far faster than np.cross, with the same result."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        out[..., i] = a[..., j] * b[..., k] - a[..., k] * b[..., j]
    return out


def face_normals(
    positions: Real[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "f 3"]:
    """Unit normals; zero for a face without area."""
    a, b, c = (positions[faces[:, i]].astype(np.float64) for i in range(3))
    normal = cross(b - a, c - a)
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return np.divide(normal, length, out=np.zeros_like(normal), where=length > 1e-14)


def vertex_normals(
    positions: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v 3"]:
    """Unit normals of vertices, each face counting by its area: for scans, which have no creases to keep."""
    a, b, c = (positions[faces[:, i]].astype(np.float64) for i in range(3))
    normal = cross(b - a, c - a)
    corners = faces.ravel()
    total = [np.bincount(corners, np.repeat(normal[:, k], 3), len(positions)) for k in range(3)]
    return _unit(np.stack(total, 1)).astype(np.float32)


def creased_normals(
    positions: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    flat: Float[np.ndarray, "f 3"],
    groups: Int[np.ndarray, "f"],
    crease_deg: float,
    mesh: Int[np.ndarray, "v"],
) -> Float[np.ndarray, "f 3 3"]:
    """Per corner, the mean of the normals of those faces around the vertex that lie within the crease angle.

    `mesh` numbers the mesh of each position, from 0 in ascending order. Positions of a mesh are one vertex if
    they agree to a millionth of its extent. Each face counts by its angle at the vertex, so that a quad
    weighs the same however it was cut. Neighbours wound the other way round are turned before they count.
    """
    first = np.flatnonzero(np.diff(mesh, prepend=-1))
    span = np.maximum.reduceat(positions.max(1), first) - np.minimum.reduceat(positions.min(1), first)
    step = np.where(span > 0, span, 1.0).astype(np.float64) * 1e-6
    grid = np.rint(positions.astype(np.float64) / step[mesh][:, None]).astype(np.int64)
    points = together(np.column_stack([mesh, grid]))
    vertex = together(np.column_stack([points[faces].ravel(), np.repeat(groups, 3)]))
    order = np.argsort(vertex, kind="stable")
    counts = np.bincount(vertex)
    start = np.cumsum(counts) - counts
    slot = np.arange(len(order)) - start[vertex[order]]
    face = order // 3
    weight = _corner_angles(positions, faces).ravel()[order]
    normal = flat[face]
    total = normal * weight[:, None]
    cosine = np.cos(np.radians(crease_deg))
    here = np.arange(len(order))
    # Round the fan of every vertex at once: step 1 pairs each corner with the next of its vertex, and so on.
    for step in range(1, min(int(counts.max(initial=0)), 256)):
        here = here[counts[vertex[order[here]]] > step]
        v = vertex[order[here]]
        there = start[v] + (slot[here] + step) % counts[v]
        dot = np.einsum("ij,ij->i", normal[here], normal[there])
        near = np.abs(dot) > cosine
        i, j = here[near], there[near]
        total[i] += normal[j] * (np.sign(dot[near]) * weight[j])[:, None]
    out = np.empty_like(total)
    out[order] = _unit(total)
    return out.reshape(-1, 3, 3)


def _corner_angles(
    positions: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "f 3"]:
    corner = positions[faces].astype(np.float64)
    along = _unit(np.roll(corner, -1, axis=1) - corner)
    back = _unit(np.roll(corner, 1, axis=1) - corner)
    return np.arccos(np.clip(np.einsum("fcx,fcx->fc", along, back), -1.0, 1.0))


def _unit(vectors: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors, dtype=np.float64), where=length > 1e-12)


def used_vertices(faces: Int[np.ndarray, "*shape"], count: int) -> Int[np.ndarray, "used"]:
    """Indices below `count` that occur in `faces`, in order; some thirty times as fast as np.unique."""
    used = np.zeros(count, bool)
    used[faces] = True
    return np.flatnonzero(used)


def together(rows: Int[np.ndarray, "n k"]) -> Int64[np.ndarray, " n"]:
    """One number for each different row of integers, counted from 0. Far faster than np.unique over rows."""
    number = np.zeros(len(rows), np.int64)
    for column in rows.T:
        low, span = int(column.min(initial=0)), int(np.ptp(column)) + 1 if len(column) else 1
        if span > 2**40:
            column, low, span = np.unique(column, return_inverse=True)[1], 0, len(column)
        number = np.unique(number * span + (column - low), return_inverse=True)[1]
    return number
