"""OBJ with MTL and PLY as pieces of surface."""

from pathlib import Path

import numpy as np

from scenes.formats.gltf.materials import read_image
from scenes.formats.ply import PlyMesh, ply_colors, read_ply
from scenes.formats.scan.pieces import Piece, ScanFile
from scenes.meshes.geometry import Material
from scenes.meshes.libraries.obj import ObjMaterial, ObjModel, read_obj


def read_obj_file(path: Path) -> ScanFile:
    """An OBJ file with its MTL files and textures; each object (o) or group (g) is a thing.

    Raises ValueError, naming the file, for one without faces or that is damaged.
    """
    notes: list[str] = []

    def read_mtl(name: str) -> str | None:
        file = _beside(path, name)
        if file is None:
            notes.append(f"{name} is missing, so that its materials are white")
            return None
        return _text(file)

    try:
        model = read_obj(_text(path), read_mtl)
    except (ValueError, IndexError) as error:
        raise ValueError(f"{path} holds no surface that can be read: {error}") from error
    if not np.isfinite(model.positions).all():
        raise ValueError(f"{path} has vertices that are not finite numbers: the file is damaged")
    looks = [_obj_material(path, material, notes) for material in model.materials]
    parts = np.zeros(len(model.faces), int) if model.part_ids is None else model.part_ids
    pieces = []
    for part, slot in sorted(set(zip(parts.tolist(), model.material_ids.tolist(), strict=True))):
        faces = (parts == part) & (model.material_ids == slot)
        name = (model.parts[part] if model.parts else "") or path.stem
        pieces.append(_obj_piece(model, faces, looks[slot], part, name))
    return ScanFile(pieces, units=None, up=None, likely_up="y", notes=tuple(dict.fromkeys(notes)))


def obj_files(path: Path) -> list[Path]:
    """An OBJ file with the MTL files and textures that it names and that are there."""
    files = [path]

    def read_mtl(name: str) -> str | None:
        file = _beside(path, name)
        if file is None:
            return None
        files.append(file)
        return _text(file)

    try:
        model = read_obj(_text(path), read_mtl)
    except (ValueError, IndexError):
        return files  # what is wrong is said when it is read
    named = [_beside(path, m.texture) for m in model.materials if m.texture]
    return [*files, *(f for f in dict.fromkeys(named) if f is not None)]


def read_ply_file(path: Path) -> ScanFile:
    """A PLY file, one thing. Raises ValueError, naming the file, for one that is damaged or has no faces."""
    mesh = read_ply(path)
    if not np.isfinite(mesh.points).all():
        raise ValueError(f"{path} has vertices that are not finite numbers: the file is damaged")
    texture = None
    notes: list[str] = []
    names = list(mesh.textures)
    if names and (mesh.uvs is not None or mesh.corner_uvs is not None):
        if len(names) > 1:
            notes.append(f"of {len(names)} textures the first is shown on all of it")
        texture = _texture(path, names[0], notes)
    return ScanFile([_ply_piece(path, mesh, texture)], units=None, up=None, likely_up="z", notes=tuple(notes))


def ply_files(path: Path) -> list[Path]:
    """A PLY file with the textures that its header names and that are there."""
    with path.open("rb") as file:
        head = file.read(1 << 16).partition(b"end_header")[0].decode("ascii", "replace")
    names = [
        line.split("TextureFile", 1)[1].strip() for line in head.splitlines() if "comment TextureFile" in line
    ]
    found = [_beside(path, name) for name in names]
    return [path, *(f for f in dict.fromkeys(found) if f is not None)]


def _obj_piece(model: ObjModel, faces: np.ndarray, look: Material, part: int, name: str) -> Piece:
    """Faces of one part and material; corners that share position, uv and normal are one vertex."""
    corners = model.faces[faces].ravel()
    uvs, normals = model.uvs[faces].reshape(-1, 2), model.normals[faces].reshape(-1, 3)
    rows = np.column_stack([corners, uvs, normals])
    _, first, index = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    some = normals[first]
    complete = (np.linalg.norm(some, axis=1) > 1e-6).all()
    return Piece(
        thing=part,
        name=name,
        points=model.positions[corners[first]],
        faces=index.reshape(-1, 3),
        material=look,
        normals=some / np.linalg.norm(some, axis=1, keepdims=True) if complete else None,
        uvs=uvs[first],
        colors=None
        if model.colors is None
        else np.round(255 * model.colors[corners[first]]).astype(np.uint8),
    )


def _obj_material(path: Path, material: ObjMaterial, notes: list[str]) -> Material:
    texture = None if material.texture is None else _texture(path, material.texture, notes)
    r, g, b = (min(max(c, 0.0), 1.0) for c in material.color)
    if texture is not None:
        # Exporters leave Kd at black or at a grey that was never meant to darken the picture: its hue counts.
        top = max(r, g, b)
        r, g, b = (r / top, g / top, b / top) if top > 0.05 else (1.0, 1.0, 1.0)
    opacity = min(max(material.opacity, 1 / 255), 1.0)
    return Material(material.name or "captured", (r, g, b), texture, material.glow, opacity)


def _ply_piece(path: Path, mesh: PlyMesh, texture: np.ndarray | None) -> Piece:
    """The mesh, torn apart where faces have colours or corners of their own."""
    points, faces, normals, uvs = mesh.points.astype(np.float64), mesh.faces, mesh.normals, mesh.uvs
    colors = None if mesh.colors is None else mesh.colors[:, :3]
    of_faces = ply_colors(mesh.of_polygon) if colors is None else None
    if of_faces is not None or (texture is not None and mesh.corner_uvs is not None):
        flat = faces.ravel()
        points, faces = points[flat], np.arange(len(flat)).reshape(-1, 3)
        normals = None if normals is None else normals[flat]
        uvs = mesh.corner_uvs.reshape(-1, 2) if mesh.corner_uvs is not None else None
        if of_faces is not None:
            colors = np.repeat(of_faces[mesh.polygon, :3], 3, axis=0)
        elif colors is not None:
            colors = colors[flat]
    if normals is not None:
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        normals = normals / length if (length > 1e-6).all() else None
    material = Material("captured", texture=texture)
    if colors is None and texture is None:
        material = Material("captured", (0.7, 0.7, 0.7))
    return Piece(
        thing=0,
        name=path.stem,
        points=points,
        faces=faces,
        material=material,
        normals=normals,
        uvs=uvs,
        colors=None if colors is None else np.ascontiguousarray(colors),
    )


def _texture(path: Path, name: str, notes: list[str]) -> np.ndarray | None:
    """uint8 [h, w, 3]; None, with a note, where the file is missing."""
    file = _beside(path, name)
    if file is None:
        notes.append(f"the texture {name} is missing")
        return None
    return read_image(file.read_bytes(), str(file))[0]


def _beside(path: Path, name: str) -> Path | None:
    """The file of that name in the file's folder or below, in any spelling of case; None if there is none."""
    folder = path.parent.resolve()
    for relative in (name.replace("\\", "/"), Path(name.replace("\\", "/")).name):
        file = (folder / relative).resolve()
        if file.is_relative_to(folder) and file.is_file():
            return file
    wanted = Path(name.replace("\\", "/")).name.lower()
    return next((f for f in sorted(folder.iterdir()) if f.name.lower() == wanted and f.is_file()), None)


def _text(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if b"\0" in data[:4096]:
        raise ValueError(f"{path.name} is not text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")
