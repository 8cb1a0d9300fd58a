"""Shapes of beds, their mattresses where things are put (`scenes/house/boards.py`). Boxes as in `shapes`."""

from scenes.house.asset_table import Asset
from scenes.house.boards import boards_seen_on
from scenes.meshes.looks import finish
from scenes.meshes.mesh_builder import MeshBuilder
from scenes.meshes.palette import FinishSampler
from scenes.meshes.shapes.furniture_parts import legs

LOW = 0.3  # m; what lies lower in a bed lies under it
LOFT = 1.1  # m; a mattress above this is that of a loft


def mattresses(asset: Asset) -> tuple[float, ...]:
    """At what heights one sleeps in a bed on which things were seen [m], the lowest first."""
    seats = [board.height for board in boards_seen_on(asset) if board.kind == "seat"]
    return tuple(height for height in seats if height > LOW) or tuple(seats[-1:])


def is_loft(asset: Asset) -> bool:
    """Whether one sleeps high up in a bed, or on two levels."""
    return asset.type == "Bed" and any(height > LOFT for height in mattresses(asset))


def bed(b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler) -> None:
    """Frame, headboard at the back (-z), mattress, cover, pillows."""
    made_bed(b, w, h, d, draw, (min(0.55, 0.65 * h),))


def made_bed(
    b: MeshBuilder, w: float, h: float, d: float, draw: FinishSampler, levels: tuple[float, ...]
) -> None:
    """A bed with mattresses whose tops are at these heights [m], the lowest first; lofts stand on posts."""
    look = draw.wood() if draw.one_of(0, 1, 1) else draw.cloth()
    linen = finish("fabric", (0.93, 0.92, 0.89), 0.3)
    top = levels[-1]
    rail, foot = (top * 0.55, top * 0.1375) if top <= LOFT else (top - 0.2, top - 0.32)
    b.box((-w / 2, 0, -d / 2), (w / 2, h, -d / 2 + 0.06), look)
    b.box((-w / 2, foot, -d / 2 + 0.06), (w / 2, rail, d / 2), look)
    legs(b, w, d, 0, rail * 0.3 if top <= LOFT else h, look, 0.07, 0.01 if top <= LOFT else 0.0)
    for level in levels[:-1]:
        b.box((-w / 2, level - 0.25, -d / 2 + 0.06), (w / 2, level - 0.12, d / 2), look)
        b.cushion(
            (-w / 2 + 0.02, level - 0.14, -d / 2 + 0.06), (w / 2 - 0.02, level, d / 2 - 0.02), 0.05, linen
        )
    b.cushion(
        (-w / 2 + 0.02, rail - 0.02, -d / 2 + 0.06), (w / 2 - 0.02, top - 0.01, d / 2 - 0.02), 0.05, linen
    )
    cover = finish(
        "stripes" if draw.one_of(0, 0, 1) else "fabric",
        draw.pick(
            (
                (0.35, 0.45, 0.60),
                (0.60, 0.35, 0.32),
                (0.75, 0.72, 0.66),
                (0.45, 0.52, 0.42),
                (0.30, 0.31, 0.36),
            )
        ),
        0.6,
    )
    b.cushion(
        (-w / 2 - 0.004, max(rail * 0.75, foot), -d / 2 + d * 0.32),
        (w / 2 + 0.004, top + 0.012, d / 2 - 0.012),
        0.05,
        cover,
    )
    count = 2 if w > 1.15 else 1
    for i in range(count):
        x = -w / 2 + w * (i + 0.5) / count
        half = min(0.34, w / count * 0.42)
        b.cushion(
            (x - half, top - 0.03, -d / 2 + 0.09),
            (x + half, min(top + 0.11, h), -d / 2 + 0.09 + min(0.42, d * 0.2)),
            0.06,
            linen,
        )
