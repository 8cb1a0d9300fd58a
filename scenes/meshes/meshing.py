"""A `Mesh` from triangle corners: normals smoothed up to a crease angle, shared vertices."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Int64, Real

from scenes.meshes.geometry import Material, Mesh

CREASE_DEG = 40.0


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
    assert len(faces) == len(uvs) == len(material_ids)
    flat = face_normals(positions, faces)
    keep = np.linalg.norm(flat, axis=1) > 0
    faces, uvs, material_ids, flat = faces[keep], uvs[keep], material_ids[keep], flat[keep]
    groups = np.zeros(len(faces), np.int64) if groups is None else groups[keep]
    smooth = creased_normals(positions, faces, flat, groups, crease_deg)
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
    return Mesh(
        key=key,
        vertices=np.ascontiguousarray(positions[faces.ravel()[first]], np.float32),
        faces=np.ascontiguousarray(index.reshape(-1, 3), np.int32),
        normals=np.ascontiguousarray(smooth.reshape(-1, 3)[first], np.float32),
        uvs=np.ascontiguousarray(uvs.reshape(-1, 2)[first], np.float32),
        material_ids=np.ascontiguousarray(material_ids, np.int32),
        materials=tuple(materials),
    )


def face_normals(
    positions: Real[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "f 3"]:
    """Unit normals; zero for a face without area."""
    a, b, c = (positions[faces[:, i]].astype(np.float64) for i in range(3))
    cross = np.cross(b - a, c - a)
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    return np.divide(cross, length, out=np.zeros_like(cross), where=length > 1e-14)


def vertex_normals(
    positions: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]
) -> Float[np.ndarray, "v 3"]:
    """Unit normals of vertices, each face counting by its area: for scans, which have no creases to keep."""
    a, b, c = (positions[faces[:, i]].astype(np.float64) for i in range(3))
    cross = np.cross(b - a, c - a)
    corners = faces.ravel()
    total = [np.bincount(corners, np.repeat(cross[:, k], 3), len(positions)) for k in range(3)]
    return _unit(np.stack(total, 1)).astype(np.float32)


def creased_normals(
    positions: Float[np.ndarray, "v 3"],
    faces: Int[np.ndarray, "f 3"],
    flat: Float[np.ndarray, "f 3"],
    groups: Int[np.ndarray, "f"],
    crease_deg: float,
) -> Float[np.ndarray, "f 3 3"]:
    """Per corner, the mean of the normals of those faces around the vertex that lie within the crease angle.

    Each face counts by its angle at the vertex, so that a quad weighs the same however it was cut.
    Neighbours wound the other way round are turned before they are counted.
    """
    span = float(np.ptp(positions)) or 1.0
    grid = np.rint(positions.astype(np.float64) / (span * 1e-6)).astype(np.int64)
    points = together(grid)
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
