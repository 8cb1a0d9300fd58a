"""Counts of assets by the source of their geometry: library models or parametric shapes."""

from dataclasses import dataclass
from typing import Literal

from scenes.house.asset_table import Pool, asset_table, assets_of_type
from scenes.meshes.libraries.library import AssetLibrary

POOLS: tuple[Pool, ...] = ("train", "heldout")


@dataclass(frozen=True)
class TypeCount:
    """One object type."""

    type: str
    modelled: dict[Pool, int]  # assets from library models
    shaped: dict[Pool, int]  # assets that are parametric shapes
    models: dict[Pool, int]  # different models in use
    stretch: float  # the largest distortion of any model; 1 if there is none

    @property
    def source(self) -> Literal["library", "mixed", "parametric"]:
        """Where the type's geometry comes from."""
        modelled, shaped = sum(self.modelled.values()), sum(self.shaped.values())
        return "mixed" if modelled and shaped else "library" if modelled else "parametric"

    @property
    def summary(self) -> str:
        """A few words: assets from models, of how many models, and assets that are shapes."""
        modelled, shaped = sum(self.modelled.values()), sum(self.shaped.values())
        models = sum(self.models.values())
        parts = [f"{modelled} from {models} model{'s' * (models > 1)}"] if modelled else []
        return ", ".join([*parts, *([f"{shaped} shape{'s' * (shaped > 1)}"] if shaped else [])])


def count_types(library: AssetLibrary) -> list[TypeCount]:
    """A row for each object type, by name."""
    rows = []
    for object_type in sorted({asset.type for asset in asset_table().values()}):
        modelled, shaped, models, stretch = {}, {}, {}, 1.0
        for pool in POOLS:
            choices = [library.choose(asset) for asset in assets_of_type(object_type, pool)]
            chosen = [c for c in choices if c is not None]
            modelled[pool], shaped[pool] = len(chosen), len(choices) - len(chosen)
            models[pool] = len({c.piece.id for c in chosen})
            stretch = max([stretch, *(c.distortion for c in chosen)])
        rows.append(TypeCount(object_type, modelled, shaped, models, stretch))
    return rows


def counts_table(library: AssetLibrary) -> str:
    """Markdown: totals, then a line a type."""
    rows = count_types(library)
    lines = ["| | train | heldout | all |", "|---|---:|---:|---:|"]
    for name, field in (("assets from models", "modelled"), ("assets that are shapes", "shaped")):
        each = [sum(getattr(row, field)[pool] for row in rows) for pool in POOLS]
        lines.append(f"| {name} | {each[0]} | {each[1]} | {sum(each)} |")
    used = [
        len({c.piece.id for a in asset_table().values() if a.pool == p and (c := library.choose(a))})
        for p in POOLS
    ]
    lines.append(f"| models in use | {used[0]} | {used[1]} | {sum(used)} |")
    kinds = [row.source for row in rows]
    lines += [
        "",
        f"Of {len(rows)} object types, {kinds.count('library')} come from models alone, "
        f"{kinds.count('mixed')} from models and shapes, {kinds.count('parametric')} from shapes alone.",
        "",
        "| type | models train | models heldout | assets from models | shapes | most stretch |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        stretch = f"{row.stretch:.2f}" if sum(row.modelled.values()) else ""
        lines.append(
            f"| {row.type} | {row.models['train']} | {row.models['heldout']} | "
            f"{sum(row.modelled.values())} | {sum(row.shaped.values())} | {stretch} |"
        )
    return "\n".join(lines) + "\n"
