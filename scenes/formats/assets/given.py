"""Assets that a user gives beside AI2-THOR's table, and what to do with those that no one knows.

    library = given_library(SpaceOptions(assets=Path("assets"), unknown_assets="box"))
    compile_house(House.load("holodeck.json"), library)

A folder holds `<asset id>.glb` files or ObjaTHOR's folders `<asset id>/` (or `assets/<asset id>/`), with
`annotations.json.gz` for categories and authors and, where names do not tell, `kinds.csv` (asset,type). A
YAML list names files anywhere below it; see `AssetEntry`.
"""

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import TypeAdapter, ValidationError

from scenes.config import Config
from scenes.formats.assets.kinds import check_type, object_type
from scenes.formats.assets.objathor import objathor_file, read_annotations, read_objathor
from scenes.formats.gltf.read import read_gltf
from scenes.formats.scan.frame import settle
from scenes.formats.scan.pieces import ScanFile
from scenes.formats.scan.read import joined, piece_mesh
from scenes.house.asset_table import Asset
from scenes.meshes.geometry import Credit, Mesh
from scenes.meshes.mesh_builder import rotation_matrix

_ANNOTATIONS = ("annotations.json.gz", "annotations.json")


class AssetEntry(Config):
    """One asset of a YAML list."""

    id: str
    """The asset's id, as houses name it."""
    file: Path
    """A .glb or .gltf file, or a folder of ObjaTHOR's; from the list's folder on."""
    type: str = ""
    """Object type, as Sofa; by default by the words of the id."""
    turn: float = 0.0
    """Degrees about y, +z towards +x, after which its front looks along +z."""
    size: tuple[float, float, float] | None = None
    """Extents along x, y, z [m]; by default those of the mesh."""


@dataclass(frozen=True)
class _Given:
    """An asset, not read yet."""

    entry: AssetEntry
    annotation: Mapping[str, Any]


class GivenAssets:
    """The assets of a folder or a YAML list, each read when first asked for."""

    def __init__(self, path: Path) -> None:
        """Lists the assets. Raises ValueError for a path that holds none, or for a list that is wrong."""
        self.path = path
        if path.is_dir():
            self._given = _of_folder(path)
        elif path.suffix.lower() in (".yaml", ".yml") and path.is_file():
            self._given = _of_list(path)
        else:
            raise ValueError(f"--assets {path}: neither a folder of assets nor a YAML list of them")
        if not self._given:
            raise ValueError(f"--assets {path} holds no asset: <id>.glb, or <id>/<id>.json of ObjaTHOR's")
        self._meshes: dict[str, Mesh] = {}

    @cached_property
    def digest(self) -> str:
        """What the assets are known by: ids, types, and names and sizes of files."""
        told = hashlib.sha256()
        for name, given in sorted(self._given.items()):
            size = given.entry.file.stat().st_size if given.entry.file.exists() else -1
            told.update(
                f"{given.entry.model_dump_json(exclude={'file'})} {given.entry.file.name} {size}\n".encode()
            )
            told.update(f"{name} {self._type(given)}\n".encode())
        return told.hexdigest()

    def has(self, asset_id: str) -> bool:
        """Whether an asset of that id is here."""
        return asset_id in self._given

    def asset(self, asset_id: str) -> Asset | None:
        """The asset with the size of its mesh; None for an id that is not here.

        Raises ValueError, naming the file, for one that cannot be read.
        """
        given = self._given.get(asset_id)
        if given is None:
            return None
        x, y, z = np.ptp(self.mesh(asset_id).vertices, axis=0).tolist()
        return Asset(asset_id, self._type(given), (x, y, z), "none", "train", "")

    def mesh(self, asset_id: str) -> Mesh:
        """The asset's mesh, centred on its box, its front along +z."""
        if asset_id not in self._meshes:
            self._meshes[asset_id] = _mesh(self._given[asset_id].entry)
        return self._meshes[asset_id]

    def size_told(self, asset_id: str) -> tuple[float, float, float] | None:
        """Extents [m] that annotations tell of an asset without a file (width, height, depth in cm)."""
        told = _annotations(self.path).get(asset_id, {}) if self.path.is_dir() else {}
        values = [told.get(name) for name in ("width", "height", "depth")]
        if not all(isinstance(v, int | float) and v > 0 for v in values):
            return None
        x, y, z = (float(v) / 100 for v in values if v is not None)
        return x, y, z

    def credit(self, asset_id: str) -> Credit | None:
        """Whose model it is, where its annotation says so."""
        given = self._given.get(asset_id)
        info = {} if given is None else given.annotation.get("license_info") or {}
        author = info.get("creator_display_name") or info.get("creator_username")
        if not author:
            return None
        return Credit(asset_id, str(author), str(info.get("license", "unknown")), str(info.get("uri", "")))

    def _type(self, given: _Given) -> str:
        category = str(given.annotation.get("category") or given.annotation.get("ref_category") or "")
        return given.entry.type or object_type(category or given.entry.id)


@cache
def given_assets(path: Path) -> GivenAssets:
    """The assets at a path, listed once a process."""
    return GivenAssets(path)


def _of_folder(folder: Path) -> dict[str, _Given]:
    kinds: dict[str, str] = {}
    if (folder / "kinds.csv").is_file():
        with (folder / "kinds.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                try:
                    kinds[row["asset"]] = check_type(row["type"])
                except (KeyError, ValueError) as error:
                    raise ValueError(
                        f"{folder / 'kinds.csv'}: {error}: its columns are asset,type"
                    ) from error
    found: dict[str, Path] = {}
    for place in (folder, folder / "assets"):
        for one in sorted(place.iterdir()) if place.is_dir() else ():
            if one.suffix.lower() in (".glb", ".gltf") and one.is_file():
                found.setdefault(one.stem, one)
            elif one.is_dir() and objathor_file(one) is not None:
                found.setdefault(one.name, one)
    about = _annotations(folder)
    given = {}
    for name, file in found.items():
        told = about.get(name)
        if told is None and file.is_dir():
            own = next((file / a for a in _ANNOTATIONS if (file / a).is_file()), None)
            told = None if own is None else read_annotations(own)
        given[name] = _Given(AssetEntry(id=name, file=file, type=kinds.get(name, "")), told or {})
    return given


@cache
def _annotations(folder: Path) -> Mapping[str, Any]:
    file = next((folder / name for name in _ANNOTATIONS if (folder / name).is_file()), None)
    values = {} if file is None else read_annotations(file)
    return {name: told for name, told in values.items() if isinstance(told, dict)}


def _of_list(path: Path) -> dict[str, _Given]:
    try:
        entries = TypeAdapter(list[AssetEntry]).validate_python(
            yaml.safe_load(path.read_text(encoding="utf-8"))
        )
    except (ValidationError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no list of assets (id, file, type, turn, size): {error}") from error
    given = {}
    for entry in entries:
        file = path.parent / entry.file
        if not file.exists():
            raise ValueError(f"{path}: asset {entry.id} is to be in {entry.file}, which is not there")
        try:
            kind = check_type(entry.type) if entry.type else ""
        except ValueError as error:
            raise ValueError(f"{path}: asset {entry.id}: {error}") from error
        given[entry.id] = _Given(entry.model_copy(update={"file": file, "type": kind}), {})
    return given


def _mesh(entry: AssetEntry) -> Mesh:
    """An asset's mesh, turned, stretched where a size is told, centred on its box."""
    own = objathor_file(entry.file) if entry.file.is_dir() else None
    if entry.file.is_dir() and own is None:
        raise ValueError(
            f"{entry.file} is no folder of ObjaTHOR's: it has no {entry.file.name}.json or the like"
        )
    file = ScanFile([read_objathor(own)], "m", "y") if own is not None else read_gltf(entry.file)
    pieces = [piece for piece in file.pieces if len(piece.faces)]
    if not pieces:
        raise ValueError(f"{entry.file} holds no surface: a mesh with faces is needed")
    file = replace(file, pieces=pieces)
    frame = settle(entry.file, file, None, None)
    told = hashlib.sha256(
        f"{entry.turn} {entry.size}".encode() + (own or entry.file).read_bytes()
    ).hexdigest()
    mesh = joined(f"given:{entry.id}:{told[:16]}", [piece_mesh(piece, frame, False) for piece in pieces])
    turn = rotation_matrix("y", entry.turn)
    points, normals = mesh.vertices @ turn.T, mesh.normals @ turn.T
    low, high = points.min(0), points.max(0)
    scale = np.ones(3)
    if entry.size is not None:
        scale = np.array(entry.size) / np.maximum(high - low, 1e-6)
        normals = normals / scale
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    points = (points - (low + high) / 2) * scale
    return replace(mesh, vertices=points.astype(np.float32), normals=normals.astype(np.float32))
