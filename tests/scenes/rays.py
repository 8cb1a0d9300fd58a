"""A plain ray caster for tests: Möller and Trumbore's intersection, every ray against every triangle."""

import numpy as np

from scenes.meshes.geometry import Mesh, SceneGeometry


def first_hits(
    triangles: np.ndarray, origins: np.ndarray, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Distance [n] (inf: none) and triangle [n] (-1: none) of what each ray meets first, from either side."""
    a, e, f = triangles[:, 0], triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    distance, index = np.full(len(origins), np.inf), np.full(len(origins), -1)
    for i, (o, d) in enumerate(zip(origins, directions, strict=True)):
        p = np.cross(d, f)
        det = np.einsum("ij,ij->i", e, p)
        with np.errstate(divide="ignore", invalid="ignore"):
            s = o - a
            u = np.einsum("ij,ij->i", s, p) / det
            q = np.cross(s, e)
            v = q @ d / det
            t = np.einsum("ij,ij->i", f, q) / det
            met = (np.abs(det) > 1e-14) & (u >= -1e-9) & (v >= -1e-9) & (u + v <= 1 + 1e-9) & (t > 1e-6)
        if met.any():
            t = np.where(met, t, np.inf)
            index[i] = int(t.argmin())
            distance[i] = t[index[i]]
    return distance, index


def height_at(mesh: Mesh, x: float, z: float) -> float:
    """Height above the mesh's lowest point of what is met from above at (x, z) [m]; nan over nothing."""
    low, high = float(mesh.vertices[:, 1].min()), float(mesh.vertices[:, 1].max())
    start = np.array([[x, high + 1.0, z]])
    distance, _ = first_hits(
        mesh.vertices[mesh.faces].astype(np.float64), start, np.array([[0.0, -1.0, 0.0]])
    )
    return high + 1.0 - float(distance[0]) - low if np.isfinite(distance[0]) else float("nan")


def world_triangles(scene: SceneGeometry, labels: set[int] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """All triangles [f, 3, 3] of instances of the given classes, in the world, and their instance ids [f]."""
    triangles, owners = [], []
    for instance in scene.instances:
        if labels is None or instance.class_id in labels:
            mesh, matrix = scene.meshes[instance.mesh], instance.transform
            points = mesh.vertices.astype(np.float64) @ matrix[:3, :3].T + matrix[:3, 3]
            triangles.append(points[mesh.faces])
            owners.append(np.full(len(mesh.faces), instance.instance_id))
    return np.concatenate(triangles), np.concatenate(owners)
