"""Wavefront OBJ and MTL, read into arrays.

What is read: v (with colours, as scanners write them), vt, vn, f, o, g, usemtl, mtllib; Kd, Ke, d, map_Kd.
Faces with more than three corners become fans.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

_OPTIONS = (
    r"-(?:blendu|blendv|cc|clamp|imfchan|texres|bm|boost|type)\s+\S+"
    r"|-mm(?:\s+[-+.\d]\S*){2}|-[ost](?:\s+[-+.\d]\S*){1,3}"
)
"""Options before the file's name, as "-s 2 2 1": how a texture lies, which is not read."""


@dataclass(frozen=True)
class ObjMaterial:
    """One material of an MTL file; `texture` is the file name it gives."""

    name: str
    color: tuple[float, float, float] = (0.8, 0.8, 0.8)
    glow: tuple[float, float, float] = (0.0, 0.0, 0.0)
    opacity: float = 1.0
    texture: str | None = None


@dataclass(frozen=True, eq=False)
class ObjModel:
    """A model's triangles; uvs and normals belong to corners, and are zero where the file has none."""

    positions: Float64[np.ndarray, "v 3"]  # in the file's unit
    faces: Int64[np.ndarray, "f 3"]
    uvs: Float64[np.ndarray, "f 3 2"]
    normals: Float64[np.ndarray, "f 3 3"]
    material_ids: Int64[np.ndarray, " f"]
    materials: tuple[ObjMaterial, ...]
    colors: Float64[np.ndarray, "v 3"] | None = None  # sRGB in [0, 1]
    part_ids: Int64[np.ndarray, " f"] | None = None
    parts: tuple[str, ...] = ()  # names of objects (o), or of groups (g) in a file without objects


def read_obj(text: str, read_mtl: Callable[[str], str | None]) -> ObjModel:
    """Parses an OBJ; `read_mtl` gives the text of a material file by the name after `mtllib`, None if
    missing.

    Raises ValueError for a file without faces or with faces that name points it does not have.
    """
    rows: dict[str, list[str]] = {"v": [], "vt": [], "vn": []}
    known: dict[str, ObjMaterial] = {}
    used: dict[str, int] = {}
    current = -1
    corners: list[str] = []  # "v/vt/vn" of every corner, face after face
    counts: list[int] = []
    slots: list[int] = []
    named: dict[str, _Names] = {"o": _Names(), "g": _Names()}
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.replace("\t", " ").strip().partition(" ")
        if word in rows:
            rows[word].append(rest)
        elif word == "f":
            tokens = rest.split()
            if len(tokens) >= 3:
                corners += tokens
                counts.append(len(tokens))
                slots.append(current)
                for names in named.values():
                    names.of_face.append(names.current)
        elif word == "usemtl":
            current = used.setdefault(rest.strip(), len(used))
        elif word in named:
            names = named[word]
            names.current = names.known.setdefault(rest.strip(), len(names.known))
        elif word == "mtllib":
            known.update(read_materials(read_mtl(rest.strip()) or ""))
    if not counts:
        raise ValueError("an OBJ file without faces")
    tables = {key: _numbers(lines, 2 if key == "vt" else 3) for key, lines in rows.items()}
    names = named["o"] if len(named["o"].known) > 1 else named["g"]
    index = _corner_indices(corners, [len(tables[key]) for key in ("v", "vt", "vn")])
    triangles, face = fans(np.array(counts))
    index = index[triangles]  # [f, 3, 3]: corner, then v, vt, vn
    slot = np.array(slots)[face]
    if (slot < 0).any():  # faces before the first usemtl
        slot = np.where(slot < 0, used.setdefault("", len(used)), slot)
    return ObjModel(
        positions=tables["v"],
        faces=index[..., 0],
        uvs=_pick(tables["vt"], index[..., 1]),
        normals=_pick(tables["vn"], index[..., 2]),
        material_ids=slot,
        materials=tuple(known.get(name, ObjMaterial(name)) for name in used),
        colors=_colors(rows["v"]),
        part_ids=np.array(names.of_face)[face],
        parts=tuple(names.known),
    )


class _Names:
    """Names given on lines of their own, and which was given last before each face."""

    def __init__(self) -> None:
        self.known: dict[str, int] = {"": 0}
        self.current = 0
        self.of_face: list[int] = []


def _colors(lines: list[str]) -> np.ndarray | None:
    """Colours [v, 3] in [0, 1] that follow the positions; None unless every vertex has one."""
    if not lines or any(len(line.split()) < 6 for line in (lines[0], lines[-1])):
        return None
    words = [line.split() for line in lines]
    if any(len(row) < 6 for row in words):
        return None
    found = np.array([row[3:6] for row in words], np.float64)
    return np.clip(found / (255.0 if found.max() > 1.0 else 1.0), 0.0, 1.0)


def read_materials(text: str) -> dict[str, ObjMaterial]:
    """The materials of an MTL file by name."""
    found: dict[str, dict] = {}
    values: dict = {}
    for line in text.splitlines():
        word, _, rest = line.replace("\t", " ").strip().partition(" ")
        rest = rest.strip()
        if word == "newmtl":
            values = found.setdefault(rest, {"name": rest})
        elif word in ("Kd", "Ke"):
            r, g, b = ([float(v) for v in rest.split()] * 3)[:3]
            values["color" if word == "Kd" else "glow"] = (r, g, b)
        elif word == "d":
            values["opacity"] = float(rest.split()[-1])
        elif word == "map_Kd":
            values["texture"] = re.sub(_OPTIONS, "", rest).strip()
    return {name: ObjMaterial(**v) for name, v in found.items()}


def _numbers(lines: list[str], width: int) -> np.ndarray:
    if not lines:
        return np.zeros((0, width))
    flat = np.array(" ".join(lines).split(), np.float64)
    if flat.size % len(lines):  # lines of unequal length: optional weights
        return np.array([[float(v) for v in line.split()[:width]] for line in lines])
    return flat.reshape(len(lines), -1)[:, :width]


def _corner_indices(corners: list[str], sizes: list[int]) -> np.ndarray:
    """[corner, 3] zero-based indices of v, vt, vn; -1 for what a corner does not name."""
    # Each corner is padded to two slashes, empty fields become 0, which no index is: one split reads them
    # all.
    padded = "/".join(c + "/" * (2 - c.count("/")) for c in corners).split("/")
    index = np.array([int(field) if field else 0 for field in padded]).reshape(-1, 3)
    index = np.where(index < 0, index + np.array(sizes), index - 1)
    if (index[:, 0] < 0).any() or (index >= np.array(sizes)).any():
        raise ValueError("an OBJ face names a point that the file does not have")
    return index


def fans(counts: Int64[np.ndarray, " n"]) -> tuple[Int64[np.ndarray, "f 3"], Int64[np.ndarray, " f"]]:
    """Corner numbers of n faces of `counts` corners cut into triangles, and the face that each came from."""
    start = np.cumsum(counts) - counts
    face = np.repeat(np.arange(len(counts)), counts - 2)
    step = np.arange(len(face)) - np.repeat(np.cumsum(counts - 2) - (counts - 2), counts - 2)
    return np.stack([start[face], start[face] + step + 1, start[face] + step + 2], -1), face


def _pick(table: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Rows of a table; zero where the index is -1."""
    padded = np.concatenate([table, np.zeros((1, table.shape[1]))])
    return padded[index]
