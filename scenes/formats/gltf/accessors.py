"""Arrays of a glTF file: accessors with strides, sparse values and normalised integers; Draco's meshes.

Specification: glTF 2.0, section 3.6; KHR_mesh_quantization; KHR_draco_mesh_compression.
"""

from typing import Any

import numpy as np
from jaxtyping import Float64, Int64, Integer, Shaped

from scenes.formats.gltf.document import GltfDocument

_TYPES = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4", 5130: "<f8"}
_COLUMNS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT2": 4, "MAT3": 9, "MAT4": 16}
MOST = 500_000_000
"""The most numbers that an accessor may promise: more is no scan but a damaged file."""


def read_accessor(document: GltfDocument, index: Any) -> Shaped[np.ndarray, "count columns"]:
    """Values of an accessor: normalised integers as floats in [-1, 1], others in their own type.

    Raises ValueError, naming the file, for an accessor that reaches beyond its buffer or is of no known type.
    """
    accessor = document.item("accessors", index)
    try:
        dtype, columns = np.dtype(_TYPES[accessor["componentType"]]), _COLUMNS[accessor["type"]]
        count = int(accessor["count"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{document.path}: accessors[{index}] lacks or mistakes {error}") from error
    if not 0 <= count * columns <= MOST:
        raise ValueError(f"{document.path}: accessors[{index}] promises {count} values: the file is damaged")
    where = f"accessors[{index}]"
    if "bufferView" in accessor:
        data, stride = document.buffer_view(accessor["bufferView"])
        values = _strided(
            document, where, data, int(accessor.get("byteOffset", 0)), stride, dtype, (count, columns)
        )
    else:
        values = np.zeros((count, columns), dtype)
    if "sparse" in accessor:
        values = _sparse(document, where, accessor["sparse"], values)
    return normalised(values) if accessor.get("normalized") and dtype.kind in "iu" else values


def normalised(values: Integer[np.ndarray, "n columns"]) -> Float64[np.ndarray, "n columns"]:
    """Floats of normalised integers (glTF 2.0, section 3.6.2.2): unsigned in [0, 1], signed in [-1, 1]."""
    return np.maximum(values / np.float64(np.iinfo(values.dtype).max), -1.0)


def read_draco(
    document: GltfDocument, primitive: dict[str, Any]
) -> tuple[dict[str, Shaped[np.ndarray, "v _"]], Int64[np.ndarray, "f 3"]]:
    """Attributes by glTF's name, and faces of a primitive that Draco compressed.

    Raises ValueError for data that Draco refuses.
    """
    import DracoPy  # 5 MB of library that few files need

    extension = primitive["extensions"]["KHR_draco_mesh_compression"]
    data, _ = document.buffer_view(extension.get("bufferView"))
    try:
        decoded = DracoPy.decode(data)
        by_id = {a["unique_id"]: np.asarray(a["data"]) for a in decoded.attributes}
        found = {name: by_id[number] for name, number in extension["attributes"].items()}
        faces = np.asarray(decoded.faces, np.int64).reshape(-1, 3)
    except (DracoPy.FileTypeException, AttributeError, KeyError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{document.path}: a mesh that Draco compressed cannot be decoded: {error}"
        ) from error
    for name, values in found.items():
        accessor = document.item("accessors", primitive.get("attributes", {}).get(name))
        if accessor.get("normalized") and values.dtype.kind in "iu":
            found[name] = normalised(values)
    return found, faces


def _strided(
    document: GltfDocument,
    where: str,
    data: bytes,
    offset: int,
    stride: int,
    dtype: np.dtype,
    shape: tuple[int, int],
) -> np.ndarray:
    count, columns = shape
    row = dtype.itemsize * columns
    step = stride or row
    if count and (offset < 0 or step < row or offset + step * (count - 1) + row > len(data)):
        raise ValueError(f"{document.path}: {where} reaches beyond its buffer view: the file was cut off")
    if not count:
        return np.zeros(shape, dtype)
    raw = np.frombuffer(data, np.uint8, step * (count - 1) + row, offset)
    rows = np.lib.stride_tricks.as_strided(raw, (count, row), (step, 1), writeable=False)
    return np.ascontiguousarray(rows).view(dtype).reshape(shape)


def _sparse(document: GltfDocument, where: str, sparse: dict[str, Any], values: np.ndarray) -> np.ndarray:
    """Values with those put in their places that differ from the buffer's."""
    try:
        count = int(sparse["count"])
        places, fresh = sparse["indices"], sparse["values"]
        kind = np.dtype(_TYPES[places["componentType"]])
        data, _ = document.buffer_view(places["bufferView"])
        rows = _strided(document, where, data, int(places.get("byteOffset", 0)), 0, kind, (count, 1))[:, 0]
        data, _ = document.buffer_view(fresh["bufferView"])
        shape = (count, values.shape[1])
        new = _strided(document, where, data, int(fresh.get("byteOffset", 0)), 0, values.dtype, shape)
    except (KeyError, TypeError) as error:
        raise ValueError(f"{document.path}: {where}.sparse lacks {error}") from error
    if len(rows) and int(rows.max()) >= len(values):
        raise ValueError(f"{document.path}: {where}.sparse sets value {rows.max()} of {len(values)}")
    values = values.copy()
    values[rows.astype(np.int64)] = new
    return values
