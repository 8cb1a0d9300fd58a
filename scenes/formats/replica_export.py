"""A space written in Replica's layout: `export_replica(compile_house(house), Path("out/flat"))`.

For other tools that read Replica, and so that `scenes/formats/replica.py` and this check each other: what is
read back has the same surfaces, normals, objects and classes. Colour becomes what vertices can hold: surfaces
with a texture are cut until no edge is longer than `edge`, and each vertex takes the texture's mean about
it. It is the surfaces' own colour, with no light on it. Faces are quads, as Replica's: two coplanar
triangles that share an edge, or one triangle with its last corner twice. Glass is written with the opacity
of its vertices (`alpha`), which Replica itself has not. Classes are our label table, by its own names and
ids.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from scenes.formats.ply import write_ply
from scenes.formats.replica_files import INFO, MESH, SEMANTIC
from scenes.formats.vertex_colors import bake_colors
from scenes.house.labels import label_table
from scenes.meshes.geometry import Instance, SceneGeometry
from scenes.meshes.libraries.credits import CREDITS, credits_text
from scenes.meshes.meshing import together

EDGE = 0.1
"""Longest edge of a textured face [m]."""


def export_replica(geometry: SceneGeometry, folder: Path, edge: float = EDGE) -> int:
    """Writes `mesh.ply`, `habitat/mesh_semantic.ply`, `habitat/info_semantic.json` and, where models of
    others are used, `CREDITS.txt` to `folder`, which is made. Returns the number of quads.
    """
    parts = [_world(geometry, instance, edge) for instance in geometry.instances]
    if not parts:
        raise ValueError(f"{geometry.space} has nothing to export")
    corners = np.concatenate(parts)  # [f, 3, 10]
    owners = np.repeat([i.instance_id for i in geometry.instances], [len(p) for p in parts])
    rows = np.ascontiguousarray(corners.reshape(-1, 10))
    _, kept, index = np.unique(together(rows.view(np.int32)), return_index=True, return_inverse=True)
    vertices = rows[kept]
    quads, first = _quads(index.reshape(-1, 3), corners[..., :3], owners)
    (folder / INFO.parent).mkdir(parents=True, exist_ok=True)
    points, normals = _z_up(vertices[:, :3]), _z_up(vertices[:, 3:6])
    colors = vertices[:, 6:].astype(np.uint8)
    colors = colors if (colors[:, 3] < 255).any() else colors[:, :3]
    write_ply(folder / MESH, points, normals, colors, quads)
    write_ply(folder / SEMANTIC, points, normals, colors, quads, owners[first])
    (folder / INFO).write_text(json.dumps(_info(geometry, parts)), encoding="utf-8")
    if geometry.credits:
        (folder / CREDITS).write_text(credits_text(geometry.credits), encoding="utf-8")
    return len(quads)


def _world(geometry: SceneGeometry, instance: Instance, edge: float) -> np.ndarray:
    """Corners [f, 3, 10] of an instance: position and normal in the world, red, green, blue, opacity."""
    mesh = geometry.meshes[instance.mesh]
    forward = instance.transform[:3, :3]
    points = mesh.vertices @ forward.T + instance.transform[:3, 3]
    normals = mesh.normals @ np.linalg.inv(forward)
    length = np.linalg.norm(normals, axis=1, keepdims=True)
    return bake_colors(mesh, points, normals / np.maximum(length, 1e-12), edge).astype(np.float32)


def _quads(faces: np.ndarray, corners: np.ndarray, owners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Quads [q, 4] of triangles, and the first triangle of each: pairs that follow each other are joined.

    A quad's first and third corner are the shared edge, so that a fan gives the triangles back.
    """
    here, after = faces[:-1], faces[1:]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]).astype(np.float64)
    length = np.linalg.norm(cross, axis=1)
    flat = np.einsum("fx,fx->f", cross[:-1], cross[1:]) > 0.999999 * length[:-1] * length[1:]
    joined = np.zeros((len(faces), 4), np.int64)
    fits = np.zeros(len(faces), bool)
    for a in range(3):
        for b in range(3):
            # Edge a to a+1 of one runs the other way round in its neighbour.
            p, q, far = here[:, a], here[:, (a + 1) % 3], after[:, (b + 2) % 3]
            match = (p == after[:, (b + 1) % 3]) & (q == after[:, b]) & flat & (owners[:-1] == owners[1:])
            rows = np.flatnonzero(match & ~fits[:-1])
            quad = np.stack([q, here[:, (a + 2) % 3], p, far], 1)[rows]
            around = [corners[rows, (a + 1) % 3], corners[rows, (a + 2) % 3], corners[rows, a]]
            around = np.stack([*around, corners[rows + 1, (b + 2) % 3]], 1)
            good = _convex(around, cross[rows])
            joined[rows[good]], fits[rows[good]] = quad[good], True
    # In a run of triangles that each fit the next, every other one starts a quad.
    index = np.arange(len(fits))
    begin = np.maximum.accumulate(np.where(fits & ~np.roll(fits, 1), index, 0))
    starts = fits & ((index - begin) % 2 == 0)
    lone = ~starts & ~np.roll(starts, 1)
    joined[lone] = np.column_stack([faces, faces[:, 2]])[lone]
    first = np.flatnonzero(starts | lone)
    return joined[first], first


def _convex(quad: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Whether quads [q, 4, 3] turn one way at every corner; straight on is well."""
    along = np.roll(quad, -1, axis=1) - quad
    turn = np.cross(np.roll(along, 1, axis=1), along)
    scale = np.einsum("qx,qx->q", normal, normal)[:, None]
    return (np.einsum("qcx,qx->qc", turn, normal) > -1e-4 * scale).all(1)


def _z_up(vectors: np.ndarray) -> np.ndarray:
    """From our world to Replica's."""
    x, y, z = vectors.T
    return np.stack([x, -z, y], 1)


def _info(geometry: SceneGeometry, parts: list[np.ndarray]) -> dict[str, Any]:
    """What `info_semantic.json` says; boxes are along the world's axes."""
    names = [label.name for label in label_table()]
    objects = []
    for instance, corners in zip(geometry.instances, parts, strict=True):
        points = _z_up(corners[..., :3].reshape(-1, 3).astype(np.float64))
        low, high = points.min(0), points.max(0)
        box = {
            "abb": {"center": ((low + high) / 2).tolist(), "sizes": (high - low).tolist()},
            "orientation": {"rotation": [0.0, 0.0, 0.0, 1.0], "translation": [0.0, 0.0, 0.0]},
        }
        objects.append(
            {
                "id": instance.instance_id,
                "class_id": instance.class_id,
                "class_name": names[instance.class_id],
                "oriented_bbox": box,
            }
        )
    ids = [-1] * (max(i.instance_id for i in geometry.instances) + 1)
    for instance in geometry.instances:
        ids[instance.instance_id] = instance.class_id
    return {
        "classes": [{"id": k, "name": name} for k, name in enumerate(names) if k],
        "gravity_dir": [0.0, 0.0, -1.0],
        "id_to_label": ids,
        "objects": objects,
    }
