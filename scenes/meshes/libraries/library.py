"""Which geometry an asset gets: a real model where the libraries hold one that fits, else a shape of ours.

`scenes/assets/models.csv` maps object types to models of Sweet Home 3D's libraries. Of the models of an
asset's type and pool that can be stretched to its box without becoming grotesque, a hash of the asset's id
picks one, so that an asset looks the same in every house and process. Pools share no model: a held-out
family has its own geometry.
"""

import csv
import hashlib
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np

from scenes.house.asset_table import Asset, asset_table
from scenes.house.elements import HouseObject
from scenes.meshes.geometry import Credit, Material, Mesh
from scenes.meshes.levels import seat_bend
from scenes.meshes.libraries.mesh_store import kept_mesh
from scenes.meshes.libraries.obj import ObjModel
from scenes.meshes.libraries.sweethome import Piece, archive_digest, load_model, read_catalogue
from scenes.meshes.mesh_builder import rotation_matrix
from scenes.meshes.meshing import assemble, used_vertices
from scenes.meshes.shapes.bath import has_basin
from scenes.meshes.shapes.beds import is_loft
from scenes.meshes.shapes.cases import has_compartments
from scenes.meshes.shapes.recipes import build_shape

MODELS = Path(__file__).parents[2] / "assets" / "models.csv"
SWITCHED = MODELS.with_name("switched.csv")  # materials of models that shine while the thing is on
DEBIAN_FOLDER = Path("/usr/share/sweethome3d/furniture")  # of the package sweethome3d-furniture
FOLDER_VARIABLE = "TESTSPACE_FURNITURE"  # names another folder of .sh3f files; empty: shapes only

GROTESQUE = 1.8  # the most that a model's proportions may be changed
GOOD = 1.3  # models within this factor of the best are as good as it
THIN = 0.2  # extents below this share of the largest do not show their proportions
FEW = 3
_MIXED = """
Book Bowl Candle CoffeeMachine Dresser FloorLamp Fridge Laptop Microwave Mug Plate Sink SprayBottle Statue
Television Toaster TVStand Vase
"""
MIXED = frozenset(_MIXED.split())  # types whose models, if few, take turns with shapes


@dataclass(frozen=True)
class Choice:
    """A model for an asset, and how many degrees it is turned about y before it is stretched."""

    piece: Piece
    turn: int
    distortion: float  # largest over smallest stretch; 1 is the model's own proportions


class AssetSource(Protocol):
    """Gives objects of houses their assets and meshes."""

    def has(self, item: HouseObject) -> bool:
        """Whether the object's asset is known."""
        ...

    def asset(self, item: HouseObject) -> Asset | None:
        """The asset of an object, None for one to be left out. Raises ValueError for an unknown one."""
        ...

    def mesh(self, asset: Asset) -> Mesh:
        """The asset's mesh: centred on its box, as large as its box, its front along +z."""
        ...

    def credit(self, asset: Asset) -> Credit | None:
        """Whose model the asset's mesh is; None for a shape of ours."""
        ...


class AssetLibrary:
    """Meshes of assets: built once, kept on disk (`mesh_store.py`) and for the life of the process."""

    def __init__(self, folder: Path | None) -> None:
        """Reads the catalogues of all `.sh3f` files in a folder; None or a missing one means shapes only."""
        files = sorted(folder.glob("*.sh3f")) if folder is not None and folder.is_dir() else []
        self.folder = folder
        self._pieces: dict[str, Piece] = {}
        digest = hashlib.sha256(MODELS.read_bytes() + SWITCHED.read_bytes())
        contents: list[str] = []
        for file in files:
            self._pieces.update(read_catalogue(file))
            digest.update(f"{file.name} {file.stat().st_size}".encode())
            contents.append(archive_digest(file))
        self.digest = digest.hexdigest()[:12] if files else "shapes"
        self._contents = " ".join(contents)  # by which meshes are kept on disk
        self._mapped: dict[tuple[str, str], list[tuple[str, str, str]]] = {}
        with MODELS.open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                if row["model"] in self._pieces:
                    key = row["object_type"], row["pool"]
                    self._mapped.setdefault(key, []).append((row["model"], row["turn"], row["property"]))
        with SWITCHED.open(newline="", encoding="utf-8") as rows:
            self._switched = {(row["model"], row["material"]) for row in csv.DictReader(rows)}
        self._meshes: dict[str, Mesh] = {}
        self._choices: dict[Asset, Choice | None] = {}
        self._looks: dict[str, tuple[Material, ...]] = {}  # of models: assets share their textures

    def asset(self, item: HouseObject) -> Asset:
        """The asset of an object. Raises ValueError for one that the asset table does not have."""
        if not self.has(item):
            raise ValueError(
                f"object {item.id!r} has asset {item.asset_id!r}, which is not in scenes/assets/assets.csv, "
                "so that its size and kind are unknown: name a folder that has it by --assets, choose "
                "--unknown-assets box or skip, or give the object an asset from there"
            )
        return asset_table()[item.asset_id]

    def has(self, item: HouseObject) -> bool:
        """Whether the asset table has the object's asset."""
        return item.asset_id in asset_table()

    def choose(self, asset: Asset) -> Choice | None:
        """The model that stands in for an asset; None where none fits and a shape of ours does it.

        Nothing but a shape has shelves, drawers and basins at the heights at which an asset has them.
        """
        if asset not in self._choices:
            self._choices[asset] = self._choose(asset)
        return self._choices[asset]

    def _choose(self, asset: Asset) -> Choice | None:
        if has_compartments(asset) or is_loft(asset) or has_basin(asset):
            return None
        choices = []
        for model, turn, only in self._mapped.get((asset.type, asset.pool), []):
            if only not in ("", asset.primary_property):
                continue
            piece = self._pieces[model]
            angles = (0, 90) if turn == "any" else (int(turn),)
            best = min((_distortion(piece.size, asset.size, angle), angle) for angle in angles)
            choices.append(Choice(piece, best[1], best[0]))
        limit = min((c.distortion for c in choices), default=np.inf) * GOOD
        fitting = sorted(
            (c for c in choices if c.distortion <= min(limit, GROTESQUE)), key=lambda c: c.piece.id
        )
        if not fitting:
            return None
        # Where few models do for many assets, shapes of ours take turns with them: lamps are not one lamp.
        turns: list[Choice | None] = [*fitting, *([None] * (len(fitting) < FEW and asset.type in MIXED))]
        draw = int.from_bytes(hashlib.sha256(f"model {asset.id}".encode()).digest()[:8], "big")
        return turns[draw % len(turns)]

    def mesh(self, asset: Asset) -> Mesh:
        """The asset's mesh: centred on its box, as large as its box, its front along +z.

        Raises ValueError, naming library and model, for a model that cannot be read.
        """
        if asset.id not in self._meshes:
            self._meshes[asset.id] = kept_mesh(f"{asset} {self._contents}", lambda: self._build(asset))
        return self._meshes[asset.id]

    def _build(self, asset: Asset) -> Mesh:
        choice = self.choose(asset)
        key = f"asset:{asset.id}:{self.digest}"
        if choice is None:
            return build_shape(asset, key)
        model = load_model(choice.piece)
        looks = self._looks.setdefault(choice.piece.id, self._marked(choice.piece, model.materials))
        return _fit(model.obj, looks, choice, asset, key)

    def _marked(self, piece: Piece, looks: tuple[Material, ...]) -> tuple[Material, ...]:
        """The materials of a model, those that are switched with it marked."""
        return tuple(replace(m, switched=(piece.id, m.name) in self._switched) for m in looks)

    def credit(self, asset: Asset) -> Credit | None:
        """Whose model the asset's mesh is; None for a shape of ours."""
        choice = self.choose(asset)
        return None if choice is None else choice.piece.credit

    def describe(self) -> str:
        """One line for people: what furniture comes from."""
        if not self._pieces:
            where = "no folder" if self.folder is None else str(self.folder)
            return (
                f"parametric shapes only: no furniture library in {where} (apt package sweethome3d-furniture)"
            )
        assets = asset_table().values()
        modelled = sum(self.choose(asset) is not None for asset in assets)
        used = len({model for rows in self._mapped.values() for model, *_ in rows})
        return (
            f"{modelled} of {len(assets)} assets from {used} models in {self.folder}, the rest shapes of ours"
        )


@cache
def default_library() -> AssetLibrary:
    """The library of this machine, opened once a process."""
    named = os.environ.get(FOLDER_VARIABLE)
    if named is None:
        return AssetLibrary(DEBIAN_FOLDER)
    return AssetLibrary(Path(named) if named else None)


def _distortion(model: tuple[float, float, float], box: tuple[float, float, float], turn: int) -> float:
    x, y, z = model
    have = np.array((z, y, x) if turn % 180 == 90 else (x, y, z))
    want = np.array(box)
    # Both are given their least extents: a screen twice as thick as another is still the same screen.
    stretch = np.maximum(want, want.max() * THIN) / np.maximum(have, have.max() * THIN)
    return float(stretch.max() / stretch.min())


def _fit(model: ObjModel, looks: tuple[Material, ...], choice: Choice, asset: Asset, key: str) -> Mesh:
    turn = rotation_matrix("y", choice.turn)
    points = model.positions @ turn.T
    normals = model.normals @ turn.T
    drawn = used_vertices(model.faces, len(points))
    low, high = points[drawn].min(0), points[drawn].max(0)
    want = np.array(asset.size)
    scale = want / np.maximum(high - low, 1e-6)
    points = (points - (low + high) / 2) * scale
    normals = normals / scale
    shown = np.array([m.opacity > 0.02 for m in looks])[model.material_ids]
    lifted = points + np.array([0.0, want[1] / 2, 0.0])
    bend = seat_bend(asset, lifted, model.faces[shown])
    if bend is not None:
        points[:, 1] = np.interp(lifted[:, 1], *bend) - want[1] / 2
    used, material_ids = np.unique(model.material_ids[shown], return_inverse=True)
    materials: list[Material] = [looks[i] for i in used]
    return assemble(
        key, points, model.faces[shown], model.uvs[shown], material_ids, materials, normals[shown]
    )
