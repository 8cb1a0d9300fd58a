"""ObjaTHOR's assets: a folder `<uid>` with `<uid>.json`, `.json.gz`, `.msgpack`, `.msgpack.gz` or
`.pkl.gz`, and its textures.

Layout: allenai/objathor, objathor/asset_conversion. Vertices are in AI2-THOR's left-handed axes, y up,
metres, the front along +z, turned by `yRotOffset` degrees when AI2-THOR makes the asset. Its pickles hold
plain lists and dictionaries; they are read without running what else a pickle may name.
"""

import gzip
import io
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from scenes.formats.gltf.materials import read_image
from scenes.formats.scan.pieces import Piece
from scenes.meshes.geometry import Material
from scenes.meshes.mesh_builder import rotation_matrix

SUFFIXES = (".json", ".json.gz", ".msgpack", ".msgpack.gz", ".pkl.gz")


def objathor_file(folder: Path) -> Path | None:
    """The asset's file in a folder of its name; None where there is none."""
    files = (folder / f"{folder.name}{suffix}" for suffix in SUFFIXES)
    return next((file for file in files if file.is_file()), None)


def read_objathor(file: Path) -> Piece:
    """The asset in our axes: right-handed, y up, metres, its front along +z.

    Raises ValueError, naming the file, for what is no such asset.
    """
    values = _values(file)
    try:
        points = _rows(values["vertices"], "xyz")
        faces = np.asarray(values["triangles"], np.int64).reshape(-1, 3)
        normals = _rows(values["normals"], "xyz") if values.get("normals") else None
        uvs = _rows(values["uvs"], "xy") if values.get("uvs") else None
        turn = float(values.get("yRotOffset", 0.0))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} is no asset of ObjaTHOR's: {error!r}") from error
    if not len(faces) or faces.min() < 0 or faces.max() >= len(points) or not np.isfinite(points).all():
        raise ValueError(f"{file} holds no surface, or faces of vertices that it does not have")
    rotation = rotation_matrix("y", turn)
    mirror = np.array([-1.0, 1.0, 1.0])  # to right-handed axes, the front still along +z
    name = str(values.get("albedoTexturePath") or "")
    texture = _texture(file, name) if name and uvs is not None and len(uvs) == len(points) else None
    whole = normals is not None and len(normals) == len(points)
    return Piece(
        thing=0,
        name=file.parent.name,
        points=points @ rotation.T * mirror,
        faces=faces,
        material=Material(
            file.parent.name, (1.0, 1.0, 1.0) if texture is not None else (0.7, 0.7, 0.7), texture
        ),
        normals=normals @ rotation.T * mirror if whole and normals is not None else None,
        uvs=uvs if texture is not None else None,
    )


def read_annotations(file: Path) -> dict[str, Any]:
    """JSON, gzipped or not, of annotations. Raises ValueError for what is no JSON object."""
    values = _parse(file)
    if not isinstance(values, dict):
        raise ValueError(f"{file} holds no annotations: a JSON object is expected")
    return values


def _values(file: Path) -> dict[str, Any]:
    values = _parse(file)
    if not isinstance(values, dict):
        raise ValueError(f"{file} is no asset of ObjaTHOR's: an object is expected")
    return values


def _parse(file: Path) -> Any:
    data = file.read_bytes()
    try:
        if file.name.endswith(".gz"):
            data = gzip.decompress(data)
        if ".pkl" in file.suffixes:
            return _PlainUnpickler(io.BytesIO(data)).load()
        if ".msgpack" in file.suffixes:
            return _msgpack(file, data)
        values = json.loads(data)
        return json.loads(values) if isinstance(values, str) else values  # some were encoded twice
    except (OSError, EOFError, pickle.UnpicklingError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{file} cannot be read: {error}") from error


def _msgpack(file: Path, data: bytes) -> Any:
    try:
        import msgpack
    except ImportError as error:
        raise ValueError(f"{file} needs msgpack, which is not installed: pip install msgpack") from error
    try:
        return msgpack.unpackb(data)
    except Exception as error:  # msgpack raises classes of its own that share no base
        raise ValueError(f"{file} cannot be read: {error}") from error


class _PlainUnpickler(pickle.Unpickler):
    """Reads lists, dictionaries, texts and numbers; whatever else a pickle names is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}, where plain data is expected")


def _rows(values: list[dict[str, float]], axes: str) -> np.ndarray:
    return np.array([[row[axis] for axis in axes] for row in values], np.float64).reshape(-1, len(axes))


def _texture(file: Path, name: str) -> np.ndarray:
    image = file.parent / Path(name.replace("\\", "/")).name
    if not image.is_file():
        raise ValueError(f"{file}: its texture {image.name} is missing: put it beside the file")
    return read_image(image.read_bytes(), str(image))[0]
