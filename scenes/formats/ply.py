"""PLY meshes: read into arrays, of any byte order or as text, with polygons of any number of corners; and
written as Replica has them.

    mesh = read_ply(Path("habitat/mesh_semantic.ply"))
    mesh.of_polygon["object_id"][mesh.polygon]        # of every triangle

Not by trimesh, which reads a binary file only where all polygons have as many corners as the first. Format:
Turk, The PLY Polygon File Format (1994).
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Float64, Int, Int64, Shaped, UInt8

from scenes.formats.ply_elements import Lists, Values, read_elements
from scenes.meshes.libraries.obj import fans

_CORNERS = ("vertex_indices", "vertex_index")
_UVS = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))


@dataclass(frozen=True, eq=False)
class PlyMesh:
    """What a PLY file holds, its polygons cut into fans of triangles."""

    points: Float[np.ndarray, "v 3"]  # in the file's axes; double where the file's are
    faces: Int64[np.ndarray, "f 3"]
    polygon: Int64[np.ndarray, " f"]  # the polygon that each triangle is of
    normals: Float32[np.ndarray, "v 3"] | None = None
    colors: UInt8[np.ndarray, "v 4"] | None = None  # sRGB and opacity
    of_polygon: dict[str, Shaped[np.ndarray, " p"]] = field(default_factory=dict)  # other properties
    uvs: Float64[np.ndarray, "v 2"] | None = None
    corner_uvs: Float64[np.ndarray, "f 3 2"] | None = None  # where each polygon has its own
    textures: tuple[str, ...] = ()  # file names that comments give, as MeshLab writes them


def read_ply(path: Path) -> PlyMesh:
    """Reads a PLY file. Raises ValueError for one that is cut off, broken, or without faces."""
    found, lists, textures = read_elements(path)
    return _mesh(path, found, lists, textures)


def write_ply(
    path: Path,
    points: Float[np.ndarray, "v 3"],
    normals: Float[np.ndarray, "v 3"],
    colors: UInt8[np.ndarray, "v c"],
    quads: Int[np.ndarray, "q 4"],
    object_ids: Int[np.ndarray, " q"] | None = None,
) -> None:
    """Writes quads over vertices with normals and colours (c = 3, or 4 with opacity), and where given the
    object that each quad is of, up to 65,535."""
    channels = ("red", "green", "blue", "alpha")[: colors.shape[1]]
    axes = ("x", "y", "z", "nx", "ny", "nz")
    rows = np.zeros(len(points), [(a, "<f4") for a in axes] + [(c, "u1") for c in channels])
    for k, axis in enumerate(axes):
        rows[axis] = (points if k < 3 else normals)[:, k % 3]
    for k, channel in enumerate(channels):
        rows[channel] = colors[:, k]
    layout = [("count", "u1"), ("corners", "<i4", 4)]
    faces = np.zeros(len(quads), layout if object_ids is None else [*layout, ("object_id", "<u2")])
    faces["count"], faces["corners"] = 4, quads
    if object_ids is not None:
        faces["object_id"] = object_ids
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    header += [f"property float {a}" for a in axes] + [f"property uchar {c}" for c in channels]
    header += [f"element face {len(quads)}", "property list uchar int vertex_indices"]
    header += [] if object_ids is None else ["property ushort object_id"]
    text = "\n".join([*header, "end_header", ""])
    path.write_bytes(text.encode("ascii") + rows.tobytes() + faces.tobytes())


def _mesh(
    path: Path,
    found: dict[str, Values],
    lists: dict[str, Lists],
    textures: tuple[str, ...],
) -> PlyMesh:
    vertex = found.get("vertex", {})
    if "tristrips" in found:
        raise ValueError(f"{path} is made of triangle strips, which are not read: save it anew from MeshLab")
    counts, corners = next(
        (lists["face"][c] for c in _CORNERS if c in lists.get("face", {})),
        (np.zeros(0, int), np.zeros(0, int)),
    )
    if not {"x", "y", "z"} <= vertex.keys() or not len(corners):
        raise ValueError(
            f"{path} holds no surface: a mesh with vertices (x, y, z) and faces is needed, "
            "a point cloud is not enough"
        )
    double = all(vertex[a].dtype == np.float64 for a in "xyz")
    points = np.stack([vertex[a] for a in "xyz"], 1).astype(np.float64 if double else np.float32)
    corners = corners.astype(np.int64)
    if counts.min() < 3 or corners.min() < 0 or corners.max() >= len(points):
        raise ValueError(f"{path} is broken: a face has fewer than three corners, or names a vertex it lacks")
    faces, polygon = fans(counts)
    normals = None
    if {"nx", "ny", "nz"} <= vertex.keys():
        normals = np.stack([vertex[a] for a in ("nx", "ny", "nz")], 1).astype(np.float32)
    names = next((pair for pair in _UVS if set(pair) <= vertex.keys()), None)
    corner_uvs = None
    if "texcoord" in lists["face"]:
        given, values = lists["face"]["texcoord"]
        if np.array_equal(given, 2 * counts):
            corner_uvs = values.reshape(-1, 2).astype(np.float64)[faces]
    return PlyMesh(
        points,
        corners[faces],
        polygon,
        normals,
        ply_colors(vertex),
        found.get("face", {}),
        None if names is None else np.stack([vertex[n] for n in names], 1).astype(np.float64),
        corner_uvs,
        textures,
    )


def ply_colors(properties: dict[str, Shaped[np.ndarray, " n"]]) -> UInt8[np.ndarray, "n 4"] | None:
    """Bytes of red, green, blue and, where given, alpha; floats are taken to be in [0, 1]."""
    for prefix in ("", "diffuse_"):
        channels = [properties.get(prefix + c) for c in ("red", "green", "blue")]
        if all(c is not None for c in channels):
            channels.append(properties.get("alpha"))
            shape = next(c for c in channels if c is not None).shape
            return np.stack([np.full(shape, 255, np.uint8) if c is None else _bytes(c) for c in channels], 1)
    return None


def _bytes(channel: Shaped[np.ndarray, " n"]) -> UInt8[np.ndarray, " n"]:
    if channel.dtype.kind == "f":
        channel = np.round(channel * 255)
    elif channel.dtype.itemsize == 2:
        channel = channel.astype(np.int64) // 257
    return np.clip(channel, 0, 255).astype(np.uint8)
