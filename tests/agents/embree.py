"""An independent ray caster: Intel's Embree on an exported GLB, read by trimesh."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
import trimesh

from agents.cameras import Cameras
from scenes.meshes.geometry import SceneGeometry
from tests.scenes.rays import world_triangles


@dataclass
class _Shape:
    """Triangles of one kind, with an Embree scene over them."""

    vertices: np.ndarray  # [v, 3]
    normals: np.ndarray  # [v, 3]
    faces: np.ndarray  # [f, 3]
    owner: np.ndarray  # [f] instance ids

    def __post_init__(self) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self.scene = EmbreeScene(robust=True)
        TriangleMesh(self.scene, self.vertices.astype(np.float32)[self.faces])

    def cast(self, start: np.ndarray, rays: np.ndarray) -> dict[str, np.ndarray]:
        """For each ray the first hit: t (inf: none), instance, geometric and interpolated normal."""
        hit = self.scene.run(start.astype(np.float32), rays.astype(np.float32), output=1)
        face = hit["primID"].astype(int)
        met = face >= 0
        face = np.where(met, face, 0)
        u, v = hit["u"][:, None], hit["v"][:, None]
        a, b, c = self.vertices[self.faces[face]].transpose(1, 0, 2)
        na, nb, nc = self.normals[self.faces[face]].transpose(1, 0, 2)
        flat = _unit(np.cross(b - a, c - a))
        smooth = _unit((1 - u - v) * na + u * nb + v * nc)
        # Both face the viewer; a smooth normal that its triangle contradicts follows the triangle.
        smooth *= np.where((smooth * flat).sum(1, keepdims=True) < 0, -1.0, 1.0)
        away = (flat * rays).sum(1, keepdims=True) > 0
        flat, smooth = np.where(away, -flat, flat), np.where(away, -smooth, smooth)
        smooth = np.where((smooth * rays).sum(1, keepdims=True) >= 0, flat, smooth)
        t = np.where(met, hit["tfar"], np.inf)
        return {"t": t, "instance": np.where(met, self.owner[face], 0), "flat": flat, "smooth": smooth}


class EmbreeScene:
    """First hits in a scene as it is compiled, glass and all."""

    def __init__(self, scene: SceneGeometry) -> None:
        triangles, owner = world_triangles(scene)
        self._ids = owner
        self._triangles = triangles
        self._all = self._shape(triangles, owner)
        self._volume = max(shapely.Polygon(r.polygon).area * (r.ceiling_y - r.floor_y) for r in scene.floor)

    @staticmethod
    def _shape(triangles: np.ndarray, owner: np.ndarray) -> _Shape:
        corners = triangles.reshape(-1, 3)
        return _Shape(corners, np.zeros_like(corners), np.arange(len(corners)).reshape(-1, 3), owner)

    def first(self, start: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Distance (rays are unit) and instance."""
        hit = self._all.cast(start, rays)
        return hit["t"], hit["instance"]

    def encloses(self, instance: int, place: np.ndarray) -> bool:
        """Whether a thing smaller than half a room has the place within its box."""
        corners = self._triangles[self._ids == instance].reshape(-1, 3)
        low, high = corners.min(0), corners.max(0)
        within = bool(((place > low) & (place < high)).all())
        return within and float(np.prod(high - low)) < 0.5 * self._volume


class EmbreeHouse:
    """What `RaycastSimulator` promises of depth, instance and normals, from the GLB alone."""

    def __init__(self, path: Path) -> None:
        loaded = trimesh.load_scene(path, process=False)
        ids = _instance_ids(path)
        parts: dict[bool, list[tuple[np.ndarray, ...]]] = {False: [], True: []}
        parents = loaded.graph.transforms.parents
        for node in loaded.graph.nodes_geometry:
            matrix, name = loaded.graph[node]
            mesh = loaded.geometry[name]
            owner = ids[node] if node in ids else ids[parents[node]]
            points = trimesh.transform_points(mesh.vertices, matrix)
            normals = _unit(mesh.vertex_normals @ np.linalg.inv(matrix[:3, :3]))
            clear = mesh.visual.material.alphaMode == "BLEND"
            parts[clear].append((points, normals, mesh.faces, np.full(len(mesh.faces), owner)))
        self.shapes = {clear: _joined(some) for clear, some in parts.items() if some}

    def look(self, cameras: Cameras) -> dict[str, np.ndarray]:
        """z-depth [m] (inf: nothing), instance, and normals in camera frame (x right, y up, z to viewer)."""
        height, width = cameras.height, cameras.width
        found: dict[str, list[np.ndarray]] = {"depth": [], "instance": [], "flat": [], "smooth": []}
        for pose, (fx, fy, cx, cy) in zip(cameras.poses, cameras.intrinsics.astype(float), strict=True):
            y, x = np.meshgrid(np.arange(height) + 0.5, np.arange(width) + 0.5, indexing="ij")
            rays = np.stack([(x - cx) / fx, (y - cy) / fy, np.ones_like(x)], axis=-1).reshape(-1, 3)
            rays = rays @ pose[:3, :3].T
            start = np.broadcast_to(pose[:3, 3], rays.shape)
            hit = self.shapes[False].cast(start, rays)
            if True in self.shapes:  # glass is what there is where nothing is behind it
                pane = self.shapes[True].cast(start, rays)
                none = ~np.isfinite(hit["t"])
                hit = {
                    k: np.where(none if v.ndim == 1 else none[:, None], pane[k], v) for k, v in hit.items()
                }
            found["depth"].append(hit["t"].reshape(height, width))
            found["instance"].append(hit["instance"].reshape(height, width))
            for name in ("flat", "smooth"):
                inside = hit[name] @ pose[:3, :3] * [1, -1, -1]
                found[name].append(inside.reshape(height, width, 3))
        return {name: np.stack(values) for name, values in found.items()}


def _instance_ids(path: Path) -> dict[str, int]:
    data = path.read_bytes()
    (size,) = struct.unpack("<I", data[12:16])
    nodes = json.loads(data[20 : 20 + size])["nodes"]
    return {n["name"]: n["extras"]["instance_id"] for n in nodes if "mesh" in n}


def _joined(parts: list[tuple[np.ndarray, ...]]) -> _Shape:
    starts = np.cumsum([0, *(len(p[0]) for p in parts)])[:-1]
    faces = [p[2] + start for p, start in zip(parts, starts, strict=True)]
    vertices, normals, owner = (np.concatenate([p[k] for p in parts]) for k in (0, 1, 3))
    return _Shape(vertices, normals, np.concatenate(faces), owner)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
