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

from scenes.meshes.libraries.obj import fans

_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_CORNERS = ("vertex_indices", "vertex_index")
_UVS = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"))

Property = tuple[str, str, str | None]
"""Name, type, and for a list the type of its count."""
Lists = tuple[np.ndarray, np.ndarray]
"""Of a list property: counts [n], and all values one after another."""


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
    data = path.read_bytes()
    end = data.find(b"end_header")
    begin = data.find(b"\n", end) + 1
    if not data.startswith(b"ply") or end < 0 or begin == 0:
        raise ValueError(f"{path} is no PLY file, or one whose header was cut off")
    order, elements, textures = _header(path, data[:end].decode("ascii", "replace"))
    found: dict[str, dict[str, np.ndarray]] = {}
    lists: dict[str, dict[str, Lists]] = {}
    words = _Words(path, data[begin:]) if order == "" else None
    for name, count, properties in elements:
        if words is not None:
            found[name], lists[name] = words.element(count, properties)
        else:
            found[name], lists[name], begin = _binary(path, data, begin, count, properties, order)
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


def _header(path: Path, text: str) -> tuple[str, list[tuple[str, int, list[Property]]], tuple[str, ...]]:
    """Byte order ("" for text), (element, count, properties) in the file's order, and names of textures."""
    order: str | None = None
    elements: list[tuple[str, int, list[Property]]] = []
    textures = []
    for line in text.splitlines():
        words = line.split()
        try:
            if words[:1] == ["format"]:
                order = _ORDERS[words[1]]
            elif words[:2] == ["comment", "TextureFile"]:
                textures.append(line.split("TextureFile", 1)[1].strip())
            elif words[:1] == ["element"]:
                elements.append((words[1], int(words[2]), []))
            elif words[:2] == ["property", "list"]:
                elements[-1][2].append((words[4], _TYPES[words[3]], _TYPES[words[2]]))
            elif words[:1] == ["property"]:
                elements[-1][2].append((words[2], _TYPES[words[1]], None))
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(f"{path}: cannot make sense of {line!r} in its header") from error
    if order is None or any(count < 0 for _, count, _ in elements):
        raise ValueError(
            f"{path} is no PLY file: its header has no format, or an element of less than nothing"
        )
    return order, elements, tuple(textures)


class _Words:
    """The numbers of a PLY file that is text."""

    def __init__(self, path: Path, text: bytes) -> None:
        self._path = path
        try:
            self._values = np.array(text.split(), dtype=np.bytes_).astype(np.float64)
        except ValueError as error:
            raise ValueError(f"{path} is broken: it is to be text, and {error}") from error
        self._at = 0

    def element(
        self, count: int, properties: list[Property]
    ) -> tuple[dict[str, np.ndarray], dict[str, Lists]]:
        """The next `count` rows."""
        if all(counter is None for *_, counter in properties):
            rows = self._take(count * len(properties)).reshape(count, len(properties))
            return {p: rows[:, k].astype(t) for k, (p, t, _) in enumerate(properties)}, {}
        flat: dict[str, list[np.ndarray]] = {p: [] for p, *_ in properties}
        for _ in range(count):
            for name, _, counter in properties:
                length = 1 if counter is None else int(self._take(1)[0])
                flat[name].append(self._take(max(length, 0)))
        joined = {p: np.concatenate(flat[p] or [np.zeros(0)]).astype(t) for p, t, _ in properties}
        lists = {
            p: (np.array([len(v) for v in flat[p]], np.int64), joined[p])
            for p, _, c in properties
            if c is not None
        }
        return {p: joined[p] for p, _, c in properties if c is None}, lists

    def _take(self, count: int) -> np.ndarray:
        taken = self._values[self._at : self._at + count]
        if len(taken) < count:
            raise ValueError(
                f"{self._path} was cut off: it has {len(self._values)} numbers, and promises more"
            )
        self._at += count
        return taken


def _binary(
    path: Path, data: bytes, begin: int, count: int, properties: list[Property], order: str
) -> tuple[dict[str, np.ndarray], dict[str, Lists], int]:
    """Properties and lists of `count` rows from byte `begin` on, and where they end."""
    types = [np.dtype(order + t) for _, t, _ in properties]
    if all(counter is None for *_, counter in properties):
        rows_type = np.dtype([(p, t) for (p, *_), t in zip(properties, types, strict=True)])
        end = begin + rows_type.itemsize * count
        _enough(path, data, end)
        rows = np.frombuffer(data, rows_type, count, begin)
        return {p: _native(rows[p]) for p, *_ in properties}, {}, end
    starts, lengths, end = _row_starts(path, data, begin, count, properties, order)
    raw = np.frombuffer(data, np.uint8)
    found: dict[str, np.ndarray] = {}
    lists: dict[str, Lists] = {}
    for k, ((name, _, counter), dtype) in enumerate(zip(properties, types, strict=True)):
        counts = lengths[:, k]
        step = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
        where = np.repeat(starts[:, k], counts) + step * dtype.itemsize
        values = _native(raw[where[:, None] + np.arange(dtype.itemsize)].view(dtype).ravel())
        if counter is None:
            found[name] = values
        else:
            lists[name] = counts, values
    return found, lists, end


def _row_starts(
    path: Path, data: bytes, begin: int, count: int, properties: list[Property], order: str
) -> tuple[np.ndarray, np.ndarray, int]:
    """Of each row and property the first byte of its values [n, p] and their number [n, p]; and the end."""
    ahead, loops = 0, []  # (bytes before the count, width of the count, width of a value) of each list
    widths = [np.dtype(t).itemsize for _, t, _ in properties]
    for (_, _, counter), width in zip(properties, widths, strict=True):
        if counter is None:
            ahead += width
        else:
            loops.append((ahead, np.dtype(counter).itemsize, width))
            ahead = 0
    size, place = len(data), begin
    endian = "big" if order == ">" else "little"
    counts = np.empty((count, len(loops)), np.int64)
    # Where a row begins follows from those before it: the one loop over them, and it does nothing else.
    for k in range(count):
        for j, (before, wide, width) in enumerate(loops):
            place += before
            if place + wide > size:
                _enough(path, data, place + wide)
            length = data[place] if wide == 1 else int.from_bytes(data[place : place + wide], endian)
            counts[k, j] = length
            place += wide + width * length
        place += ahead
    _enough(path, data, place)
    lengths = np.ones((count, len(properties)), np.int64)
    starts = np.empty((count, len(properties)), np.int64)
    listed = [k for k, (*_, counter) in enumerate(properties) if counter is not None]
    lengths[:, listed] = counts
    leads = np.array([0 if c is None else np.dtype(c).itemsize for *_, c in properties])
    taken = leads + lengths * np.array(widths)
    row = taken.sum(1)
    starts[:] = (begin + np.cumsum(row) - row)[:, None] + np.cumsum(taken, axis=1) - taken + leads
    return starts, lengths, place


def _native(values: np.ndarray) -> np.ndarray:
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _mesh(
    path: Path,
    found: dict[str, dict[str, np.ndarray]],
    lists: dict[str, dict[str, Lists]],
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


def _bytes(channel: np.ndarray) -> np.ndarray:
    if channel.dtype.kind == "f":
        channel = np.round(channel * 255)
    elif channel.dtype.itemsize == 2:
        channel = channel.astype(np.int64) // 257
    return np.clip(channel, 0, 255).astype(np.uint8)


def _enough(path: Path, data: bytes, needed: int) -> None:
    if len(data) < needed:
        raise ValueError(f"{path} was cut off: it has {len(data)} bytes, its header promises more")
