"""Sweet Home 3D furniture libraries: `.sh3f` files, zips of OBJ models with a catalogue of properties.

    pieces = read_catalogue(Path("/usr/share/sweethome3d/furniture/Scopia.sh3f"))
    model = load_model(pieces["Scopia#bed1"])

A piece's catalogue says how large it is and whose it is; its front looks along +z, y is up, x to the right.
Property files are Latin-1 with Java's escapes.
"""

import hashlib
import io
import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from scenes.meshes.geometry import Credit, Material
from scenes.meshes.libraries.obj import ObjMaterial, ObjModel, read_obj
from scenes.meshes.meshing import used_vertices

CATALOGUE = "PluginFurnitureCatalog.properties"
TEXTURE_PX = 512  # textures are shrunk to this: a room shows hundreds of them


@dataclass(frozen=True)
class Piece:
    """One entry of a catalogue."""

    id: str  # unique over libraries, as "Scopia#bed1"
    name: str
    category: str
    size: tuple[float, float, float]  # width x, height y, depth z [m]
    rotation: tuple[float, ...]  # 3x3 by rows, applied to the file's coordinates first
    model: str  # path inside the archive, of an .obj or of a zip with one
    archive: Path
    credit: Credit
    rest_y: float | None = None  # height at which a thing put on it rests, where that is not its top [m]


@dataclass(frozen=True, eq=False)
class Model:
    """A piece's geometry, turned upright, stretched to its size, centred on its box."""

    obj: ObjModel  # positions in metres
    materials: tuple[Material, ...]  # one for each of obj.materials
    see_through: float  # the largest share of transparent pixels in any of its textures


def read_catalogue(archive: Path) -> dict[str, Piece]:
    """All pieces of a library by id. Raises ValueError for a file that is not such a library."""
    try:
        with zipfile.ZipFile(archive) as file:
            properties = read_properties(file.read(CATALOGUE).decode("latin-1"))
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{archive} is not a Sweet Home 3D furniture library: {error}") from error
    entries: dict[str, dict[str, str]] = {}
    for key, value in properties.items():
        name, mark, number = key.partition("#")
        if mark and number.isdecimal():  # "dropOnTopElevation#-1" is in Scopia's, a slip of an editor
            entries.setdefault(number, {})[name] = value
    pieces = {}
    for entry in entries.values():
        size = [float(entry[key]) / 100 for key in ("width", "height", "depth")]
        turn = entry.get("modelRotation", "1 0 0 0 1 0 0 0 1")
        rest = float(entry.get("dropOnTopElevation", "-1")) / 100
        pieces[entry["id"]] = Piece(
            id=entry["id"],
            name=entry["name"],
            category=entry["category"],
            size=(size[0], size[1], size[2]),
            rotation=tuple(float(v) for v in turn.split()),
            model=entry["model"].lstrip("/"),
            archive=archive,
            credit=Credit(
                model=f"{entry['name']} ({entry['id']})",
                author=entry.get("creator", properties.get("name", "unknown")),
                license=re.sub(r"\s+", " ", properties.get("license", "unknown")),
                source=f"{archive.name}, https://www.sweethome3d.com",
            ),
            rest_y=rest if rest > 0 else None,
        )
    return pieces


def archive_digest(archive: Path) -> str:
    """Digest of the names and checksums of a library's files. Raises ValueError for a file that is no zip."""
    try:
        with zipfile.ZipFile(archive) as file:
            entries = "".join(f"{entry.filename} {entry.CRC}\n" for entry in file.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"{archive} is not a Sweet Home 3D furniture library: {error}") from error
    return hashlib.sha256(entries.encode()).hexdigest()


def read_properties(text: str) -> dict[str, str]:
    r"""A Java properties file: comments, continued lines, \uXXXX and \-escapes."""
    values = {}
    for line in _logical_lines(text):
        match = re.match(r"((?:\\.|[^\\=:\s])*)\s*[=:\s]?\s*(.*)", line, re.DOTALL)
        assert match is not None
        values[_unescape(match[1])] = _unescape(match[2])
    return values


def _logical_lines(text: str) -> Iterator[str]:
    held = ""
    for line in text.splitlines():
        line = line.lstrip()
        if not held and (not line or line[0] in "#!"):
            continue
        if re.search(r"(?<!\\)(\\\\)*\\$", line):
            held += line[:-1]
            continue
        yield held + line
        held = ""


def _unescape(text: str) -> str:
    letters = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
    return re.sub(
        r"\\(?:u([0-9a-fA-F]{4})|(.))",
        lambda m: chr(int(m[1], 16)) if m[1] else letters.get(m[2], m[2]),
        text,
    )


def load_model(piece: Piece) -> Model:
    """Reads a piece's model and textures. Raises ValueError, naming the piece, for one that cannot be
    read."""
    try:
        outer = _opened(piece.archive)
        if piece.model.lower().endswith(".zip"):
            with zipfile.ZipFile(io.BytesIO(outer.read(piece.model))) as inner:
                name = next(n for n in inner.namelist() if n.lower().endswith(".obj"))
                return _read_model(piece, inner, name)
        return _read_model(piece, outer, piece.model)
    except (KeyError, StopIteration, ValueError) as error:
        raise ValueError(f"{piece.archive.name}: {piece.id}: {error}") from error


@lru_cache(maxsize=16)
def _opened(archive: Path) -> zipfile.ZipFile:
    """The library, kept open: reading its directory takes longer than reading a model."""
    return zipfile.ZipFile(archive)


def _read_model(piece: Piece, file: zipfile.ZipFile, name: str) -> Model:
    names = {n.lower(): n for n in file.namelist()}  # the libraries were made on systems that ignore case

    def read(relative: str) -> bytes | None:
        path = posixpath.normpath(
            posixpath.join(posixpath.dirname(name), relative.replace("\\", "/"))
        ).lower()
        return file.read(names[path]) if path in names else None

    def read_mtl(relative: str) -> str | None:
        found = read(relative) or read(posixpath.basename(name)[:-4] + ".mtl")
        return None if found is None else found.decode("latin-1")

    obj = read_obj(file.read(name).decode("latin-1"), read_mtl)
    drawn = used_vertices(obj.faces, len(obj.positions))
    turned = obj.positions @ np.array(piece.rotation).reshape(3, 3).T
    low, high = turned[drawn].min(0), turned[drawn].max(0)
    scale = np.array(piece.size) / np.maximum(high - low, 1e-9)
    normals = obj.normals @ np.array(piece.rotation).reshape(3, 3).T / scale
    fitted = ObjModel(
        (turned - (low + high) / 2) * scale, obj.faces, obj.uvs, normals, obj.material_ids, obj.materials
    )
    textures: dict[str, tuple[np.ndarray, float] | None] = {}
    for material in obj.materials:
        if material.texture is not None and material.texture not in textures:
            textures[material.texture] = _texture(read(material.texture))
    materials = tuple(_material(m, textures.get(m.texture or "")) for m in obj.materials)
    clear = max((t[1] for t in textures.values() if t is not None), default=0.0)
    return Model(fitted, materials, clear)


def _texture(data: bytes | None) -> tuple[np.ndarray, float] | None:
    """Pixels and the share of them that one sees through; None for a file that is missing or no image."""
    if data is None:
        return None
    try:
        image = Image.open(io.BytesIO(data)).convert("RGBA")
    except OSError:
        return None
    clear = float((np.asarray(image)[..., 3] < 128).mean())
    # Sides become powers of two, as old graphics cards and mip levels like them.
    scale = min(1.0, TEXTURE_PX / max(image.size))
    width, height = (2 ** max(0, round(np.log2(side * scale))) for side in image.size)
    image = image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS)
    return np.ascontiguousarray(np.asarray(image)), clear


def _material(material: ObjMaterial, texture: tuple[np.ndarray, float] | None) -> Material:
    r, g, b = (min(max(c, 0.0), 1.0) for c in material.color)
    pixels = None
    if texture is not None:
        # Exporters leave Kd at a grey that was never meant to darken the picture; its hue counts, not its
        # value.
        top = max(r, g, b)
        r, g, b = (r / top, g / top, b / top) if top > 0.05 else (1.0, 1.0, 1.0)
        pixels = texture[0]
    opacity = min(max(material.opacity, 0.0), 1.0)
    if opacity < 1:
        # Kd is the look of the little that a pane reflects; taken for its tint, clear glass would be black.
        r, g, b = (1 - (1 - c) * opacity for c in (r, g, b))
    return Material(material.name, (r, g, b), pixels, opacity=opacity)
