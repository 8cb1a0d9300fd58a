"""PLY meshes as Replica has them, read into arrays and written: binary, polygons of any number of corners.

    mesh = read_ply(Path("habitat/mesh_semantic.ply"))
    mesh.of_polygon["object_id"][mesh.polygon]        # of every triangle

Not by trimesh, which reads a binary file only where all polygons have as many corners as the first.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Float32, Int, Int64, Shaped, UInt8

from scenes.meshes.libraries.obj import fans

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "<i2"),
    **dict.fromkeys(("ushort", "uint16"), "<u2"),
    **dict.fromkeys(("int", "int32"), "<i4"),
    **dict.fromkeys(("uint", "uint32"), "<u4"),
    **dict.fromkeys(("float", "float32"), "<f4"),
    **dict.fromkeys(("double", "float64"), "<f8"),
}
_CORNERS = ("vertex_indices", "vertex_index")


@dataclass(frozen=True, eq=False)
class PlyMesh:
    """What a PLY file holds, its polygons cut into fans of triangles."""

    points: Float32[np.ndarray, "v 3"]  # in the file's axes
    faces: Int64[np.ndarray, "f 3"]
    polygon: Int64[np.ndarray, " f"]  # the polygon that each triangle is of
    normals: Float32[np.ndarray, "v 3"] | None = None
    colors: UInt8[np.ndarray, "v 4"] | None = None  # sRGB and opacity
    of_polygon: dict[str, Shaped[np.ndarray, " p"]] = field(default_factory=dict)  # other properties


def read_ply(path: Path) -> PlyMesh:
    """Reads a binary little-endian PLY file. Raises ValueError for any other, a short one, or a broken
    one."""
    data = path.read_bytes()
    end = data.find(b"end_header")
    begin = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or begin == 0:
        raise ValueError(f"{path} is no PLY file, or one whose header was cut off")
    elements = _header(path, data[:end].decode("ascii", "replace"))
    found: dict[str, dict[str, np.ndarray]] = {}
    counts, corners = np.zeros(0, np.int64), np.zeros(0, np.int64)
    for name, count, properties in elements:
        lists = [p for p in properties if isinstance(p[1], tuple)]
        if not lists:
            dtype = np.dtype([(p, t) for p, t in properties])
            size = dtype.itemsize * count
            _enough(path, data, begin + size)
            rows = np.frombuffer(data, dtype, count, begin)
            found[name] = {p: rows[p] for p, _ in properties}
        else:
            if len(lists) > 1 or lists[0][0] not in _CORNERS:
                raise ValueError(f"{path}: cannot read lists other than vertex_indices, found {lists[0][0]}")
            counts, corners, found[name], size = _polygons(path, data, begin, count, properties)
        begin += size
    return _mesh(path, found, counts, corners)


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


def _header(path: Path, text: str) -> list[tuple[str, int, list]]:
    """(element, count, [(property, type or (type of count, type))]) in the file's order."""
    elements: list[tuple[str, int, list]] = []
    for line in text.splitlines():
        words = line.split()
        try:
            if words[:1] == ["format"] and words[1] != "binary_little_endian":
                raise ValueError(
                    f"{path} is a PLY file of format {words[1]}; Replica's are binary_little_endian"
                )
            if words[:1] == ["element"]:
                elements.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                elements[-1][2].append((words[4], (_TYPES[words[2]], _TYPES[words[3]])))
            elif words[:1] == ["property"]:
                elements[-1][2].append((words[2], _TYPES[words[1]]))
        except (IndexError, KeyError) as error:
            raise ValueError(f"{path}: cannot make sense of {line!r} in its header") from error
    return elements


def _polygons(
    path: Path, data: bytes, begin: int, count: int, properties: list
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], int]:
    """Corners of each polygon, all corner indices, the other properties, and how many bytes that were."""
    at = next(k for k, p in enumerate(properties) if isinstance(p[1], tuple))
    count_type, index_type = (np.dtype(t) for t in properties[at][1])
    before, after = (np.dtype([(p, t) for p, t in some]) for some in (properties[:at], properties[at + 1 :]))
    if count_type.itemsize != 1:
        raise ValueError(f"{path}: counts corners in {count_type.itemsize} bytes; Replica's files do in one")
    fixed = before.itemsize + 1 + after.itemsize
    _enough(path, data, begin + fixed * count)
    counts = np.empty(count, np.int64)
    place, width, lead, size = begin, index_type.itemsize, before.itemsize, len(data)
    # Where a polygon begins follows from those before it: the one loop over them, and it does nothing else.
    for k in range(count):
        if place + lead >= size:
            _enough(path, data, place + lead + 1)
        corners = data[place + lead]
        counts[k] = corners
        place += fixed + width * corners
    _enough(path, data, place)
    starts = begin + np.cumsum(fixed + width * counts) - (fixed + width * counts)
    raw = np.frombuffer(data, np.uint8)
    first = np.repeat(starts + lead + 1, counts)
    step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts)
    where = first + step * width
    indices = raw[where[:, None] + np.arange(width)].view(index_type).ravel().astype(np.int64)
    other: dict[str, np.ndarray] = {}
    for dtype, offset in ((before, starts), (after, starts + lead + 1 + width * counts)):
        if dtype.itemsize:
            rows = raw[offset[:, None] + np.arange(dtype.itemsize)].view(dtype).reshape(count)
            other |= {name: rows[name] for name in dtype.names or ()}
    return counts, indices, other, place - begin


def _mesh(
    path: Path, found: dict[str, dict[str, np.ndarray]], counts: np.ndarray, corners: np.ndarray
) -> PlyMesh:
    vertex = found.get("vertex", {})
    if not {"x", "y", "z"} <= vertex.keys() or not len(corners):
        raise ValueError(f"{path} holds no mesh: a vertex element with x, y, z and a face element are needed")
    points = np.stack([vertex[a] for a in "xyz"], 1).astype(np.float32)
    if counts.min() < 3 or corners.min() < 0 or corners.max() >= len(points):
        raise ValueError(f"{path} is broken: a face has fewer than three corners, or names a vertex it lacks")
    faces, polygon = fans(counts)
    colors = None
    if {"red", "green", "blue"} <= vertex.keys():
        opaque = np.full(len(points), 255, np.uint8)
        colors = np.stack([vertex["red"], vertex["green"], vertex["blue"], vertex.get("alpha", opaque)], 1)
    normals = None
    if {"nx", "ny", "nz"} <= vertex.keys():
        normals = np.stack([vertex[a] for a in ("nx", "ny", "nz")], 1).astype(np.float32)
    return PlyMesh(points, corners[faces], polygon, normals, colors, found.get("face", {}))


def _enough(path: Path, data: bytes, needed: int) -> None:
    if len(data) < needed:
        raise ValueError(f"{path} was cut off: it has {len(data)} bytes, its header promises more")
